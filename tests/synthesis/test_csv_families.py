"""Families of csv submissions: their data are made, and their scripts run, for real."""

from __future__ import annotations

import ast
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlgym_synth.datasets.canonical import canonical
from mlgym_synth.datasets.prepare import prepare
from mlgym_synth.errors import InputError
from mlgym_synth.metrics.registry import get_metric
from mlgym_synth.metrics.submission import parse_submission
from mlgym_synth.synthesis.templates import FAMILIES, QUICKSTART
from mlgym_synth.synthesis.templates.family import literal, render
from mlgym_synth.synthesis.templates.table import sort_columns, table_draft, table_topics
from mlgym_synth.tasks.recipe import CsvSubmission
from mlgym_synth.tasks.suite import TaskFiles, write_task
from mlgym_synth.verification.controls import csv_controls

SIMULATED = [
    "series-forecasting",
    "system-identification",
    "signal-classification",
    "event-detection",
    "count-regression",
    "quantile-regression",
    "interaction-prediction",
    "image-measurement",
    "language-identification",
]
NAMES = [
    "tabular-classification",
    "tabular-regression",
    "image-classification",
    "image-inpainting",
    "text-classification",
    "name-script",
    *SIMULATED,
]
every_family = pytest.mark.parametrize("name", NAMES)


@cache
def draft(name: str, seed: int = 0, salt: str = "salt") -> TaskFiles:
    family = FAMILIES[name]
    return family.draft(f"{name}-{seed}", family.knobs(random.Random(seed)), salt)


def target_of(files: TaskFiles) -> str:
    assert files.recipe.data is not None
    return files.recipe.data.target


def run(files: TaskFiles, script: bytes, folder: Path, seed: int = 0) -> bytes:
    """What a script writes as its submission, in a folder like the workspace."""
    shutil.copytree(prepare(files.recipe).public, folder / "data", dirs_exist_ok=True)
    (folder / "script.py").write_bytes(script)
    subprocess.run(
        [sys.executable, "script.py"],
        cwd=folder,
        env={**os.environ, "MLGYM_SEED": str(seed), "OMP_NUM_THREADS": "1"},
        check=True,
        capture_output=True,
        timeout=240,
    )
    return (folder / "submission.csv").read_bytes()


def score(files: TaskFiles, content: bytes) -> float:
    """Score on the private part; larger is better."""
    labels = prepare(files.recipe).labels()
    submission = files.recipe.submission
    assert isinstance(submission, CsvSubmission)
    kind, metric = submission.target_kind, get_metric(files.recipe.scoring.metric)

    def parsed(table: bytes) -> Any:
        return parse_submission(table, labels.ids, "id", target_of(files), kind, submission.labels)[~labels.public]

    truth = pd.DataFrame({"id": labels.ids, target_of(files): labels.targets}).to_csv(index=False).encode()
    value = metric.function(parsed(truth), parsed(content))
    return value if metric.direction == "max" else -value


def constant(files: TaskFiles) -> bytes:
    """The commonest label, or the mean, for every test row."""
    prepared = prepare(files.recipe)
    seen = pd.read_csv(prepared.public / "train.csv", dtype=str, keep_default_na=False)[target_of(files)].tolist()
    kind = files.recipe.submission.target_kind  # type: ignore[union-attr]  # these tasks submit tables
    value = Counter(seen).most_common(1)[0][0] if kind == "label" else statistics.mean(map(float, seen))
    return pd.DataFrame({"id": prepared.labels().ids, target_of(files): value}).to_csv(index=False).encode()


def check_order(files: TaskFiles, folder: Path) -> None:
    """Constant, baseline and reference have to come in this order."""
    baseline = score(files, run(files, files.starter["baseline.py"], folder))
    reference = score(files, run(files, files.hidden["reference.py"], folder))
    assert score(files, constant(files)) < baseline < reference


@every_family
def test_equal_arguments_give_equal_drafts_and_another_salt_gives_other_data(name: str) -> None:
    family = FAMILIES[name]
    again = family.draft(f"{name}-0", family.knobs(random.Random(0)), "salt")
    assert again.content_hash == draft(name).content_hash
    one, other = draft(name).recipe.data, draft(name, salt="pepper").recipe.data
    assert one is not None and other is not None
    assert set(one.files.values()).isdisjoint(other.files.values())


@every_family
def test_knobs_are_json_and_make_many_distinct_tasks(name: str) -> None:
    drawn = [FAMILIES[name].knobs(random.Random(seed)) for seed in range(100)]
    assert [json.loads(json.dumps(knobs)) for knobs in drawn] == drawn
    assert len({json.dumps(knobs) for knobs in drawn}) > 40


@every_family
@pytest.mark.parametrize("seed", range(8))
def test_draft_is_whole(name: str, seed: int) -> None:
    files = draft(name, seed)
    recipe = files.recipe
    assert recipe.family == name and recipe.data is not None
    assert recipe.category == FAMILIES[name].category
    assert recipe.knobs == FAMILIES[name].knobs(random.Random(seed))
    assert "  " not in files.config.text().split("## Data")[0]
    for script in (files.starter["baseline.py"], files.hidden["reference.py"]):
        tree = ast.parse(script)
        assert ast.get_docstring(tree)
        assert max(map(len, script.decode().splitlines())) <= 120
        assert b"\n\n\n\n" not in script and b"MLGYM_SEED" in script
    labels = prepare(recipe).labels()
    assert 0.28 < labels.public.mean() < 0.32
    assert len(labels.ids) >= 90


@every_family
def test_transforms_are_the_troubles_that_the_text_names(name: str) -> None:
    said = {
        "noise_columns": "lost their order",
        "outliers": "faulty",
        "missing": "empty",
        "label_noise": "are wrong",
        "target_outliers": "gross error",
        "pixel_noise": "noise with a standard deviation",
        "occlude": "blank square",
        "imbalance": "rare in training",
        "drop_words": "words of every text are lost",
    }
    for seed in range(8):
        files = draft(name, seed)
        assert files.recipe.data is not None
        text = " ".join(files.config.text().lower().split())
        made = {transform.name for transform in files.recipe.data.transforms}
        for trouble, phrase in said.items():
            assert (phrase in text) == (trouble in made), (trouble, text)


@pytest.mark.parametrize(
    ("name", "seed"), [(name, seed) for name in NAMES for seed in (1, 2) if name not in SIMULATED or seed == 1]
)
def test_scripts_run_and_write_valid_submissions(name: str, seed: int, tmp_path: Path) -> None:
    files = draft(name, seed)
    for script in (files.starter["baseline.py"], files.hidden["reference.py"]):
        assert score(files, run(files, script, tmp_path)) > score(files, constant(files))


@pytest.mark.parametrize(("name", "knobs"), [choice for choice in QUICKSTART if choice[0] in NAMES])
def test_quickstart_has_room_between_constant_baseline_and_reference(
    name: str, knobs: dict[str, Any], tmp_path: Path
) -> None:
    check_order(FAMILIES[name].draft(f"{name}-first", knobs, "salt"), tmp_path)


@pytest.mark.parametrize("name", SIMULATED)
def test_simulations_are_seeded_by_the_salt_and_by_nothing_that_agents_see(name: str) -> None:
    one, other = draft(name), draft(name, salt="pepper")
    assert one.recipe.data is not None and other.recipe.data is not None
    seed = one.recipe.data.source.options["seed"]
    assert seed != other.recipe.data.source.options["seed"]
    public = [one.config.to_yaml().encode(), one.dockerfile.encode(), *one.starter.values()]
    public += [path.read_bytes() for path in prepare(one.recipe).public.iterdir()]
    for secret in (seed, one.recipe.data.split.salt):
        assert not any(secret.encode() in content for content in public)


@pytest.mark.parametrize("name", ["series-forecasting", "system-identification", "signal-classification"])
def test_no_readings_of_a_test_row_are_in_a_training_row(name: str) -> None:
    files = draft(name)
    train, test = (pd.read_csv(prepare(files.recipe).public / part) for part in ("train.csv", "test.csv"))
    columns = [column for column in test.columns if column.rpartition("_")[2].isdigit()]
    windows = [
        {row[at : at + 4] for row in map(tuple, table[columns].to_numpy()) for at in range(3)}
        for table in (train, test)
    ]
    shared = {window for window in windows[0] & windows[1] if len(set(window)) > 2}
    assert len(shared) <= 0.01 * len(windows[1])


def test_a_forecast_lies_beyond_all_that_is_shown() -> None:
    for seed in range(8):
        files = draft("series-forecasting", seed)
        shown = pd.read_csv(prepare(files.recipe).public / "test.csv").columns
        prefix, _, place = target_of(files).rpartition("_")
        last = max(int(name.rpartition("_")[2]) for name in shown if name.startswith(f"{prefix}_"))
        assert int(place) - last == files.recipe.knobs["horizon"]


def test_quantile_tasks_are_held_against_the_constant_that_suits_the_metric(tmp_path: Path) -> None:
    files = draft("quantile-regression")
    prepared = prepare(files.recipe)
    controls = csv_controls(write_task(tmp_path, files), prepared.public, prepared.labels().ids, seeds=1)
    scores = {name: score(files, content) for name, (content,) in controls.items()}
    assert max(scores, key=scores.__getitem__) == "quantile"


def test_scripts_repeat_themselves(tmp_path: Path) -> None:
    files = draft("tabular-classification", 1)
    for script in (files.starter["baseline.py"], files.hidden["reference.py"]):
        assert run(files, script, tmp_path, seed=3) == run(files, script, tmp_path, seed=3)


def test_a_template_that_names_an_unknown_value_is_an_error() -> None:
    with pytest.raises(Exception, match="'target' is undefined"):
        render("digits/baseline.py.jinja", scoring="accuracy")


@given(st.one_of(st.text(), st.lists(st.text())))
def test_literals_survive_any_name(value: str | list[str]) -> None:
    assert ast.literal_eval(literal(value)) == value


# --- a user's own table ---


def houses(rows: int = 400) -> pd.DataFrame:
    """A table with columns of every kind, awkward names, empty cells and a label that reads like a missing value."""
    random_state = np.random.default_rng(0)
    area = random_state.lognormal(4, 0.4, rows)
    city = random_state.choice(["Rome", "Oslo", "Lima"], rows)
    built = pd.Timestamp("1950-01-01") + pd.to_timedelta(random_state.integers(0, 25_000, rows), unit="D")
    words = random_state.choice(["bright", "dark", "garden", "damp", "quiet"], (rows, 5))
    worth = np.log(area) + 0.5 * (city == "Oslo") + 0.6 * (words == "garden").any(axis=1)
    worth += random_state.normal(0, 0.1, rows)
    return pd.DataFrame(
        {
            'area, "m2"': np.where(random_state.random(rows) < 0.1, np.nan, area),
            "city's": pd.Series(city).mask(random_state.random(rows) < 0.1),
            "built {on}": built.strftime("%Y-%m-%d"),
            "street\\": [f"street-{number}" for number in random_state.integers(0, 150, rows)],
            "about": [" ".join(row) for row in words],
            "same": 1,
            "price": np.exp(worth + 8).round(),
            "band": np.where(worth > np.quantile(worth, 0.6), "high", "NA"),
        }
    )


def write(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_parquet(path) if path.suffix == ".parquet" else frame.to_csv(path, index=False)
    return path


def test_columns_are_sorted_by_kind() -> None:
    columns = sort_columns(canonical(houses().drop(columns=["price", "band"])))
    assert columns.numbers == ['area, "m2"']
    assert columns.dates == ["built {on}"]
    assert columns.categories == ["city's"]
    assert columns.codes == ["street\\"]
    assert columns.texts == ["about"]


@pytest.mark.parametrize(
    ("target", "dropped", "name"), [("price", "band", "houses.csv"), ("band", "price", "houses.parquet")]
)
def test_a_users_table_becomes_a_task_with_room(target: str, dropped: str, name: str, tmp_path: Path) -> None:
    path = write(houses().drop(columns=dropped), tmp_path / name)
    files = table_draft("table-1", path, target, salt="salt")
    assert files.content_hash == table_draft("table-1", path, target, salt="salt").content_hash
    assert files.recipe.scoring.metric == ("r2" if target == "price" else "balanced_accuracy")
    if target == "band":
        assert files.recipe.submission.labels == ["NA", "high"]  # type: ignore[union-attr]  # a csv submission
    check_order(files, tmp_path)


@pytest.mark.parametrize("columns", [["about"], ["street\\"], ["built {on}"]])
def test_a_table_of_one_kind_of_column_has_a_baseline_that_runs(columns: list[str], tmp_path: Path) -> None:
    path = write(houses()[[*columns, "price"]], tmp_path / "narrow.csv")
    files = table_draft("table-1", path, "price", salt="salt")
    for script in (files.starter["baseline.py"], files.hidden["reference.py"]):
        assert np.isfinite(score(files, run(files, script, tmp_path)))


def test_topics_of_a_table_are_distinct_and_the_first_takes_all_of_it(tmp_path: Path) -> None:
    path = write(houses().drop(columns="band"), tmp_path / "houses.csv")
    topics = table_topics(path, "price", None, count=12, seed=1)
    assert len({topic.key for topic in topics}) == 12
    assert topics[0].options["train_share"] == 1.0
    assert {topic.options["metric"] for topic in topics} > {"r2"}
    assert topics[:5] == table_topics(path, "price", None, count=5, seed=1)
    mae = table_topics(path, "price", "mae", count=3, seed=1)
    assert {topic.options["metric"] for topic in mae} == {"mae"}
    files = FAMILIES["table"].draft("table-2", dict(mae[1].options), "salt")
    assert files.recipe.knobs == {name: value for name, value in mae[1].options.items() if name != "sha256"}


def test_what_cannot_become_a_task_is_named(tmp_path: Path) -> None:
    path = write(houses(), tmp_path / "houses.csv")
    with pytest.raises(InputError, match="did you mean price"):
        table_draft("table-1", path, "prise")
    with pytest.raises(InputError, match="not numeric"):
        table_draft("table-1", path, "band", metric="rmse")
    with pytest.raises(InputError, match="no more than"):
        table_topics(path, "price", "mae", count=1000, seed=0)
    with pytest.raises(InputError, match="--table"):
        FAMILIES["table"].draft("table-1", FAMILIES["table"].knobs(random.Random(0)), "salt")
    path = write(houses()[["city's", "price"]], tmp_path / "narrow.csv")
    with pytest.raises(InputError, match="4 rows that differ"):
        table_draft("table-1", path, "price")
    many = houses().assign(who=[f"name {row % 51}" for row in range(400)])
    path = write(pd.concat([many] * 2, ignore_index=True).assign(row=range(800)), tmp_path / "many.csv")
    with pytest.raises(InputError, match="51 classes"):
        table_draft("table-1", path, "who")
