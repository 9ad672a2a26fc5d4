from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlgym_synth.datasets.canonical import canonical, to_csv
from mlgym_synth.datasets.sources import load_source
from mlgym_synth.datasets.transforms import TABLE_STEPS, TRAIN_STEPS, apply_to_table, apply_to_train
from mlgym_synth.errors import InputError
from mlgym_synth.tasks.recipe import Transform


@pytest.fixture(scope="module")
def digits() -> pd.DataFrame:
    frame = load_source("sklearn/digits").frame
    return frame.assign(digit=pd.Series([str(digit) for digit in frame["digit"]], dtype=object))


@pytest.fixture(scope="module")
def words() -> pd.DataFrame:
    return canonical(
        pd.DataFrame({"text": [f"a{row} b c d e f g h" for row in range(200)], "n": range(200), "y": ["u", "v"] * 100})
    )


def _table(frame: pd.DataFrame, name: str, target: str = "digit", salt: str = "salt", **options: Any) -> pd.DataFrame:
    return apply_to_table(frame, target, [Transform(name=name, options=options)], salt)


def _train(targets: pd.Series, name: str, **options: Any) -> pd.Series:
    return apply_to_train(targets, [Transform(name=name, options=options)], "salt")


CHANGING: list[tuple[str, dict[str, Any]]] = [
    ("columns", {"keep": ["p20", "p03"]}),
    ("rows", {"count": 300}),
    ("classes", {"keep": ["1", 7]}),
    ("relabel", {"labels": {"0": "round", 8: "round"}}),
    ("missing", {"rate": 0.2}),
    ("outliers", {"rate": 0.05, "scale": 20.0}),
    ("noise_columns", {"count": 4}),
    ("pixel_noise", {"sigma": 2.0}),
    ("occlude", {"size": 3}),
    ("round", {"decimals": -1}),
]


@pytest.mark.parametrize(("name", "options"), CHANGING)
def test_a_step_changes_the_table_the_same_way_twice(digits: pd.DataFrame, name: str, options: dict[str, Any]) -> None:
    before = to_csv(digits)
    once = _table(digits, name, **options)
    assert to_csv(once) != before
    assert to_csv(once) == to_csv(_table(digits, name, **options))
    assert to_csv(digits) == before
    assert "digit" in once


@pytest.mark.parametrize("name", ["rows", "missing", "outliers", "noise_columns", "pixel_noise", "occlude"])
def test_random_steps_depend_on_the_salt_and_on_their_place(digits: pd.DataFrame, name: str) -> None:
    step = Transform(name=name, options=dict(CHANGING)[name])
    idle = Transform(name="round", options={"decimals": 6})
    first = to_csv(apply_to_table(digits, "digit", [step], "a"))
    assert first != to_csv(apply_to_table(digits, "digit", [step], "b"))
    assert first != to_csv(apply_to_table(digits, "digit", [idle, step], "a"))


def test_columns_keeps_the_target(digits: pd.DataFrame) -> None:
    assert list(_table(digits, "columns", keep=["p20", "p03"])) == ["p03", "p20", "digit"]


def test_rows_keeps_the_shares_of_labels(digits: pd.DataFrame) -> None:
    kept = _table(digits, "rows", count=300)["digit"].value_counts()
    assert kept.sum() == 300
    expected = digits["digit"].value_counts() * 300 / len(digits)
    assert (kept - expected).abs().max() <= 1
    assert len(_table(digits, "rows", count=10**6)) == len(digits)


def test_labels_are_chosen_and_renamed(digits: pd.DataFrame) -> None:
    assert set(_table(digits, "classes", keep=["1", 7])["digit"]) == {"1", "7"}
    renamed = _table(digits, "relabel", labels={"0": "round", 8: "round"})["digit"]
    assert set(renamed) == set("1234567 9") - {" "} | {"round"}
    assert (renamed == "round").sum() == digits["digit"].isin(["0", "8"]).sum()


@given(st.floats(0, 0.95))
def test_missing_empties_the_rate_of_cells(rate: float) -> None:
    frame = canonical(pd.DataFrame({"a": range(2000), "t": ["x"] * 2000, "y": range(2000)}))
    emptied = _table(frame, "missing", target="y", rate=rate)
    for name in ("a", "t"):
        assert emptied[name].isna().mean() == pytest.approx(rate, abs=0.07)
    assert not emptied["y"].isna().any()
    assert not _table(frame, "missing", target="y", rate=0.5, columns=["a"])["t"].isna().any()


def test_outliers_move_few_cells_far(digits: pd.DataFrame) -> None:
    frame = digits[["p20", "p30", "digit"]]
    moved = (_table(frame, "outliers", rate=0.05, scale=20.0)["p20"] - frame["p20"]).abs()
    assert (moved > 0).mean() == pytest.approx(0.05, abs=0.02)
    assert moved[moved > 0].to_numpy() == pytest.approx(20 * frame["p20"].std(ddof=0))


def test_noise_columns_have_the_values_of_a_feature_and_not_its_order(digits: pd.DataFrame) -> None:
    wide = _table(digits, "noise_columns", count=4)
    added = [name for name in wide if name not in digits]
    assert len(added) == 4
    for name in added:
        model = digits[name.split("_")[0]]
        assert sorted(wide[name]) == sorted(model)
        assert wide[name].tolist() != model.tolist() or model.nunique() == 1


def test_pixel_noise_stays_in_range(digits: pd.DataFrame) -> None:
    noisy = _table(digits, "pixel_noise", sigma=2.0).drop(columns="digit").to_numpy()
    clean = digits.drop(columns="digit").to_numpy()
    assert (noisy.min(), noisy.max()) == (0, 16)
    inside = (clean > 5) & (clean < 11)
    assert (noisy - clean)[inside].std() == pytest.approx(2.0, abs=0.1)


def test_occlude_blanks_one_square() -> None:
    frame = canonical(
        pd.DataFrame(np.ones((200, 25)), columns=[f"p{i:02d}" for i in range(25)]).assign(y=["a", "b"] * 100)
    )
    images = _table(frame, "occlude", target="y", size=2).drop(columns="y").to_numpy().reshape(-1, 5, 5)
    places = set()
    for image in images:
        rows, columns = np.nonzero(image == 0)
        assert len(rows) == 4
        assert np.ptp(rows) == np.ptp(columns) == 1
        places.add((rows.min(), columns.min()))
    assert len(places) == 16


def test_words_are_dropped_and_shuffled(words: pd.DataFrame) -> None:
    dropped = _table(words, "drop_words", target="y", rate=0.5)["text"]
    assert dropped.str.split().str.len().mean() == pytest.approx(4, abs=0.4)
    assert dropped.str.split().str.len().min() >= 1
    shuffled = _table(words, "shuffle_words", target="y")["text"]
    assert [sorted(text.split()) for text in shuffled] == [sorted(text.split()) for text in words["text"]]
    assert (shuffled != words["text"]).mean() > 0.9


@given(st.integers(2, 6), st.floats(0, 0.95), st.integers(20, 200))
def test_label_noise_changes_exactly_the_rate_of_rows(classes: int, rate: float, rows: int) -> None:
    targets = pd.Series([f"c{row % classes}" for row in range(rows)], dtype=object)
    noisy = _train(targets, "label_noise", rate=rate)
    assert (noisy != targets).sum() == round(rate * rows)
    assert set(noisy) <= set(targets)
    assert targets.tolist() == [f"c{row % classes}" for row in range(rows)]


def test_target_outliers_move_the_rate_of_targets() -> None:
    targets = pd.Series(np.arange(200.0))
    moved = (_train(targets, "target_outliers", rate=0.1, scale=10.0) - targets).abs()
    assert (moved > 0).sum() == 20
    assert moved.max() == pytest.approx(10 * np.arange(200.0).std())


@given(st.integers(2, 8), st.floats(1, 50))
def test_imbalance_reaches_the_ratio_and_keeps_the_order(classes: int, ratio: float) -> None:
    targets = pd.Series([f"c{row % classes}" for row in range(100 * classes)], dtype=object)
    thinned = _train(targets, "imbalance", ratio=ratio)
    counts = thinned.value_counts()
    assert len(counts) == classes
    assert (counts.max(), counts.min()) == (100, max(2, round(100 / ratio)))
    assert thinned.index.is_monotonic_increasing
    assert (targets[thinned.index] == thinned).all()


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("colums", {}, "did you mean columns"),
    ("rows", {}, "transform rows: missing a required argument: 'count'"),
    ("rows", {"count": 2.5}, "whole number"),
    ("rows", {"count": 0}, "choose a number from 1"),
    ("missing", {"rate": "much"}, "cannot be 'much'"),
    ("missing", {"rate": 0.1, "columns": ["none"]}, "no column 'none'"),
    ("missing", {"rate": 0.1, "colums": []}, "unexpected keyword argument 'colums'"),
    ("columns", {"keep": "p00"}, "give a list"),
    ("classes", {"keep": ["11"]}, "no label '11'"),
    ("relabel", {"labels": ["1"]}, "give a mapping"),
    ("occlude", {"size": 8}, "from 1 to 7"),
    ("drop_words", {"rate": 0.1}, "no column 'text'"),
    ("shuffle_words", {"column": "p00"}, "holds no text"),
]


@pytest.mark.parametrize(("name", "options", "message"), WRONG)
def test_wrong_steps_are_refused(digits: pd.DataFrame, name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        _table(digits, name, **options)


@pytest.mark.parametrize(
    ("name", "options", "numbers"),
    [
        ("label_noise", {"rate": 0.1}, True),
        ("imbalance", {"ratio": 2}, True),
        ("target_outliers", {"rate": 0.1, "scale": 2}, False),
        ("label_noise", {"rate": 1.5}, False),
    ],
)
def test_wrong_training_steps_are_refused(name: str, options: dict[str, Any], numbers: bool) -> None:
    targets = pd.Series([1.0, 2.0] * 9) if numbers else pd.Series(["a", "b"] * 9, dtype=object)
    with pytest.raises(InputError):
        _train(targets, name, **options)


def test_text_alone_has_no_numeric_feature(words: pd.DataFrame) -> None:
    with pytest.raises(InputError, match="no numeric feature"):
        _table(words[["text", "y"]], "outliers", target="y", rate=0.1, scale=1.0)


def test_every_step_is_documented_and_has_one_stage() -> None:
    assert not set(TABLE_STEPS) & set(TRAIN_STEPS)
    assert all(step.__doc__ for step in (TABLE_STEPS | TRAIN_STEPS).values())
