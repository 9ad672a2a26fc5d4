"""Builds images with an engine, and records in a suite what its tasks' images were."""

from __future__ import annotations

import contextlib
import json
import os
import re
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mlgym_synth.errors import InputError, SandboxError
from mlgym_synth.files import read_text, write_json
from mlgym_synth.images.context import pack
from mlgym_synth.images.families import SWEAGENT, default_base, family_files, family_tag
from mlgym_synth.images.thin import LARGEST, thin_tag, write_context
from mlgym_synth.sandboxes.engine import EngineName, connect, engine_errors
from mlgym_synth.tasks.suite import Task

if TYPE_CHECKING:
    from docker import DockerClient

SILENCE_SECONDS = 1800
"""An installer may say nothing while it fetches gigabytes."""
RECORD = Path("images", "digests.json")
"""File of a suite with the images that were built from it; no part of any content hash."""

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
_LAST_LINES = 6
_CODES = re.compile(r"\x1b\[[\d;]*m")
"""Colours of what a build prints."""

OnLine = Callable[[str], None]


@dataclass(frozen=True)
class Built:
    """An image that was built."""

    tag: str
    id: str
    """The engine's `sha256:…`; the same wherever the image is pushed to."""
    size: int
    """Bytes, with those of its base."""
    base: str
    """Name of the image that it was built on."""
    base_id: str
    added: int
    """Bytes that it adds to its base."""
    content_hash: str | None = None
    """Of the task; None for a family."""


def build_family(
    family: str, *, base: str | None = None, engine: EngineName = "docker", on_line: OnLine | None = None
) -> Built:
    """Builds a family image from `env_images/`.

    Args:
        family: One of FAMILIES.
        base: Image to build on; the official Python image if None.
        engine: The engine.
        on_line: Called with every line that the build prints.

    Raises:
        InputError: If there is no such family, or no engine.
        SandboxError: If the build fails; the message has its last lines.
    """
    tag = family_tag(family)
    with _packed(family) as context:
        return _build(connect(engine, SILENCE_SECONDS), context, tag, base or default_base(family), {}, on_line)


def build_sweagent(
    family: str, *, base: str | None = None, engine: EngineName = "docker", on_line: OnLine | None = None
) -> Built:
    """Builds SWE-agent's layer over a family image. Arguments and errors are those of `build_family`."""
    tag, client = family_tag(family, sweagent=True), connect(engine, SILENCE_SECONDS)
    with _packed(SWEAGENT) as context:
        return _build(client, context, tag, base or _built_family(client, family), {}, on_line)


def build_task(
    task: Task,
    *,
    base: str | None = None,
    sweagent: bool = False,
    engine: EngineName = "docker",
    allow_unsafe: bool = False,
    on_line: OnLine | None = None,
) -> Built:
    """Builds the thin image of a task from the Dockerfile in its suite.

    Args:
        task: The task.
        base: Image to build on; the task's family image if None.
        sweagent: Build on the family's image with SWE-agent's layer.
        engine: The engine.
        allow_unsafe: Takes a Dockerfile that this version would not have written; it runs as root in the build.
        on_line: Called with every line that the build prints.

    Raises:
        InputError: If the family is not built, the task may not be built, or there is no engine.
        DataError: If the task's data cannot be prepared.
        SandboxError: If the build fails, or the image is too large.
    """
    client = connect(engine, SILENCE_SECONDS)
    base = base or _built_family(client, task.recipe.image, sweagent)
    arguments = {"CONTENT_HASH": task.content_hash}
    with tempfile.TemporaryFile() as context:
        data = write_context(task, context, allow_unsafe)
        built = _build(client, context, thin_tag(task, sweagent), base, arguments, on_line)
    if built.added > data + LARGEST:
        raise SandboxError(f"{built.tag} adds {built.added} bytes to {base}, but only {data} of them are data")
    return built


def record(suite: Path, built: Built) -> None:
    """Writes an image into the suite's RECORD, atomically, over an older one of the same name.

    Raises:
        InputError: If the suite cannot be written.
    """
    path = suite / RECORD
    images = json.loads(read_text(path)) if path.exists() else {}
    images[built.tag] = asdict(built)
    write_json(path, dict(sorted(images.items())))


@contextlib.contextmanager
def _packed(family: str) -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as context:
        pack(family_files(family), context)
        yield context


def _built_family(client: DockerClient, family: str, sweagent: bool = False) -> str:
    """The family's tag. An engine that lacks it would ask a public registry for a stranger's image of that name."""
    import docker

    tag = family_tag(family, sweagent)
    with engine_errors("the engine"):
        try:
            client.images.get(tag)
        except docker.errors.ImageNotFound as error:
            option = " --sweagent" if sweagent else ""
            raise InputError(
                f"image {tag} is not built", f"mlgym-synth images build --family {family}{option}"
            ) from error
    return tag


def _build(
    client: DockerClient, context: IO[bytes], tag: str, base: str, arguments: Mapping[str, str], on_line: OnLine | None
) -> Built:
    context.seek(0)
    # A proxy's variables are known to every build and kept in no image.
    proxies = {name: os.environ[name] for name in _PROXIES if name in os.environ}
    arguments = {**proxies, **arguments, "BASE_IMAGE": base}
    last: deque[str] = deque(maxlen=_LAST_LINES)
    with engine_errors(f"building {tag}"):
        events = client.api.build(
            fileobj=context, custom_context=True, tag=tag, buildargs=arguments, rm=True, forcerm=True, decode=True
        )
        for event in events:
            for line in map(str.strip, _CODES.sub("", event.get("stream", "")).splitlines()):
                if line:
                    last.append(line)
                    if on_line is not None:
                        on_line(line)
            if "error" in event:
                raise SandboxError(f"building {tag} failed: {event['error']}", _explanation(base, last))
        image, below = client.images.get(tag), client.images.get(base)
    return Built(
        tag=tag,
        id=str(image.id),
        size=image.attrs["Size"],
        base=base,
        base_id=str(below.id),
        added=image.attrs["Size"] - below.attrs["Size"],
        content_hash=arguments.get("CONTENT_HASH"),
    )


def _explanation(base: str, last: Iterable[str]) -> str:
    lines = list(last)
    if not any(line.startswith("Step") and " : FROM " not in line and " : ARG " not in line for line in lines):
        return f"{base} cannot be had: name an image that is there with --base"
    return f"it said: {' | '.join(lines)}"
