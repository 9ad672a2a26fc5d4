"""`mlgym-synth verify`: the certificate's checks, on the tasks of a suite."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from mlgym_synth.cli import console
from mlgym_synth.cli.app import app
from mlgym_synth.cli.tasks import choose
from mlgym_synth.threads import run_all

if TYPE_CHECKING:
    from mlgym_synth.tasks.certificate import Certificate
    from mlgym_synth.tasks.suite import Task


@app.command()
def verify(
    suite: console.SuiteArgument,
    ids: Annotated[list[str] | None, typer.Option(help="Only this task; repeatable.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of baseline and reference.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Tasks checked at the same time.")] = 2,
    write: Annotated[bool, typer.Option(help="Store the certificates in the suite.")] = True,
    sandbox: console.SandboxOption = "auto",
    allow_unsafe: console.UnsafeOption = False,
    as_json: console.JsonOption = False,
    quiet: console.QuietOption = False,
) -> None:
    """Runs every check of the certificate anew and stores what they found.

    Exit code 1 if a task is not certified.

    **Example** `mlgym-synth verify smoke --no-write`
    """
    from mlgym_synth.verification.certify import certify

    tasks = choose(console.open_suite(suite), ids)
    with console.Bar("verifying tasks", len(tasks), quiet) as bar:

        def check(task: Task) -> Certificate:
            certificate = certify(
                task,
                provider=sandbox,
                seeds=seeds,
                allow_unsafe=allow_unsafe,
                on_event=lambda stage: bar.note(f"{task.id}: {stage}"),
            )
            if write:
                certificate.write(task.certificate_path)
            bar.advance(f"{task.id}: {'certified' if certificate.certified else 'not certified'}")
            return certificate

        certificates = run_all(check, tasks, workers)
    if as_json:
        console.print_json([certificate.model_dump(mode="json") for certificate in certificates])
    else:
        show_certificates(certificates)
    if not all(certificate.certified for certificate in certificates):
        raise typer.Exit(console.FAILED)


def show_certificates(certificates: list[Certificate]) -> None:
    """Prints anchors and the 95 % interval of both gaps, then the reasons of those that failed."""
    rows = []
    for certificate in certificates:
        anchors = certificate.anchors
        gaps = {gap.name: f"[{console.number(gap.low)}, {console.number(gap.high)}]" for gap in certificate.gaps}
        rows.append(
            (
                certificate.task_id,
                anchors.metric if anchors else None,
                anchors.floor if anchors else None,
                anchors.baseline if anchors else None,
                anchors.reference if anchors else None,
                gaps.get("floor to baseline"),
                gaps.get("baseline to reference"),
                "provisional" if certificate.certified and certificate.provisional else certificate.certified,
            )
        )
    columns = ("task", "metric", "floor", "baseline", "reference", "floor→baseline", "baseline→reference", "certified")
    console.table("", columns, rows)
    for certificate in certificates:
        for reason in certificate.reasons:
            console.warn(f"{certificate.task_id}: {reason}")
