"""`mlgym-synth synthesize`: topics to a suite of certified tasks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mlgym_synth.cli import console
from mlgym_synth.cli.app import app

if TYPE_CHECKING:
    from mlgym_synth.synthesis.author import Topic
    from mlgym_synth.synthesis.pipeline import Decision, Settings


@app.command()
def synthesize(
    out: Annotated[Path, typer.Option(help="Folder of the suite; a run that was cut short goes on there.")],
    tasks: Annotated[int, typer.Option(min=1, help="How many topics to draft; not all will be certified.")] = 8,
    family: Annotated[
        list[str] | None, typer.Option(help="Only this family; repeatable. `mlgym-synth families` lists them.")
    ] = None,
    table: Annotated[Path | None, typer.Option(help="Your own CSV or Parquet file.")] = None,
    target: Annotated[str | None, typer.Option(help="The column of `--table` to predict.")] = None,
    metric: Annotated[str | None, typer.Option(help="Metric for `--table`; chosen by the target if left out.")] = None,
    seed: Annotated[int, typer.Option(help="Same seed, same tasks.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, help="Runs of baseline and reference for the certificate.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Tasks certified at the same time.")] = 2,
    sandbox: console.SandboxOption = "auto",
    allow_unsafe: console.UnsafeOption = False,
    as_json: console.JsonOption = False,
    quiet: console.QuietOption = False,
) -> None:
    """Drafts tasks, certifies each, and writes those that pass as a suite.

    Exit code 1 if no draft was certified.

    **Examples**

    `mlgym-synth synthesize --tasks 12 --seed 1 --out suites/first`

    `mlgym-synth synthesize --table houses.csv --target price --out suites/houses`
    """
    from mlgym_synth.errors import InputError
    from mlgym_synth.synthesis.pipeline import Settings
    from mlgym_synth.synthesis.templates.author import draw_topics
    from mlgym_synth.synthesis.templates.table import table_topics
    from mlgym_synth.tasks.suite import Suite

    if (table is None) != (target is None):
        raise InputError("--table and --target belong together", "give both, or neither")
    if table is not None and target is not None:
        if family:
            raise InputError("--family does not go with --table", "leave one of them out")
        topics = table_topics(table, target, metric, count=tasks, seed=seed)
    else:
        if metric is not None:
            raise InputError("--metric goes with --table only", "families choose their metrics themselves")
        topics = draw_topics(family or [], tasks, seed)
    settings = Settings(provider=sandbox, seeds=seeds, workers=workers, allow_unsafe=allow_unsafe)
    decisions = make_suite(topics, out, settings, quiet)
    certified = [decision for decision in decisions if decision.outcome == "certified"]
    if as_json:
        console.print_json([decision.model_dump() for decision in decisions])
    else:
        show_decisions(decisions)
        total = len(Suite.open(out))
        console.out.print(f"{len(certified)} of {len(decisions)} drafts certified; the suite {out}/ has {total} tasks")
        if len(certified) < len(decisions):
            console.out.print(f"decisions are kept: remove {out}/journal.jsonl to have drafts certified anew")
    if not certified:
        raise typer.Exit(console.FAILED)


@app.command()
def families(as_json: console.JsonOption = False) -> None:
    """Lists the families of tasks that the `templates` author knows.

    **Example** `mlgym-synth families`
    """
    from mlgym_synth.synthesis.templates import FAMILIES

    rows = [(family.name, family.category, family.description) for family in FAMILIES.values()]
    if as_json:
        console.print_json([dict(zip(("family", "category", "description"), row, strict=True)) for row in rows])
    else:
        console.table("", ("family", "category", "what"), rows)


def make_suite(topics: Sequence[Topic], out: Path, settings: Settings, quiet: bool) -> list[Decision]:
    """Runs the pipeline with a progress bar."""
    from mlgym_synth.synthesis.pipeline import Event
    from mlgym_synth.synthesis.pipeline import synthesize as run_pipeline
    from mlgym_synth.synthesis.templates.author import TemplatesAuthor

    with console.Bar("certifying tasks", len(topics), quiet) as bar:

        def follow(event: Event) -> None:
            if event.decision is None:
                bar.note(f"{event.topic.family}: {event.stage}")
            else:
                bar.advance(f"{event.decision.task_id or event.topic.family}: {event.decision.outcome}")

        return run_pipeline(TemplatesAuthor(), topics, out, settings, follow)


def show_decisions(decisions: Sequence[Decision]) -> None:
    """Prints what became of every topic, with the reason where a draft fell."""
    rows = [
        (decision.task_id or decision.family, decision.outcome, "; ".join(decision.reasons), f"{decision.seconds:.1f}")
        for decision in decisions
    ]
    console.table("", ("task", "outcome", "why", "seconds"), rows)
