"""`mlgym-synth evaluate` and `mlgym-synth report`: what a run achieved, as a table, JSON, or a page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlgym_synth.cli import console
from mlgym_synth.cli.app import app
from mlgym_synth.errors import InputError

if TYPE_CHECKING:
    from mlgym_synth.evaluation.results import Evaluation

RunArgument = Annotated[Path, typer.Argument(metavar="RUN", help="Folder written by rollout.")]


@app.command()
def evaluate(
    run: RunArgument,
    as_json: console.JsonOption = False,
) -> None:
    """Scores a run: each task against its anchors, and AUP of the agent and of the baseline.

    **Example** `mlgym-synth evaluate runs/reference`
    """
    from mlgym_synth.evaluation.results import evaluate as evaluate_run

    evaluation = evaluate_run(run)
    if as_json:
        console.print_json(evaluation.to_mapping())
    else:
        show_evaluation(evaluation)


@app.command()
def report(
    run: RunArgument,
    out: Annotated[Path | None, typer.Option(help="Where the page goes; report.html in the run's folder.")] = None,
    figure: Annotated[Path | None, typer.Option(help="Also draw the performance profiles: .png or .svg.")] = None,
) -> None:
    """Writes one self-contained HTML page about a run, to be opened offline.

    **Example** `mlgym-synth report runs/reference --figure profiles.png`
    """
    from mlgym_synth.evaluation.figures import write_profiles
    from mlgym_synth.evaluation.report import write_report
    from mlgym_synth.evaluation.results import evaluate as evaluate_run

    page = out or run / "report.html"
    write_report(run, page)
    console.out.print(f"wrote {page}", markup=False)
    if figure is not None:
        profiles = evaluate_run(run).profiles
        if profiles is None:
            console.warn("no task has both a certificate and a score: there are no profiles to draw")
            raise typer.Exit(console.FAILED)
        write_profiles(profiles, figure)
        console.out.print(f"wrote {figure}", markup=False)


def show_evaluation(evaluation: Evaluation) -> None:
    """Prints the table of tasks, then AUP.

    Raises:
        InputError: If no episode has finished.
    """
    if not evaluation.rows:
        raise InputError("the run has no finished episode", "rollout --resume goes on with it")
    columns = ("task", "metric", "floor", "baseline", "reference", "best", "reward")
    rows = [
        (r.task, console.directed(r.metric, r.direction), r.floor, r.baseline, r.reference, r.best, r.mean_reward)
        for r in evaluation.rows
    ]
    console.table("", columns, rows)
    console.out.print(
        "best: best attempt of all episodes; reward: mean over episodes, 0 at the floor, 1 at the reference"
    )
    for variant, areas in evaluation.aup.items():
        values = ", ".join(f"{method} {area:.3f}" for method, area in areas.items())
        console.out.print(f"AUP, {variant} attempt: {values}", markup=False)
    failures = sum(row.infrastructure for row in evaluation.rows)
    if failures:
        console.warn(f"{failures} episodes broke on something around the agent and are in no score")
