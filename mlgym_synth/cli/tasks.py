"""`mlgym-synth tasks` and `mlgym-synth prepare`: what there is, and its data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mlgym_synth.cli import console
from mlgym_synth.cli.app import app
from mlgym_synth.errors import InputError, unknown_name
from mlgym_synth.tasks.registration import registered, suite_folders
from mlgym_synth.tasks.suite import Suite, Task

tasks_app = typer.Typer(help="Lists and shows tasks.")
app.add_typer(tasks_app, name="tasks")


@tasks_app.command("list")
def list_tasks(
    suite: Annotated[str | None, typer.Argument(metavar="[SUITE]", help="All registered suites if left out.")] = None,
    as_json: console.JsonOption = False,
) -> None:
    """Lists tasks with their anchors.

    **Example** `mlgym-synth tasks list smoke`
    """
    suites = [console.open_suite(suite)] if suite else [Suite.open(folder) for folder in suite_folders()]
    records = [_summary(task) for each in suites for task in each]
    if as_json:
        console.print_json(records)
        return
    rows = [
        (
            r["task"],
            console.directed(r["metric"], r["direction"]),
            r.get("floor"),
            r.get("baseline"),
            r.get("reference"),
        )
        for r in records
        if r["certified"]
    ]
    console.table("", ("task", "metric", "floor", "baseline", "reference"), rows)
    for record in records:
        if not record["certified"]:
            console.warn(f"{record['task']} has no certificate that fits it: mlgym-synth verify {record['suite']}")


@tasks_app.command("show")
def show_task(
    task_id: Annotated[str, typer.Argument(metavar="ID", help="Id of a task.")],
    suite: Annotated[str | None, typer.Option(help="Its suite; found among the registered ones if left out.")] = None,
    as_json: console.JsonOption = False,
) -> None:
    """Shows a task: its text, where its data comes from, and its certificate.

    **Example** `mlgym-synth tasks show ID`
    """
    task = find_task(task_id, suite)
    certificate = task.certificate
    if as_json:
        console.print_json(
            {
                **_summary(task),
                "content_hash": task.content_hash,
                "description": task.description,
                "recipe": task.recipe.model_dump(mode="json"),
                "certificate": certificate.model_dump(mode="json") if certificate else None,
            }
        )
        return
    console.out.print(task.description, markup=False)
    console.out.print()
    if task.recipe.data is not None:
        source = task.recipe.data.source
        console.out.print(f"source: {source.name} ({source.licence})", markup=False)
    if certificate is None:
        console.out.print(f"no certificate: mlgym-synth verify {task.suite} --ids {task.id}", markup=False)
        return
    rows = [(check.name, check.verdict.value, check.detail) for check in certificate.checks]
    console.table("certificate", ("check", "verdict", "detail"), rows)


@app.command()
def prepare(
    suite: console.SuiteArgument,
    ids: Annotated[list[str] | None, typer.Option(help="Only this task; repeatable.")] = None,
    as_json: console.JsonOption = False,
    quiet: console.QuietOption = False,
) -> None:
    """Materialises the data of a suite into the cache; tasks do so by themselves on first use.

    **Example** `mlgym-synth prepare smoke`
    """
    from mlgym_synth.datasets.prepare import prepare as prepare_data

    chosen = [task for task in choose(console.open_suite(suite), ids) if task.recipe.data is not None]
    prepared: dict[str, str] = {}
    with console.Bar("preparing data", len(chosen), quiet) as bar:
        for task in chosen:
            prepared[task.id] = str(prepare_data(task.recipe).public)
            bar.advance(task.id)
    if as_json:
        console.print_json(prepared)
    else:
        console.table("", ("task", "data"), list(prepared.items()))


def choose(suite: Suite, ids: list[str] | None) -> list[Task]:
    """The named tasks of a suite, or all of them.

    Raises:
        InputError: If an id is unknown, or the suite is empty.
    """
    chosen = [suite.task(task_id) for task_id in ids] if ids else list(suite)
    if not chosen:
        raise InputError(f"suite {suite.path} has no tasks", "synthesise some first")
    return chosen


def find_task(task_id: str, suite: str | None) -> Task:
    """A task of the named suite, or of any registered one.

    Raises:
        InputError: If there is none; the nearest id is suggested.
    """
    if suite is not None:
        return console.open_suite(suite).task(task_id)
    specs = registered()
    if task_id not in specs:
        raise unknown_name("task", task_id, specs, "the registered suites; --suite names another one")
    return Task(task_id, Path(specs[task_id].kwargs["suite"]))


def _summary(task: Task) -> dict[str, Any]:
    recipe = task.recipe
    certificate = task.certificate
    return {
        "task": task.id,
        "suite": str(task.suite),
        "family": recipe.family,
        "category": recipe.category,
        "metric": recipe.scoring.metric,
        "direction": recipe.scoring.direction,
        "certified": bool(certificate and certificate.certified),
        **(certificate.summary() if certificate else {}),
    }
