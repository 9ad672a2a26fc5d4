"""A suite: a folder of tasks in MLGym's shape. See docs/architecture.md for its layout."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from mlgym_synth.errors import InputError, unknown_name
from mlgym_synth.files import read_text, sha256, write_atomic, write_json
from mlgym_synth.tasks.certificate import Certificate
from mlgym_synth.tasks.index import INDEX, read_index
from mlgym_synth.tasks.mlgym_yaml import DatasetConfig, TaskConfig
from mlgym_synth.tasks.recipe import Recipe

STOCK_ONLY = ("evaluate.py",)
"""Files of `data/<id>/` that serve stock MLGym and are not laid into our sandboxes."""


@dataclass(frozen=True)
class TaskFiles:
    """Everything that defines one task, in memory: what an author writes and a suite stores."""

    config: TaskConfig
    recipe: Recipe
    dataset: DatasetConfig | None
    starter: Mapping[str, bytes] = field(default_factory=dict)
    """`data/<id>/`: what the agent sees, and `evaluate.py` for stock MLGym."""
    hidden: Mapping[str, bytes] = field(default_factory=dict)
    """`hidden/<id>/`: `reference.py`, and for code submissions `judge.py` and `controls/<name>.py`."""
    dockerfile: str = ""

    @property
    def id(self) -> str:
        """The task's id, unique in its suite."""
        return self.config.id

    @cached_property
    def content_hash(self) -> str:
        """SHA-256 over the inputs: YAML without `baseline_scores`, recipe, data set and files. Nothing measured."""
        config = {key: value for key, value in self.config.to_mapping().items() if key != "baseline_scores"}
        parts = {
            "config": sha256(_canonical(config)),
            "recipe": sha256(_canonical(self.recipe.model_dump(mode="json"))),
            "dataset": sha256(_canonical(self.dataset.to_mapping() if self.dataset else None)),
            "image": sha256(self.dockerfile.encode()),
            "starter": {name: sha256(content) for name, content in sorted(self.starter.items())},
            "hidden": {name: sha256(content) for name, content in sorted(self.hidden.items())},
        }
        return sha256(_canonical(parts))


@dataclass(frozen=True)
class Task:
    """One task of a suite on disk."""

    id: str
    suite: Path

    @cached_property
    def files(self) -> TaskFiles:
        """Reads everything that defines the task.

        Raises:
            InputError: If a file is missing or does not fit its model.
        """
        dataset = self.suite / "datasets" / f"{self.id}.yaml"
        dockerfile = self.suite / "images" / self.id / "Dockerfile"
        return TaskFiles(
            config=TaskConfig.read(self.suite / "tasks" / f"{self.id}.yaml"),
            recipe=Recipe.read(self.suite / "recipes" / f"{self.id}.yaml"),
            dataset=DatasetConfig.read(dataset) if dataset.exists() else None,
            starter=_read_tree(self.suite / "data" / self.id),
            hidden=_read_tree(self.suite / "hidden" / self.id),
            dockerfile=read_text(dockerfile) if dockerfile.exists() else "",
        )

    @property
    def config(self) -> TaskConfig:
        """MLGym's task configuration."""
        return self.files.config

    @property
    def recipe(self) -> Recipe:
        """The recipe."""
        return self.files.recipe

    @property
    def content_hash(self) -> str:
        """Hash of the task's inputs."""
        return self.files.content_hash

    @property
    def description(self) -> str:
        """The task's text as an agent reads it, in any harness."""
        dataset = self.files.dataset
        return self.config.text(f"{dataset.name}: {dataset.description}" if dataset else "")

    @property
    def workspace(self) -> dict[str, bytes]:
        """Files that lie in the workspace when an episode begins, besides the prepared data."""
        return {name: content for name, content in self.files.starter.items() if name not in STOCK_ONLY}

    @property
    def certificate_path(self) -> Path:
        """Where the task's certificate lies, if there is one."""
        return self.suite / "certificates" / f"{self.id}.json"

    @property
    def certificate(self) -> Certificate | None:
        """The certificate, or None if there is none or the task has changed since."""
        if not self.certificate_path.exists():
            return None
        certificate = Certificate.read(self.certificate_path)
        return certificate if certificate.content_hash == self.content_hash else None


@dataclass(frozen=True)
class Suite:
    """A folder of tasks. Adding a task writes its files first and names it last."""

    path: Path

    @classmethod
    def open(cls, path: Path | str) -> Suite:
        """Opens a suite folder.

        Raises:
            InputError: If there is no suite in that folder, or its index is damaged.
        """
        suite = cls(Path(path))
        suite.__dict__["index"] = read_index(suite.path)
        return suite

    @classmethod
    def create(cls, path: Path | str, name: str, author: str) -> Suite:
        """Opens the suite in a folder, or begins an empty one there."""
        suite = cls(Path(path))
        if not (suite.path / INDEX).is_file():
            suite._write_index({"name": name, "version": "0.1.0", "author": author, "tasks": {}})
        return suite

    @cached_property
    def index(self) -> dict[str, Any]:
        """The content of `index.json`."""
        return read_index(self.path)

    @property
    def ids(self) -> list[str]:
        """Ids of all tasks, sorted: the order does not depend on which was finished first."""
        return list(self.index["tasks"])

    def __iter__(self) -> Iterator[Task]:
        return (Task(task_id, self.path) for task_id in self.ids)

    def __len__(self) -> int:
        return len(self.index["tasks"])

    def task(self, task_id: str) -> Task:
        """One task.

        Raises:
            InputError: If the suite has no such task; the nearest id is suggested.
        """
        if task_id not in self.index["tasks"]:
            raise unknown_name("task", task_id, self.ids, f"suite {self.path}")
        return Task(task_id, self.path)

    def add(self, files: TaskFiles, certificate: Certificate | None = None) -> Task:
        """Writes a task into the suite, replacing one of the same id.

        The index names the task only after all of its files are on disk.
        """
        write_task(self.path, files)
        if certificate is not None:
            certificate.write(self.path / "certificates" / f"{files.id}.json")
        recipe = files.recipe
        entry = {
            "content_hash": files.content_hash,
            "family": recipe.family,
            "category": recipe.category,
            "metric": recipe.scoring.metric,
            "direction": recipe.scoring.direction,
        }
        index = dict(self.index)
        index["tasks"] = dict(sorted({**index["tasks"], files.id: entry}.items()))
        self._write_index(index)
        return Task(files.id, self.path)

    def _write_index(self, index: dict[str, Any]) -> None:
        hashes = {task_id: entry["content_hash"] for task_id, entry in index["tasks"].items()}
        write_atomic(self.path / "suite.yaml", yaml.safe_dump({**index, "tasks": hashes}, sort_keys=False))
        write_json(self.path / INDEX, index)
        self.__dict__["index"] = index


def write_task(folder: Path, files: TaskFiles) -> Task:
    """Writes the files of one task in the layout of a suite, without naming it in an index."""
    for room in ("data", "hidden", "images"):
        shutil.rmtree(folder / room / files.id, ignore_errors=True)
    (folder / "certificates" / f"{files.id}.json").unlink(missing_ok=True)
    for name, content in files.starter.items():
        write_atomic(folder / "data" / files.id / name, content)
    for name, content in files.hidden.items():
        write_atomic(folder / "hidden" / files.id / name, content)
    if files.dockerfile:
        write_atomic(folder / "images" / files.id / "Dockerfile", files.dockerfile)
    write_atomic(folder / "recipes" / f"{files.id}.yaml", files.recipe.to_yaml())
    if files.dataset is not None:
        files.dataset.write(folder / "datasets" / f"{files.id}.yaml")
    files.config.write(folder / "tasks" / f"{files.id}.yaml")
    return Task(files.id, folder)


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":")).encode()


def _read_tree(folder: Path) -> dict[str, bytes]:
    if not folder.is_dir():
        return {}
    paths = [folder.parent, folder, *folder.rglob("*")]
    if links := [path for path in paths if path.is_symlink()]:
        # It may lead to any file of the user's, who would hand it to an agent.
        raise InputError(f"{links[0]} is a link", "a suite that others made holds plain files: replace it")
    files = (path for path in paths if path.is_file() and "__pycache__" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(files)}
