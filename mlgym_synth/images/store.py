"""The images that an engine holds of ours, and those of them that nothing needs any more."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlgym_synth.errors import SandboxError
from mlgym_synth.sandboxes.engine import EngineName, connect, engine_errors
from mlgym_synth.tasks.suite import Suite

if TYPE_CHECKING:
    from docker.models.images import Image as EngineImage

FAMILY, TASK, HASH = "mlgym-synth.family", "mlgym-synth.task", "mlgym-synth.content-hash"
"""Labels; an image has those of its base as well."""


@dataclass(frozen=True)
class Image:
    """An image that one of our Dockerfiles made."""

    id: str
    tag: str | None
    """None once another image has taken its name."""
    family: str
    task: str | None
    """The task's id; None for a family."""
    content_hash: str | None
    size: int
    """Bytes, with those of its base."""
    created: str
    """ISO 8601."""


def list_images(engine: EngineName = "docker") -> list[Image]:
    """Our images, by name; those that others have derived from ours are theirs.

    Raises:
        InputError: If there is no engine.
        SandboxError: If the engine fails.
    """
    client = connect(engine)
    with engine_errors(engine):
        images = [_image(found) for found in client.images.list(filters={"label": FAMILY}) if _made_by_us(found)]
    return sorted(images, key=lambda image: (image.tag or "~", image.created))


def stale(images: Iterable[Image], suites: Iterable[Suite]) -> dict[Image, str]:
    """The images that nothing needs, with the reason of each: older builds, and tasks that no suite names."""
    named = {(task_id, entry["content_hash"]) for suite in suites for task_id, entry in suite.index["tasks"].items()}
    reasons = {}
    for image in images:
        if image.tag is None:
            reasons[image] = "an older build"
        elif image.task is not None and (image.task, image.content_hash) not in named:
            reasons[image] = "no suite names it"
    return reasons


def remove(image: Image, engine: EngineName = "docker") -> None:
    """Removes an image, unless something uses it.

    Raises:
        InputError: If there is no engine.
        SandboxError: If a container or another image uses it.
    """
    import docker

    client = connect(engine)
    with engine_errors(engine):
        try:
            client.images.remove(image.tag or image.id)
        except docker.errors.ImageNotFound:
            return  # somebody else was faster
        except docker.errors.APIError as error:
            raise SandboxError(f"{image.tag or image.id} stays: {error.explanation}") from error


def _made_by_us(found: EngineImage) -> bool:
    """True if nothing was done to the image after the last line of our Dockerfiles, which sets a label."""
    return "LABEL mlgym-synth." in found.history()[0]["CreatedBy"]


def _image(found: EngineImage) -> Image:
    """Podman names a registry in front, also for images that come from none."""
    facts = found.attrs
    labels = facts["Config"]["Labels"]
    return Image(
        id=str(found.id),
        tag=min((tag.removeprefix("localhost/").removeprefix("docker.io/") for tag in found.tags), default=None),
        family=labels[FAMILY],
        task=labels.get(TASK),
        content_hash=labels.get(HASH),
        size=facts["Size"],
        created=facts["Created"],
    )
