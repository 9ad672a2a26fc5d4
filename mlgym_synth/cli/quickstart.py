"""`mlgym-synth quickstart`: the whole way once, from nothing to a report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlgym_synth.cli import console
from mlgym_synth.cli.app import app
from mlgym_synth.cli.evaluate import show_evaluation
from mlgym_synth.cli.rollout import make_run
from mlgym_synth.cli.synthesize import make_suite, show_decisions
from mlgym_synth.errors import InputError

EPISODES = 2
PRODUCTS = {"suite", "run", "report.html", "profiles.png"}


@app.command()
def quickstart(
    out: Annotated[Path, typer.Option(help="Folder for the suite, the trajectories and the report.")] = Path(
        "quickstart"
    ),
    quiet: console.QuietOption = False,
) -> None:
    """Makes four tasks from real data, certifies them, rolls the reference agent out, and reports.

    Needs no key and no network. A run that was cut short goes on where it left off.

    **Example** `mlgym-synth quickstart`
    """
    from mlgym_synth.evaluation.figures import write_profiles
    from mlgym_synth.evaluation.report import write_report
    from mlgym_synth.evaluation.results import evaluate
    from mlgym_synth.synthesis.pipeline import Settings
    from mlgym_synth.synthesis.templates.author import quickstart_topics
    from mlgym_synth.tasks.suite import Suite

    if out.is_dir() and any(path.name not in PRODUCTS and path.name[0] != "." for path in out.iterdir()):
        raise InputError(f"{out} holds files that are not quickstart's", "choose another folder with --out")
    sandbox, unsafe = _sandbox()
    suite, run = out / "suite", out / "run"
    decisions = make_suite(quickstart_topics(), suite, Settings(provider=sandbox, allow_unsafe=unsafe), quiet)
    if any(decision.outcome != "certified" for decision in decisions):
        show_decisions(decisions)
        raise typer.Exit(console.FAILED)
    result = make_run(
        list(Suite.open(suite)),
        run,
        agent="reference",
        samples=EPISODES,
        concurrency=2,
        max_steps=50,
        seed=0,
        resume=(run / "run.json").exists(),
        sandbox=sandbox,
        allow_unsafe=unsafe,
        quiet=quiet,
    )
    evaluation = evaluate(run)
    report, figure = out / "report.html", out / "profiles.png"
    with console.Bar("writing the report", 2, quiet) as bar:
        write_report(run, report)
        bar.advance(str(report))
        if evaluation.profiles is not None:
            write_profiles(evaluation.profiles, figure)
            bar.advance(str(figure))
    show_evaluation(evaluation)
    rows = [("suite", f"{suite}/"), ("trajectories", f"{run}/trajectories/"), ("report", report), ("profiles", figure)]
    console.table("", ("written", "where"), rows)
    console.out.print(f"next: mlgym-synth rollout --tasks {suite} --agent human --samples 1 --out play", markup=False)
    if any(episode.outcome.is_infrastructure for episode in result.episodes):
        raise typer.Exit(console.FAILED)


def _sandbox() -> tuple[str, bool]:
    """The provider to use. Only here does one that isolates nothing serve as fall-back: the code is all ours."""
    from mlgym_synth.sandboxes import probe

    if any(each.usable and each.isolates for each in probe()):
        return "auto", False
    console.warn(
        "no sandbox isolates here, so the tasks run as plain processes and their certificates are provisional;"
        " mlgym-synth doctor says how to get bubblewrap"
    )
    return "process", True
