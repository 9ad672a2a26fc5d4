"""MLGym's task and data set YAML: its keys and no others, read and written without loss."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlgym_synth.errors import InputError
from mlgym_synth.files import write_atomic
from mlgym_synth.tasks.yaml_files import misfit, parse_yaml, read_yaml


class _MLGymModel(BaseModel):
    """Writes only the keys that were set, in MLGym's order, so that a file survives a round trip."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def to_mapping(self) -> dict[str, Any]:
        """The keys that were set, as plain YAML values."""
        return self.model_dump(mode="json", exclude_unset=True)

    def to_yaml(self) -> str:
        """YAML text; texts of several lines as literal blocks."""
        return yaml.dump(
            self.to_mapping(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=False
        )

    def write(self, path: Path) -> None:
        """Writes the YAML file atomically."""
        write_atomic(path, self.to_yaml())

    @classmethod
    def from_yaml(cls, text: str, origin: str = "YAML") -> Any:
        """Parses YAML text.

        Raises:
            InputError: If the text is not YAML, or a key is unknown, missing or of the wrong type.
        """
        return cls._fit(parse_yaml(text, origin), origin)

    @classmethod
    def read(cls, path: Path) -> Any:
        """Reads a YAML file; errors name it."""
        return cls._fit(read_yaml(path), str(path))

    @classmethod
    def _fit(cls, document: Any, origin: str) -> Any:
        try:
            return cls.model_validate(document)
        except ValidationError as error:
            raise misfit(error, origin, "use MLGym's keys and types") from error


class SplitConfig(_MLGymModel):
    """A split of a data set."""

    name: str
    file_regex: str


class DatasetConfig(_MLGymModel):
    """A data set as MLGym describes it."""

    name: str
    description: str
    data_path: str
    is_local: bool = False
    train_split: SplitConfig | None = None
    valid_split: SplitConfig | None = None
    test_split: SplitConfig | None = None


class TaskConfig(_MLGymModel):
    """A task as MLGym describes it. In `description` literal braces are doubled; only `{dataset_docs}` is filled."""

    id: str = Field(pattern=r"^[\w:.-]+$")
    name: str
    description: str
    dataset_configs: list[str] = []
    task_entrypoint: str = "CSVSubmissionTasks"
    training_timeout: int | None = None
    requirements_path: str | None = None
    benchmark_name: str | None = None
    use_generic_conda: bool = True
    starter_code: list[str] = []
    baseline_paths: list[str] = []
    baseline_scores: list[dict[str, float]] = []
    sample_submission: str | None = None
    evaluation_paths: list[str] = []
    evaluation_read_only: bool = False
    secret_files: list[str] = []
    memory_path: str | None = None

    def text(self, dataset_docs: str = "") -> str:
        """The description as an agent reads it, filled the way MLGym fills it.

        Raises:
            InputError: If it has other fields than `{dataset_docs}`, or braces that are not doubled.
        """
        try:
            for _, name, spec, conversion in string.Formatter().parse(self.description):
                if name not in (None, "dataset_docs") or spec or conversion:
                    # A hostile width such as `{dataset_docs:>9999999999}` would fill the memory.
                    raise ValueError(f"it has a field that is not {{dataset_docs}}: {name!r}")
            return self.description.format(dataset_docs=dataset_docs)
        except ValueError as error:
            raise InputError(
                f"the description of {self.id} cannot be filled: {error}", "double its literal braces"
            ) from error


class _Dumper(yaml.SafeDumper):
    """Safe dumper with literal blocks."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _represent_text)
