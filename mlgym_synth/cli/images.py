"""`mlgym-synth images`: builds container images of families and tasks, lists them, removes those nothing needs."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from mlgym_synth.cli import console
from mlgym_synth.cli.app import app
from mlgym_synth.cli.tasks import choose, find_task
from mlgym_synth.errors import InputError, SandboxError
from mlgym_synth.files import replacing
from mlgym_synth.tasks.registration import suite_folders
from mlgym_synth.tasks.suite import Suite, Task

if TYPE_CHECKING:
    from mlgym_synth.images import Built, Image

images_app = typer.Typer(help="Builds and lists container images.")
app.add_typer(images_app, name="images")

Engine = Literal["docker", "podman"]
EngineOption = Annotated[Engine, typer.Option(help="Container engine.")]
_MEGABYTE = 1e6


@images_app.command("build")
def build_images(
    family: Annotated[str | None, typer.Option(help="Build a family image: tabular, torch-cpu, torch-cuda.")] = None,
    task: Annotated[list[str] | None, typer.Option(help="Build the image of this task; repeatable.")] = None,
    suite: Annotated[str | None, typer.Option(help="The tasks' suite; without --task, all of its tasks.")] = None,
    base: Annotated[str | None, typer.Option(help="Image to build on instead of the usual one.")] = None,
    sweagent: Annotated[bool, typer.Option("--sweagent", help="With SWE-agent's layer over the family.")] = False,
    context: Annotated[Path | None, typer.Option(help="Write the tar to build one task from; build nothing.")] = None,
    engine: EngineOption = "docker",
    allow_unsafe: Annotated[
        bool, typer.Option("--allow-unsafe", help="Build a suite's Dockerfile whatever it says; it runs as root.")
    ] = False,
    as_json: console.JsonOption = False,
    quiet: console.QuietOption = False,
) -> None:
    """Builds a family image, or thin images of tasks over their families.

    What was built from a suite is recorded in its images/digests.json.

    **Example** `mlgym-synth images build --family tabular`
    """
    from mlgym_synth.images import build_family, build_sweagent, build_task

    if (family is None) == (task is None and suite is None):
        raise InputError("nothing to build, or two things", "name either --family, or --task or --suite")
    tasks = _choose(task, suite) if family is None else []
    if context is not None:
        _write_context(tasks, context, allow_unsafe)
        return
    built: list[Built] = []
    with console.Bar("building images", len(tasks) or 1, quiet) as bar:
        if family is not None:
            build = build_sweagent if sweagent else build_family
            built.append(build(family, base=base, engine=engine, on_line=bar.note))
            bar.advance(built[-1].tag)
        for each in tasks:
            built.append(
                build_task(
                    each, base=base, sweagent=sweagent, engine=engine, allow_unsafe=allow_unsafe, on_line=bar.note
                )
            )
            _record(each, built[-1])
            bar.advance(built[-1].tag)
    if as_json:
        console.print_json([asdict(each) for each in built])
    else:
        rows = [(each.tag, each.id[7:19], each.size / _MEGABYTE, each.added / _MEGABYTE) for each in built]
        console.table("", ("image", "id", "MB", "MB over its base"), rows)


@images_app.command("list")
def list_them(engine: EngineOption = "docker", as_json: console.JsonOption = False) -> None:
    """Lists our images, and says which of them nothing needs.

    **Example** `mlgym-synth images list`
    """
    from mlgym_synth.images import list_images, stale

    images = list_images(engine)
    reasons = stale(images, _suites(None))
    if as_json:
        console.print_json([{**asdict(image), "stale": reasons.get(image)} for image in images])
    elif images:
        _show(images, reasons)
    else:
        console.out.print("no images: mlgym-synth images build --family tabular", markup=False)


@images_app.command("prune")
def prune(
    suite: Annotated[list[str] | None, typer.Option(help="Keep this suite's images, too; repeatable.")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    engine: EngineOption = "docker",
    as_json: console.JsonOption = False,
) -> None:
    """Removes older builds of our images, and images of tasks that no registered suite names.

    Exit code 1 if one of them is in use and stays.

    **Example** `mlgym-synth images prune --suite suites/mine`
    """
    from mlgym_synth.images import list_images, remove, stale

    reasons = stale(list_images(engine), _suites(suite))
    if reasons and not yes:
        names = ", ".join(image.tag or image.id[7:19] for image in reasons)
        console.err.print(f"to be removed: {names}", markup=False, soft_wrap=True)
        if not typer.confirm("Remove them?", err=True):
            return
    removed = []
    for image in reasons:
        try:
            remove(image, engine)
            removed.append(image)
        except SandboxError as error:
            console.warn(str(error))
    if as_json:
        console.print_json([{**asdict(image), "stale": reasons[image]} for image in removed])
    elif removed:
        _show(removed, reasons)
    elif not reasons:
        console.out.print("nothing to remove", markup=False)
    if len(removed) < len(reasons):
        raise typer.Exit(console.FAILED)


def _choose(ids: list[str] | None, suite: str | None) -> list[Task]:
    if suite is not None:
        return choose(console.open_suite(suite), ids)
    return [find_task(task_id, None) for task_id in ids or ()]


def _write_context(tasks: list[Task], path: Path, allow_unsafe: bool) -> None:
    from mlgym_synth.images import write_context

    if len(tasks) != 1:
        raise InputError(f"--context is of one task, not of {len(tasks)}", "name it with --task")
    with replacing(path) as stream:
        write_context(tasks[0], stream, allow_unsafe)
    console.out.print(f"docker build --build-arg CONTENT_HASH={tasks[0].content_hash} - <{path}", markup=False)


def _record(task: Task, built: Built) -> None:
    from mlgym_synth.images.build import record

    try:
        record(task.suite, built)
    except InputError as error:
        console.warn(f"{built.tag} is built but not recorded: {error}")


def _suites(named: list[str] | None) -> list[Suite]:
    return [Suite.open(folder) for folder in suite_folders()] + [console.open_suite(name) for name in named or ()]


def _show(images: list[Image], reasons: dict[Image, str]) -> None:
    rows = [
        (image.tag or "(none)", image.id[7:19], image.size / _MEGABYTE, image.created[:16], reasons.get(image, ""))
        for image in images
    ]
    console.table("", ("image", "id", "MB", "created", "not needed because"), rows)
