"""The first observation of an episode: the task's text, and how to work on it in this harness."""

from __future__ import annotations

from pathlib import Path

import jinja2

from mlgym_synth.tasks.suite import Task

_TEMPLATES = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "files"),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,  # noqa: S701  (plain text for a model, not HTML)
)


def instructions(task: Task, workspace: str, max_steps: int) -> str:
    """The text with which an episode on the task begins.

    Args:
        task: The task.
        workspace: Path of the workspace as the agent sees it.
        max_steps: Commands in an episode.
    """
    recipe = task.recipe
    return _TEMPLATES.get_template("instructions.jinja").render(
        description=task.description.strip(),
        workspace=workspace,
        files=sorted(task.workspace),
        has_data=recipe.data is not None,
        submission=recipe.submission.file,
        limits=recipe.limits,
        max_steps=max_steps,
    )
