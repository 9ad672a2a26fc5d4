"""The recipe: where a task's data comes from, how it is split and graded, and within which limits agents work.

A recipe is all that is needed to make the same bytes again. It is read by `datasets/` (materialise), `environment/`
(grade, limit) and `verification/`; it never enters a sandbox, because it holds the salt of the split.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlgym_synth.tasks.yaml_files import misfit, read_yaml

Category = Literal["data science", "vision", "language", "games", "reinforcement learning", "algorithmic heuristics"]
Direction = Literal["max", "min"]


def image_tag(family: str) -> str:
    """The name under which an engine knows a family image."""
    return f"mlgym-synth/{family}:latest"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Strict):
    """Where the rows come from, pinned by the hash of the canonical table."""

    name: str
    """`sklearn/<table>`, `text/<corpus>`, `simulated/<system>`, `file/<name>`: before the slash the loader's name."""
    options: dict[str, Any] = {}
    """What the loader needs: patch size of an image, the path of a user's file, …"""
    licence: str
    """SPDX identifier, or `unknown` for a user's own table."""
    revision: str
    """`sha256:<hex>` of the canonical table, so that a changed package or file is noticed."""


class Transform(_Strict):
    """One named, deterministic step between source and split; names are registered in `datasets/`."""

    name: str
    options: dict[str, Any] = {}


class Split(_Strict):
    """Our own salted split: nobody can rebuild it from the public data set."""

    salt: str
    test_rows: int = Field(ge=1)
    """Rows with hidden targets, public and private part together."""
    public_rows: int = Field(ge=1)
    """Rows of the test set that `validate` scores; the others are scored by `submit`."""
    train_rows: int | None = None
    """At most so many training rows; all that remain if None."""


class Data(_Strict):
    """Data of a task whose submission is a table of predictions."""

    source: Source
    transforms: list[Transform] = []
    target: str
    """Name of the target column after the transforms."""
    split: Split
    files: dict[str, str] = {}
    """SHA-256 of every prepared file: `train.csv`, `test.csv` (the agent's), `labels.csv` (hidden)."""


class CsvSubmission(_Strict):
    """A table with one prediction for every test row."""

    kind: Literal["csv"] = "csv"
    file: str = "submission.csv"
    id_column: str = "id"
    target_kind: Literal["label", "number"]
    labels: list[str] = []
    """All labels that may be predicted; empty for numbers."""


class CodeSubmission(_Strict):
    """A Python file that is called, in a box of its own, by the task's hidden `judge.py`."""

    kind: Literal["code"] = "code"
    file: str
    """Name of the file in the workspace; the starter version is the baseline."""
    functions: list[str]
    """Functions the file has to define."""
    call_seconds: float = 20.0
    """Time limit of one (batched) call."""


class Scoring(_Strict):
    """What is measured."""

    metric: str
    """A name from the registry in `metrics/`, or the judge's own for code submissions."""
    direction: Direction
    limit: float | None = None
    """The best value that the metric can take, if it has one."""


class Limits(_Strict):
    """Limits of the sandbox in which an agent works on the task."""

    memory_mb: int = 2048
    cpus: float = 2.0
    """Processors that may be kept busy at a time."""
    processes: int = 128
    disk_mb: int = 512
    output_kb: int = 32
    """Bytes of one observation that are kept, half of them from its head and half from its tail."""
    action_seconds: float = 120.0
    episode_seconds: float = 3600.0
    validations: int = 25
    """How often an agent may call `validate` in one episode."""


class Recipe(_Strict):
    """Everything about a task that MLGym's YAML has no key for."""

    schema_version: Literal[1] = 1
    id: str
    family: str
    category: Category
    author: str
    """Which author wrote the task: `templates`, or a model's name."""
    knobs: dict[str, Any] = {}
    """The choices of the family that make this task differ from its siblings."""
    data: Data | None = None
    """None for tasks without a data set (games, control, heuristics)."""
    submission: Annotated[CsvSubmission | CodeSubmission, Field(discriminator="kind")]
    scoring: Scoring
    image: Literal["tabular", "torch-cpu", "torch-cuda"] = "tabular"
    limits: Limits = Limits()

    def to_yaml(self) -> str:
        """YAML text with every field, in the model's order."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=110)

    @classmethod
    def read(cls, path: Path) -> Recipe:
        """Reads a recipe.

        Raises:
            InputError: If the file is missing, not YAML, or does not fit the model.
        """
        try:
            return cls.model_validate(read_yaml(path))
        except ValidationError as error:
            raise misfit(error, str(path), "restore the file") from error
