"""Writes a suite into an MLGym checkout, so that MLGym's own `run.py` runs its tasks, and takes it out again.

A manifest in the checkout names every file that was written, with its hash. A file that is there already and is
not exactly as the manifest says belongs to somebody else and is neither overwritten nor removed.

MLGym evaluates inside the agent's container. So `evaluate.py` and the labels that it reads lie in the workspace,
readable by the agent, as with MLGym's own tasks; a score is to be trusted as far as the agent is.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from mlgym_synth.datasets.prepare import prepare
from mlgym_synth.errors import InputError
from mlgym_synth.files import sha256, write_atomic
from mlgym_synth.tasks.suite import Suite, Task

MANIFESTS = ".mlgym-synth"
LANDMARKS = ("run.py", "configs/tasks", "configs/datasets")
"""What makes a folder an MLGym checkout."""


class Manifest(BaseModel):
    """What was written into a checkout for one suite."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    suite: str
    tasks: dict[str, dict[str, str]] = {}
    """SHA-256 by path relative to the checkout, for every exported task."""


def export_suite(suite: Suite, root: Path | str, ids: Sequence[str] | None = None) -> list[Path]:
    """Writes tasks into an MLGym checkout: configs, starter files, and data made from the recipes.

    Everything is checked before the first file is written. Exporting again brings the checkout up to date.

    Args:
        suite: The suite.
        root: The checkout's root.
        ids: Which tasks; all of the suite if None.

    Returns:
        The files of the exported tasks, below `root`.

    Raises:
        InputError: If `root` is no MLGym checkout, a task has no certificate, or a file is there that this
            function did not write.
        DataError: If the data of a task cannot be made.
    """
    checkout = _checkout(root)
    name = _plain(suite.index["name"])
    manifest = _read_manifest(checkout, name)
    exported: dict[str, dict[str, str]] = {}
    contents: dict[str, bytes] = {}
    for task_id in suite.ids if ids is None else ids:
        task = suite.task(_plain(task_id))
        files = _task_files(task)
        exported[task_id] = {path: sha256(content) for path, content in files.items()}
        contents |= files
    known = _union(manifest.tasks.values())
    for path, content in contents.items():
        _check_ours(checkout / path, {known.get(path), sha256(content)})
    stale = _union(manifest.tasks.get(task_id, {}) for task_id in exported).keys() - contents.keys()
    for path in stale:
        _check_ours(checkout / path, {known[path]})

    # Before the first file is written the manifest names it, so that an export cut short can be finished or removed.
    planned = {task_id: {**files, **manifest.tasks.get(task_id, {})} for task_id, files in exported.items()}
    _write_manifest(checkout, Manifest(suite=name, tasks={**manifest.tasks, **planned}))
    for path, content in contents.items():
        write_atomic(checkout / path, content)
    _remove(checkout, stale)
    _write_manifest(checkout, Manifest(suite=name, tasks={**manifest.tasks, **exported}))
    return [checkout / path for path in contents]


def remove_suite(suite: Suite, root: Path | str) -> list[Path]:
    """Removes what `export_suite` wrote for a suite, and nothing else.

    Returns:
        The files that were removed.

    Raises:
        InputError: If `root` is no MLGym checkout, or holds nothing of this suite, or one of the files was
            changed since; then nothing is removed.
    """
    checkout = _checkout(root)
    name = _plain(suite.index["name"])
    manifest = _read_manifest(checkout, name)
    if not manifest.tasks:
        raise InputError(f"{checkout} holds no tasks of the suite {name!r}", "name the checkout it was exported to")
    files = _union(manifest.tasks.values())
    for path, digest in files.items():
        _check_ours(checkout / path, {digest})
    removed = _remove(checkout, files)
    _manifest_path(checkout, name).unlink()
    if not any((checkout / MANIFESTS).iterdir()):
        (checkout / MANIFESTS).rmdir()
    return removed


def _task_files(task: Task) -> dict[str, bytes]:
    """Every file of one task by its path in the checkout."""
    certificate = task.certificate
    if certificate is None or not certificate.certified or certificate.anchors is None:
        raise InputError(f"{task.id} has no certificate that fits it", "run mlgym-synth verify first")
    anchors = certificate.anchors
    config = task.config.model_copy(update={"baseline_scores": [{anchors.metric: anchors.baseline}]})
    files = {f"configs/tasks/{task.id}.yaml": config.to_yaml().encode()}
    if task.files.dataset is not None:
        files[f"configs/datasets/{task.id}.yaml"] = task.files.dataset.to_yaml().encode()
    for name, content in task.files.starter.items():
        files[f"data/{task.id}/{name}"] = content
    if task.recipe.data is not None:
        prepared = prepare(task.recipe)
        for path in (*sorted(prepared.public.iterdir()), prepared.labels_path):
            files[f"data/{task.id}/data/{path.name}"] = path.read_bytes()
    return files


def _checkout(root: Path | str) -> Path:
    folder = Path(root)
    missing = [name for name in LANDMARKS if not (folder / name).exists()]
    if missing:
        raise InputError(
            f"{folder} is not an MLGym checkout: it has no {missing[0]}", "name the root of a clone of MLGym"
        )
    return folder


def _plain(name: str) -> str:
    """A name that stays in its folder: ids and suite names come from files that others wrote."""
    if not re.fullmatch(r"[^/.\0][^/\0]*", name):
        raise InputError(f"{name!r} cannot name a file", "choose a name without '/' and without a dot in front")
    return name


def _check_ours(path: Path, digests: set[str | None]) -> None:
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise InputError(f"{path} is not a regular file", "move it away")
    if path.exists() and sha256(path.read_bytes()) not in digests:
        raise InputError(f"{path} was not written by mlgym-synth, or was changed since", "move it away")


def _remove(checkout: Path, paths: Iterable[str]) -> list[Path]:
    """Removes files, and the folders below `data/` that this leaves empty."""
    removed = []
    for name in sorted(paths):
        path = checkout / name
        if path.exists():
            path.unlink()
            removed.append(path)
        if name.startswith("data/"):
            for folder in [parent for parent in path.parents if parent.is_relative_to(checkout / "data")][:-1]:
                if folder.is_dir() and not any(folder.iterdir()):
                    folder.rmdir()
    return removed


def _union(mappings: Iterable[Mapping[str, str]]) -> dict[str, str]:
    return {path: digest for mapping in mappings for path, digest in mapping.items()}


def _manifest_path(checkout: Path, suite: str) -> Path:
    return checkout / MANIFESTS / f"{suite}.json"


def _read_manifest(checkout: Path, suite: str) -> Manifest:
    path = _manifest_path(checkout, suite)
    if not path.exists():
        return Manifest(suite=suite)
    try:
        manifest = Manifest.model_validate_json(path.read_bytes())
        for name in _union(manifest.tasks.values()):
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise ValueError(name)
    except ValueError as error:
        raise InputError(f"{path} is damaged", "restore it, or remove it and the exported files") from error
    return manifest


def _write_manifest(checkout: Path, manifest: Manifest) -> None:
    text = json.dumps(manifest.model_dump(), indent=2, sort_keys=True)
    write_atomic(_manifest_path(checkout, manifest.suite), text + "\n")
