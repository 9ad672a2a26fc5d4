from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlgym_synth.errors import InputError
from mlgym_synth.tasks.mlgym_yaml import DatasetConfig, TaskConfig
from mlgym_synth.tasks.recipe import Recipe

TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\t"))


def test_every_yaml_of_mlgym_survives_a_round_trip(mlgym_data: Path) -> None:
    paths = [(path, TaskConfig) for path in (mlgym_data / "configs" / "tasks").glob("*.yaml")]
    paths += [(path, DatasetConfig) for path in (mlgym_data / "configs" / "datasets").glob("*.yaml")]
    assert len(paths) >= 25
    for path, model in paths:
        written = model.read(path).to_yaml()
        assert yaml.safe_load(written) == yaml.safe_load(path.read_text()), path
        assert model.from_yaml(written).to_yaml() == written, path


@given(name=TEXT, description=TEXT, scores=st.lists(st.dictionaries(TEXT, st.floats(allow_nan=False))))
def test_any_text_survives_a_round_trip(name: str, description: str, scores: list[dict[str, float]]) -> None:
    config = TaskConfig(id="a.b-c", name=name, description=description, baseline_scores=scores)
    assert TaskConfig.from_yaml(config.to_yaml()) == config


def test_a_description_is_filled_the_way_mlgym_fills_it() -> None:
    config = TaskConfig(id="t", name="t", description="a {{dict}} and {dataset_docs}")
    assert config.text("docs") == "a {dict} and docs"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("id: t\nname: t\ndescription: d\nflavour: sweet\n", "flavour"),
        ("id: t\nname: t\n", "description"),
        ("id: 'not/an id'\nname: t\ndescription: d\n", "id"),
        ("id: [\n", "not YAML"),
        ("id: 2020-13-45\n", "not YAML"),
        ("[" * 100_000, "not YAML"),
        ("", "the file"),
    ],
)
def test_what_is_no_task_is_bad_input_naming_the_key(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TaskConfig.from_yaml(text, "task.yaml")


def test_a_file_that_is_not_utf_8_is_bad_input_naming_it(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_bytes("id: t\nname: café\ndescription: d\n".encode("latin-1"))
    for model in (TaskConfig, DatasetConfig, Recipe):
        with pytest.raises(InputError, match=r"task\.yaml is not UTF-8 at byte 15"):
            model.read(tmp_path / "task.yaml")


@pytest.mark.parametrize("description", ["a {dict}", "a {", "a {0}", "a {dataset_docs.author}"])
def test_a_description_that_cannot_be_filled_is_bad_input(description: str) -> None:
    with pytest.raises(InputError, match="description of t cannot be filled"):
        TaskConfig(id="t", name="t", description=description).text("docs")
