"""`mlgym-synth verify`: the certificate's checks, on the tasks of a suite."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from random import Random
from typing import TYPE_CHECKING, Annotated

import typer

from mlgym_synth.cli import console
from mlgym_synth.cli.app import app
from mlgym_synth.cli.tasks import choose
from mlgym_synth.errors import InputError
from mlgym_synth.files import CACHE_VARIABLE
from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.threads import run_all

if TYPE_CHECKING:
    from mlgym_synth.tasks.certificate import Anchors, Certificate
    from mlgym_synth.tasks.suite import Task

DRIFT = 0.1
"""Share of floor to reference by which anchors may differ between two makings: versions of libraries move models."""


@app.command()
def verify(
    suite: console.SuiteArgument,
    ids: Annotated[list[str] | None, typer.Option(help="Only this task; repeatable.")] = None,
    sample: Annotated[int | None, typer.Option(min=1, help="Only so many tasks, drawn by --seed.")] = None,
    seed: Annotated[int, typer.Option(help="Draws the sample.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Only tasks that have no verdict yet.")] = False,
    fresh: Annotated[
        bool,
        typer.Option("--fresh", help="With data made anew, and compared with the stored certificates; writes nothing."),
    ] = False,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of baseline and reference.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Tasks checked at the same time.")] = 2,
    write: Annotated[bool, typer.Option(help="Store the certificates in the suite.")] = True,
    sandbox: console.SandboxOption = "auto",
    allow_unsafe: console.UnsafeOption = False,
    as_json: console.JsonOption = False,
    quiet: console.QuietOption = False,
) -> None:
    """Runs every check of the certificate anew and stores what they found.

    Exit code 1 if a task is not certified, or with `--fresh` if anything differs from its stored certificate.

    **Example** `mlgym-synth verify smoke --sample 2 --fresh`
    """
    from mlgym_synth.verification.certify import certify

    if fresh and resume:
        raise InputError("--fresh makes every verdict anew, --resume keeps those that are there", "use one of them")
    tasks = choose(console.open_suite(suite), ids)
    if resume:
        tasks = [task for task in tasks if not _has_verdict(task)]
    if sample is not None:
        tasks = sorted(Random(seed).sample(tasks, min(sample, len(tasks))), key=lambda task: task.id)  # noqa: S311  (a draw to look at)
    cache = _empty_cache() if fresh else contextlib.nullcontext()
    with cache, console.Bar("verifying tasks", len(tasks), quiet) as bar:

        def check(task: Task) -> Certificate:
            certificate = certify(
                task,
                provider=sandbox,
                seeds=seeds,
                allow_unsafe=allow_unsafe,
                on_event=lambda stage: bar.note(f"{task.id}: {stage}"),
            )
            if write and not fresh:
                certificate.write(task.certificate_path)
            bar.advance(f"{task.id}: {'certified' if certificate.certified else 'not certified'}")
            return certificate

        certificates = run_all(check, tasks, workers)
    if as_json:
        console.print_json([certificate.model_dump(mode="json") for certificate in certificates])
    else:
        show_certificates(certificates)
    differences = _differences(tasks, certificates) if fresh else []
    for difference in differences:
        console.warn(difference)
    if differences or not all(certificate.certified for certificate in certificates):
        raise typer.Exit(console.FAILED)


def _has_verdict(task: Task) -> bool:
    """Whether there is a certificate that fits, and none of its checks was prevented by something around the task."""
    certificate = task.certificate
    return certificate is not None and all(check.verdict is not Verdict.ERROR for check in certificate.checks)


@contextlib.contextmanager
def _empty_cache() -> Iterator[None]:
    before = os.environ.get(CACHE_VARIABLE)
    with tempfile.TemporaryDirectory(prefix="mlgym-synth-fresh-") as folder:
        os.environ[CACHE_VARIABLE] = folder
        try:
            yield
        finally:
            if before is None:
                del os.environ[CACHE_VARIABLE]
            else:
                os.environ[CACHE_VARIABLE] = before


def _differences(tasks: Sequence[Task], certificates: Sequence[Certificate]) -> list[str]:
    """One line for every task whose stored certificate says something else."""
    lines = []
    for task, new in zip(tasks, certificates, strict=True):
        old = task.certificate
        if old is None:
            lines.append(f"{task.id} has no certificate that fits it")
        elif old.certified != new.certified or _moved(old.anchors, new.anchors):
            lines.append(f"{task.id} was {old.summary()} and is {new.summary()}")
    return lines


def _moved(old: Anchors | None, new: Anchors | None) -> bool:
    if old is None or new is None:
        return old is not new
    span = abs(old.reference - old.floor)
    return any(
        abs(getattr(old, name) - getattr(new, name)) > DRIFT * span for name in ("floor", "baseline", "reference")
    )


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
