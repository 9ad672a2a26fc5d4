"""`mlgym-synth export mlgym` and `mlgym-synth distill`: what leaves this project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mlgym_synth.cli import console
from mlgym_synth.cli.app import app

export_app = typer.Typer(help="Writes suites for other harnesses.")
app.add_typer(export_app, name="export")


@export_app.command("mlgym")
def export_mlgym(
    suite: console.SuiteArgument,
    root: Annotated[Path, typer.Option(envvar="MLGYM_ROOT", help="Checkout of MLGym.")],
    ids: Annotated[list[str] | None, typer.Option(help="Only this task; repeatable.")] = None,
    uninstall: Annotated[bool, typer.Option("--uninstall", help="Remove exactly what an export has added.")] = False,
) -> None:
    """Adds a suite to an MLGym checkout, or takes it out again.

    Stock MLGym evaluates in the agent's container, so labels lie in the workspace there, like those of its own tasks.

    **Example** `mlgym-synth export mlgym smoke --root ../MLGym`
    """
    from mlgym_synth.mlgym.export import export_suite, remove_suite

    chosen = console.open_suite(suite)
    if uninstall:
        console.out.print(f"removed {len(remove_suite(chosen, root))} files from {root}", markup=False)
        return
    console.out.print(f"wrote {len(export_suite(chosen, root, ids))} files to {root}", markup=False)
    console.warn("labels are readable by agents there, as with MLGym's own tasks: scores are as honest as the agent is")


@app.command()
def distill(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders written by rollout.")],
    out: Annotated[Path, typer.Option(help="Folder for train.jsonl and funnel.json.")],
    per_task: Annotated[int, typer.Option(min=1, help="At most so many of the best trajectories of a task.")] = 4,
    as_json: console.JsonOption = False,
) -> None:
    """Filters trajectories into training data, and says how many fell to which rule.

    Exit code 1 if none was kept.

    **Example** `mlgym-synth distill runs/reference --out data/distilled`
    """
    from mlgym_synth.distillation.export import distill as distill_runs

    funnel = distill_runs(runs, out, per_task=per_task)
    if as_json:
        console.print_json(funnel.model_dump(mode="json"))
    else:
        console.table("", ("rule", "trajectories"), list(funnel.total.items()))
        console.out.print(f"wrote {funnel.kept} trajectories to {out}/train.jsonl", markup=False)
    if not funnel.kept:
        raise typer.Exit(console.FAILED)
