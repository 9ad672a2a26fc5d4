"""`mlgym-synth rollout`: episodes of an agent on the tasks of a suite."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlgym_synth.cli import console
from mlgym_synth.cli.app import app
from mlgym_synth.cli.tasks import choose

if TYPE_CHECKING:
    from mlgym_synth.rollouts import RunResult
    from mlgym_synth.tasks.suite import Task


@app.command()
def rollout(
    tasks: Annotated[str, typer.Option(metavar="SUITE", help="Folder of a suite, or the name of a shipped one.")],
    out: Annotated[Path, typer.Option(help="Folder of the run.")],
    agent: Annotated[str, typer.Option(help="reference or human.")] = "reference",
    ids: Annotated[list[str] | None, typer.Option(help="Only this task; repeatable.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="Episodes per task.")] = 2,
    concurrency: Annotated[int, typer.Option(min=1, help="Episodes at the same time.")] = 2,
    max_steps: Annotated[int, typer.Option(min=1, help="Actions per episode.")] = 50,
    seed: Annotated[int, typer.Option(help="Same seed, same episodes.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was cut short.")] = False,
    sandbox: console.SandboxOption = "auto",
    allow_unsafe: console.UnsafeOption = False,
    as_json: console.JsonOption = False,
    quiet: console.QuietOption = False,
) -> None:
    """Rolls an agent out and records every step.

    Exit code 1 if an episode broke on something around the agent.

    **Example** `mlgym-synth rollout --tasks smoke --samples 2 --out runs/reference`
    """
    chosen = choose(console.open_suite(tasks), ids)
    result = make_run(
        chosen,
        out,
        agent=agent,
        samples=samples,
        concurrency=concurrency,
        max_steps=max_steps,
        seed=seed,
        resume=resume,
        sandbox=sandbox,
        allow_unsafe=allow_unsafe,
        quiet=quiet,
    )
    if as_json:
        console.print_json([episode.model_dump(mode="json") for episode in result.episodes])
    else:
        columns = ("episode", "outcome", "score", "best", "reward", "steps", "seconds")
        rows = [
            (e.episode, e.outcome.value, e.score, e.best_score, e.reward, e.steps, f"{e.seconds:.1f}")
            for e in result.episodes
        ]
        console.table("", columns, rows)
        console.out.print(f"trajectories are in {out}/; mlgym-synth evaluate {out}", markup=False)
    if any(episode.outcome.is_infrastructure for episode in result.episodes):
        raise typer.Exit(console.FAILED)


def make_run(
    tasks: Sequence[Task],
    out: Path,
    *,
    agent: str,
    samples: int,
    concurrency: int,
    max_steps: int,
    seed: int,
    resume: bool,
    sandbox: str,
    allow_unsafe: bool,
    quiet: bool,
) -> RunResult:
    """Runs the episodes with a progress bar."""
    from mlgym_synth.rollouts import Event
    from mlgym_synth.rollouts import rollout as run_episodes

    with console.Bar("rolling out", len(tasks) * samples, quiet) as bar:

        def follow(event: Event) -> None:
            if event.result is None:
                bar.note(f"{event.episode}: {event.stage}")
            else:
                bar.advance(f"{event.episode}: {event.result.outcome.value} {console.number(event.result.score)}")

        return run_episodes(
            tasks,
            agent=agent,
            samples=samples,
            out=out,
            concurrency=concurrency,
            max_steps=max_steps,
            seed=seed,
            resume=resume,
            sandbox=sandbox,
            allow_unsafe=allow_unsafe,
            on_event=follow,
        )
