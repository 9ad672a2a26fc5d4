"""Family images: their Dockerfiles in `env_images/`, and the pinned packages that are all a task may ask for."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import get_args

from mlgym_synth.errors import InputError, unknown_name
from mlgym_synth.files import read_text
from mlgym_synth.tasks.recipe import Recipe, image_tag
from mlgym_synth.tasks.registration import shipped_data

FAMILIES: tuple[str, ...] = get_args(Recipe.model_fields["image"].annotation)
"""Every task names one of these."""
SWEAGENT = "sweagent"
"""The layer that SWE-agent needs over a family image."""

_REQUIREMENT = re.compile(r"([A-Za-z0-9][\w.-]*)(?:==([\w.!+-]+))?")
_BASE = re.compile(r"^ARG BASE_IMAGE=(\S+)$", re.M)
_OTHER_FILE = "--requirement "


def family_tag(family: str, sweagent: bool = False) -> str:
    """The name of a family image, or of the one with SWE-agent's layer over it.

    Raises:
        InputError: If there is no such family.
    """
    if family not in FAMILIES:
        raise unknown_name("image family", family, FAMILIES)
    return image_tag(f"{family}-{SWEAGENT}" if sweagent else family)


def family_files(family: str) -> dict[str, bytes | Path]:
    """The context of the build of a family, or of SWE-agent's layer: `Dockerfile`, and what it copies."""
    root = shipped_data() / "env_images"
    folders = [root / family] if family == SWEAGENT else [root / "common", root / "tabular", root / family]
    paths = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    wanted = (path for path in paths if path.name != "Dockerfile" and path.suffix != ".pyc")
    return {"Dockerfile": root / family / "Dockerfile", **{str(path.relative_to(root)): path for path in wanted}}


def default_base(family: str) -> str:
    """The image that a family's Dockerfile is built on if none is named."""
    text = read_text(shipped_data() / "env_images" / family / "Dockerfile")
    match = _BASE.search(text)
    assert match is not None, f"env_images/{family}/Dockerfile has no ARG BASE_IMAGE"
    return match[1]


def pinned(family: str) -> dict[str, str]:
    """The packages of a family by normalised name, with their versions: the allow-list of its tasks.

    Raises:
        InputError: If there is no such family.
    """
    family_tag(family)
    pins = dict(_read_pins(shipped_data() / "env_images" / family / "requirements.txt"))
    pins.pop("setuptools", None)  # PyTorch asks for it, and the mask takes it away: it holds a copy of masked modules
    return pins


def check_requirements(text: str, family: str) -> None:
    """Refuses requirements that a family does not have; nothing is ever installed for a single task.

    Args:
        text: A requirements file. Its lines are names alone or with the version that the family has.
        family: The task's family.

    Raises:
        InputError: If a line names something else; the nearest name is suggested.
    """
    allowed = pinned(family)
    for line in _lines(text):
        match = _REQUIREMENT.fullmatch(line)
        if match is None:
            raise InputError(f"the requirement {line[:80]!r} is not a name", "write the name of a package, alone")
        name, version = _normalised(match[1]), match[2]
        if name not in allowed:
            raise unknown_name("package", name, allowed, f"the image family {family}")
        if version not in (None, allowed[name]):
            raise InputError(f"the requirement {line} is not to be had", f"the family has {name}=={allowed[name]}")


def _read_pins(path: Path) -> Iterable[tuple[str, str]]:
    for line in _lines(read_text(path)):
        if line.startswith(_OTHER_FILE):
            yield from _read_pins(path.parent / line.removeprefix(_OTHER_FILE))
        else:
            name, _, version = line.partition("==")
            yield _normalised(name), version


def _lines(text: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]


def _normalised(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
