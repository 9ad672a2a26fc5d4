from __future__ import annotations

import csv
import io
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlgym_synth.datasets.prepare import Prepared, make_data, prepare
from mlgym_synth.datasets.sources import load_source
from mlgym_synth.datasets.target import TargetKind
from mlgym_synth.errors import DataError, InputError
from mlgym_synth.files import sha256
from mlgym_synth.metrics.functions import spearman
from mlgym_synth.tasks.recipe import CodeSubmission, CsvSubmission, Data, Recipe, Scoring, Split, Transform

NOISE = [Transform(name="label_noise", options={"rate": 0.2}), Transform(name="imbalance", options={"ratio": 4})]
DIGITS = ("sklearn/digits", {}, NOISE, "digit", "label", Split(salt="s", test_rows=500, public_rows=200))
DIABETES = ("sklearn/diabetes", {}, [], "progression", "number", Split(salt="s", test_rows=150, public_rows=50))
CODE = (
    "text/code",
    {},
    [Transform(name="columns", options={"keep": ["text"]})],
    "package",
    "label",
    Split(salt="s", test_rows=600, public_rows=200, train_rows=1000),
)
PATCHES = (
    "sklearn/flower",
    {"size": 5},
    [Transform(name="rows", options={"count": 3000}), Transform(name="missing", options={"rate": 0.1})],
    "value",
    "number",
    Split(salt="s", test_rows=800, public_rows=300),
)
ALL = pytest.mark.parametrize("choices", [DIGITS, DIABETES, CODE, PATCHES], ids=lambda choices: choices[0])


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MLGYM_SYNTH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _recipe(data: Data, kind: TargetKind) -> Recipe:
    return Recipe(
        id="task-1",
        family="f",
        category="data science",
        author="templates",
        data=data,
        submission=CsvSubmission(target_kind=kind),
        scoring=Scoring(metric="accuracy", direction="max"),
    )


def _bytes(prepared: Prepared) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (*prepared.public.iterdir(), prepared.labels_path)}


@ALL
def test_the_same_recipe_gives_the_same_bytes(cache: Path, choices) -> None:  # type: ignore[no-untyped-def]
    data, made = make_data(*choices)
    first = _bytes(made)
    assert {name: sha256(content) for name, content in first.items()} == data.files
    shutil.rmtree(cache)
    again = prepare(_recipe(data, choices[4]))
    assert again.folder == made.folder
    assert _bytes(again) == first


@ALL
def test_test_rows_are_hidden(choices) -> None:  # type: ignore[no-untyped-def]
    target = choices[3]
    _, prepared = make_data(*choices)
    assert sorted(path.name for path in prepared.public.iterdir()) == ["test.csv", "train.csv"]
    train, test = (pd.read_csv(prepared.public / name) for name in ("train.csv", "test.csv"))
    labels = prepared.labels()
    features = [name for name in train.columns if name not in ("id", target)]
    assert list(train.columns) == ["id", *features, target]
    assert list(test.columns) == ["id", *features]
    assert labels.ids == [str(row) for row in test["id"]]
    assert len(labels.targets) == len(test) == choices[5].test_rows
    assert labels.public.sum() == choices[5].public_rows
    assert not set(train["id"]) & set(test["id"])
    shown = {tuple(row) for row in csv.reader(io.StringIO((prepared.public / "train.csv").read_text()))}
    train_rows = {row[1:-1] for row in shown}
    test_rows = [tuple(row[1:]) for row in csv.reader(io.StringIO((prepared.public / "test.csv").read_text()))][1:]
    assert not train_rows & set(test_rows)
    assert len(set(test_rows)) == len(test_rows)


@ALL
def test_ids_and_order_say_nothing_about_the_target(choices) -> None:  # type: ignore[no-untyped-def]
    _, prepared = make_data(*choices)
    labels = prepared.labels()
    targets = pd.factorize(pd.Series(labels.targets), sort=True)[0].astype(float)
    assert abs(spearman(targets, np.array(labels.ids, dtype=float))) < 0.2
    assert abs(spearman(targets, np.arange(float(len(targets))))) < 0.2


def test_targets_are_those_of_the_source_and_the_order_is_another() -> None:
    _, prepared = make_data(*DIABETES)
    source = load_source("sklearn/diabetes").frame
    by_features = {tuple(f"{v:.6g}" for v in row[:-1]): row[-1] for row in source.to_numpy()}
    numbers = {key: place for place, key in enumerate(by_features)}
    test = pd.read_csv(prepared.public / "test.csv").drop(columns="id").to_numpy()
    keys = [tuple(f"{v:.6g}" for v in row) for row in test]
    assert [float(target) for target in prepared.labels().targets] == [by_features[key] for key in keys]
    places = [numbers[key] for key in keys]
    assert places != sorted(places)


def test_training_noise_spares_the_hidden_targets() -> None:
    source, options, _, target, kind, split = DIGITS
    _, clean = make_data(source, options, [], target, kind, split)
    _, noisy = make_data(*DIGITS)
    assert clean.labels_path.read_bytes() == noisy.labels_path.read_bytes()
    assert (clean.public / "test.csv").read_bytes() == (noisy.public / "test.csv").read_bytes()
    before, after = (pd.read_csv(prepared.public / "train.csv") for prepared in (clean, noisy))
    both = before.merge(after, on="id")
    assert len(both) == len(after) < len(before)
    assert 0.1 < (both["digit_x"] != both["digit_y"]).mean() < 0.3


def test_labels_are_for_their_owner_alone() -> None:
    _, prepared = make_data(*DIABETES)
    assert stat.S_IMODE(prepared.labels_path.stat().st_mode) == 0o600
    assert stat.S_IMODE(prepared.labels_path.parent.stat().st_mode) == 0o700
    assert prepared.labels_path.parent != prepared.public
    assert not prepared.labels_path.is_relative_to(prepared.public)
    for path in (prepared.public, *prepared.public.iterdir()):
        assert path.stat().st_mode & 0o004


@pytest.mark.parametrize("name", ["public/train.csv", "hidden/labels.csv"])
def test_a_damaged_store_is_made_anew(cache: Path, name: str) -> None:
    data, prepared = make_data(*DIABETES)
    whole = _bytes(prepared)
    (prepared.folder / name).write_text("damaged")
    assert _bytes(prepare(_recipe(data, "number"))) == whole
    (prepared.folder / name).unlink()
    assert _bytes(prepare(_recipe(data, "number"))) == whole
    assert [path.name for path in (cache / "prepared").iterdir()] == [prepared.folder.name]


def test_a_changed_source_is_named(tmp_path: Path) -> None:
    data, _ = make_data(*DIABETES)
    source = data.source.model_copy(update={"revision": "sha256:" + "0" * 64})
    with pytest.raises(DataError, match=r"sklearn/diabetes is sha256:\w{64} but .* sha256:0000.*\(install"):
        prepare(_recipe(data.model_copy(update={"source": source}), "number"))


def test_changed_hashes_are_named(cache: Path) -> None:
    data, _ = make_data(*DIABETES)
    changed = data.model_copy(update={"files": {**data.files, "test.csv": "0" * 64}})
    with pytest.raises(DataError, match=r"test\.csv of task-1 has the sha256"):
        prepare(_recipe(changed, "number"))
    with pytest.raises(DataError, match="recipe says None"):
        prepare(_recipe(data.model_copy(update={"files": {}}), "number"))


def test_a_table_without_features_is_refused() -> None:
    source, options, _, target, kind, split = DIABETES
    with pytest.raises(InputError, match="no column besides the target"):
        make_data(source, options, [Transform(name="columns", options={"keep": []})], target, kind, split)


def test_a_task_without_data_is_refused() -> None:
    data, _ = make_data(*DIABETES)
    recipe = _recipe(data, "number").model_copy(update={"submission": CodeSubmission(file="p.py", functions=["f"])})
    with pytest.raises(InputError, match="task-1 has no data"):
        prepare(recipe)


def test_a_cache_that_cannot_be_written_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("MLGYM_SYNTH_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match="set MLGYM_SYNTH_CACHE"):
        make_data(*DIABETES)


def test_a_users_file_is_prepared_after_it_moved(cache: Path, tmp_path: Path) -> None:
    random = np.random.RandomState(0)
    frame = pd.DataFrame({"id": range(200), "x": random.rand(200), "town": random.choice(["a,b", 'c"d', "e"], 200)})
    path = tmp_path / "towns.csv"
    frame.to_csv(path, index=False)
    split = Split(salt="s", test_rows=80, public_rows=30)
    data, made = make_data("file/towns", {"path": str(path)}, [], "town", "label", split)
    whole = _bytes(made)
    path.unlink()
    shutil.rmtree(cache / "prepared")
    assert _bytes(prepare(_recipe(data, "label"))) == whole
    assert set(made.labels().targets) == {"a,b", 'c"d', "e"}
    assert list(pd.read_csv(made.public / "train.csv")) == ["id", "x", "town"]
    shutil.rmtree(cache)
    with pytest.raises(DataError, match="restore the file"):
        prepare(_recipe(data, "label"))


def test_twins_do_not_sit_on_both_sides(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": np.arange(400) % 100, "z": 1, "y": ["a", "b"] * 200})
    path = tmp_path / "twins.csv"
    frame.to_csv(path, index=False)
    split = Split(salt="s", test_rows=40, public_rows=20)
    _, prepared = make_data("file/twins", {"path": str(path)}, [], "y", "label", split)
    train, test = (pd.read_csv(prepared.public / name) for name in ("train.csv", "test.csv"))
    assert len(train) + len(test) == 100
    assert not set(train["x"]) & set(test["x"])


MAKE = """
import sys
from mlgym_synth.datasets.prepare import make_data
from mlgym_synth.tasks.recipe import Split
print("ready", flush=True)
sys.stdin.readline()
data, prepared = make_data("sklearn/digits", {}, [], "digit", "label", Split(salt="c", test_rows=500, public_rows=200))
print(data.files, prepared.labels().ids[:3])
"""


def test_processes_may_prepare_the_same_at_once(cache: Path) -> None:
    makers = [
        subprocess.Popen([sys.executable, "-c", MAKE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    for maker in makers:
        assert maker.stdout is not None and maker.stdout.readline() == "ready\n"
    for maker in makers:
        assert maker.stdin is not None
        maker.stdin.write("go\n")
        maker.stdin.flush()
    found = [maker.communicate()[0] for maker in makers]
    assert [maker.returncode for maker in makers] == [0, 0, 0]
    assert len(set(found)) == 1
    assert "labels.csv" in found[0]
    assert len(list((cache / "prepared").iterdir())) == 1
