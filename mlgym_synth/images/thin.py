"""The thin image of a task: the files that an agent finds in its workspace, over the task's family image."""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO

from mlgym_synth.datasets.prepare import prepare
from mlgym_synth.errors import InputError
from mlgym_synth.images.context import pack
from mlgym_synth.images.families import SWEAGENT, check_requirements
from mlgym_synth.tasks.recipe import image_tag
from mlgym_synth.tasks.suite import Task

LARGEST = 1 << 20
"""Bytes that a thin image may add to its family besides the data."""

_DOCKERFILE = """\
# The thin image of one task over its family image: its starter files and its data, and nothing that is hidden.
#   mlgym-synth images build --suite SUITE --task {task_id}
# By hand, with the context that the line above sends to the engine:
#   mlgym-synth images build --suite SUITE --task {task_id} --context context.tar
#   docker build --tag NAME --build-arg CONTENT_HASH=… - <context.tar
ARG BASE_IMAGE={base}
FROM ${{BASE_IMAGE}}
COPY --chown=agent:mlgym workspace/ /home/agent/workspace/
{data}ARG CONTENT_HASH=unknown
LABEL mlgym-synth.task="{task_id}" mlgym-synth.content-hash="${{CONTENT_HASH}}"
"""
_DATA = "COPY data/ /home/agent/workspace/data/\n"
_MOST_OF_A_TAG = 100


def dockerfile(task_id: str, family: str, has_data: bool) -> str:
    """The Dockerfile of a task. A suite carries it, and it counts in the content hash.

    Args:
        task_id: The task's id; letters, digits, `-`, `.`, `:`, `_`.
        family: The recipe's image family.
        has_data: Whether the recipe has a data set.
    """
    return _DOCKERFILE.format(task_id=task_id, base=image_tag(family), data=_DATA if has_data else "")


def thin_tag(task: Task, sweagent: bool = False) -> str:
    """The name of a task's image: id and content hash, so that versions of a task live side by side."""
    name = re.sub(r"[^A-Za-z0-9_.-]", "-", task.id).lstrip(".-")[:_MOST_OF_A_TAG]
    return f"mlgym-synth/task:{name}-{task.content_hash[:12]}{f'-{SWEAGENT}' if sweagent else ''}"


def write_context(task: Task, stream: IO[bytes], allow_unsafe: bool = False) -> int:
    """Writes the context of a task's build: its Dockerfile, starter files, and the agent's part of the data.

    A Dockerfile is code that a build runs as root, so that one made by others is taken only if it is what this
    version of mlgym-synth writes itself.

    Args:
        task: The task.
        stream: Where to write the tar.
        allow_unsafe: Takes any Dockerfile.

    Returns:
        How many bytes of the context are data.

    Raises:
        InputError: If the Dockerfile is another, the starter files are too large, or a requirement is not allowed.
        DataError: If the data cannot be prepared.
    """
    recipe, found = task.recipe, task.files.dockerfile
    if found != dockerfile(task.id, recipe.image, recipe.data is not None) and not allow_unsafe:
        path = task.suite / "images" / task.id / "Dockerfile"
        raise InputError(
            f"{path} is not the Dockerfile that this version writes for the task",
            "synthesise the suite again; or read the file and, if you trust it, use --allow-unsafe",
        )
    _check_requirements_file(task)
    size = sum(map(len, task.workspace.values()))
    if size > LARGEST:
        raise InputError(
            f"the starter files of {task.id} have {size} bytes", f"an image may add {LARGEST} to its family"
        )
    files: dict[str, bytes | Path] = {f"workspace/{name}": content for name, content in task.workspace.items()}
    data = sorted(prepare(recipe).public.iterdir()) if recipe.data is not None else []
    pack({"Dockerfile": found.encode(), **files, **{f"data/{path.name}": path for path in data}}, stream)
    return sum(path.stat().st_size for path in data)


def _check_requirements_file(task: Task) -> None:
    named = task.config.requirements_path
    if named is None:
        return
    content = task.files.starter.get(named.removeprefix(f"data/{task.id}/"))
    if content is None:
        raise InputError(f"{task.id} has no file {named}", "take requirements_path out of its YAML")
    check_requirements(content.decode(errors="replace"), task.recipe.image)
