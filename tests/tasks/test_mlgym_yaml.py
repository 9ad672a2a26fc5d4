from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mlgym_synth.errors import InputError
from mlgym_synth.tasks.mlgym_yaml import DatasetConfig, TaskConfig

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
        ("", "the file"),
    ],
)
def test_what_is_no_task_is_bad_input_naming_the_key(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        TaskConfig.from_yaml(text, "task.yaml")
