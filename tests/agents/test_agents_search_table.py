"""The search script as an agent runs it: as a program, in a folder with the files of a task."""

from __future__ import annotations

import math
import os
import re
import runpy
import subprocess
import sys
import time
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.neighbors import KNeighborsClassifier

SCRIPT = resources.files("mlgym_synth.agents") / "files" / "search_table.py"


def search(
    folder: Path, frame: pd.DataFrame, metric: str, *, train_rows: int, seed: int = 0, seconds: float = 1.5
) -> tuple[pd.DataFrame, pd.Series, str]:
    """Runs the script on a table with a column `target`; returns submission, hidden targets and output."""
    frame = frame.assign(id=[f"r{number}" for number in range(len(frame))])
    test = frame[train_rows:]
    (folder / "data").mkdir(parents=True)
    frame[:train_rows].to_csv(folder / "data" / "train.csv", index=False)
    test.drop(columns="target").to_csv(folder / "data" / "test.csv", index=False)
    first = frame["target"].iloc[0]
    test[["id"]].assign(target=first).to_csv(folder / "sample_submission.csv", index=False)
    result = subprocess.run(
        [sys.executable, str(SCRIPT), "--metric", metric, "--seconds", str(seconds)],
        cwd=folder,
        env={**os.environ, "MLGYM_SEED": str(seed), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    submission, blend = (
        pd.read_csv(folder / name, dtype={"target": frame["target"].dtype}) for name in ("submission.csv", "blend.csv")
    )
    for table in (submission, blend):
        assert list(table.columns) == ["id", "target"]
        assert list(table["id"]) == list(test["id"])
        assert table["target"].notna().all()
    return submission, test["target"].reset_index(drop=True), result.stdout


def test_learns_labels_from_numbers_categories_and_dates(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    n = 300
    day = pd.Timestamp("2020-01-06") + pd.to_timedelta(random.integers(0, 700, n), unit="D")
    colour = random.choice(["red", "green", "blue"], n)
    number = random.normal(size=n)
    weekend = pd.DatetimeIndex(day).day_of_week >= 5
    target = np.where(weekend, "weekend", np.where(number + (colour == "red") > 0, "high", "low"))
    frame = pd.DataFrame({"day": day.strftime("%Y-%m-%d"), "colour": colour, "number": number, "target": target})
    submission, truth, output = search(tmp_path, frame, "macro_f1", train_rows=200, seconds=3)
    assert (submission["target"] == truth).mean() > 0.8, output


def test_learns_numbers_with_missing_cells(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    features = random.normal(size=(300, 5))
    target = 3 * features[:, 0] - 2 * features[:, 1] + random.normal(scale=0.1, size=300)
    frame = pd.DataFrame(features, columns=list("abcde")).mask(random.random((300, 5)) < 0.05)
    submission, truth, output = search(tmp_path, frame.assign(target=target), "rmse", train_rows=200)
    error = float(np.sqrt(np.mean((submission["target"] - truth) ** 2)))
    assert error < 0.6 * truth.std(), output


def test_learns_from_text(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    words = {"sea": ["wave", "salt", "harbour", "tide"], "hill": ["rock", "goat", "summit", "snow"]}
    shared = ["the", "a", "over", "under", "near", "with"]
    target = random.choice(list(words), 200)
    text = [" ".join(random.choice([*words[label], *shared], 9)) for label in target]
    frame = pd.DataFrame({"text": text, "target": target})
    submission, truth, output = search(tmp_path, frame, "accuracy", train_rows=120)
    assert (submission["target"] == truth).mean() > 0.9, output


def test_sees_an_image_in_numbered_columns(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    label = random.integers(0, 2, 240)
    pixels = random.integers(0, 255, (240, 36)) * 0.5
    pixels[label == 1, 10:16] += 100
    frame = pd.DataFrame(pixels, columns=[f"pixel_{at // 6}_{at % 6}" for at in range(36)])
    submission, truth, output = search(
        tmp_path, frame.assign(target=label.astype(str)), "balanced_accuracy", train_rows=160
    )
    assert "'image': 36" in output
    assert (submission["target"] == truth).mean() > 0.9, output


def test_ordered_labels_keep_their_spelling(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    grade = random.integers(8, 12, 200)
    frame = pd.DataFrame({"x": grade + random.normal(scale=0.3, size=200), "target": grade.astype(str)})
    submission, truth, output = search(tmp_path, frame, "quadratic_kappa", train_rows=120)
    assert set(submission["target"]) <= {"8", "9", "10", "11"}
    assert (submission["target"] == truth).mean() > 0.7, output


@pytest.mark.parametrize(
    ("metric", "columns"),
    [
        ("accuracy", {"empty": [None] * 90, "x": list(range(90))}),
        ("rmse", {"empty": [None] * 90}),
        ("mae", {"constant": [7] * 90, "infinite": [np.inf, 1.0, -np.inf] * 30}),
        ("spearman", {"constant": ["same"] * 90, "x": list(range(90))}),
        ("macro_f1", {"code": [f"only once {at}" for at in range(90)]}),
        ("mcc", {"text": ["", "one two three four five", "a b c d e f"] * 30, "date": ["2020-13-45"] * 90}),
        ("median_ae", {"mixed": ["1", "two", None] * 30}),
    ],
)
def test_odd_tables_of_sixty_rows_yield_a_submission(tmp_path: Path, metric: str, columns: dict[str, list]) -> None:  # type: ignore[type-arg]
    random = np.random.default_rng(5)
    labels = metric in ("accuracy", "macro_f1", "mcc")
    target = random.choice(["a", "b", "c"], 90) if labels else random.normal(size=90)
    frame = pd.DataFrame(columns).assign(target=target)
    search(tmp_path, frame, metric, train_rows=60, seconds=0.5)


@pytest.mark.parametrize("target", [["a"] * 90, ["a"] * 59 + ["b"] * 31, ["rare", *["a", "b"] * 44, "a"]])
def test_classes_that_are_missing_from_folds(tmp_path: Path, target: list[str]) -> None:
    frame = pd.DataFrame({"x": np.arange(90.0), "y": np.arange(90) % 7, "target": target})
    search(tmp_path, frame, "balanced_accuracy", train_rows=60, seconds=0.5)


def noise(rows: int) -> pd.DataFrame:
    random = np.random.default_rng(6)
    frame = pd.DataFrame(random.normal(size=(rows, 5)), columns=list("vwxyz"))
    return frame.assign(target=random.choice(list("abc"), rows))


def test_without_time_nothing_is_scored_and_a_constant_is_submitted(tmp_path: Path) -> None:
    submission, _, output = search(tmp_path, noise(300), "accuracy", train_rows=200, seconds=0)
    assert re.search(r"^0 of [1-9]\d* candidates scored", output, re.MULTILINE), output
    assert submission["target"].nunique() == 1


def test_the_deadline_stops_a_candidate_between_folds() -> None:
    script = runpy.run_path(str(SCRIPT))
    frame, values = pd.DataFrame({"x": np.arange(60.0)}), np.arange(60) % 2
    with pytest.raises(TimeoutError):
        script["cross_validate"](DummyClassifier(), frame, values, "accuracy", time.monotonic() - 1)


def test_the_seed_decides_candidates_and_folds(monkeypatch: pytest.MonkeyPatch) -> None:
    def first_scores(seed: int) -> tuple[list[str], float]:
        monkeypatch.setenv("MLGYM_SEED", str(seed))
        script = runpy.run_path(str(SCRIPT))
        table = noise(120)
        kinds = {"number": list("vwxyz"), "category": [], "text": [], "image": []}
        pool = script["candidates"](kinds, "accuracy")
        frame, values = table[list("vwxyz")], pd.factorize(table["target"])[0]
        model = KNeighborsClassifier(3)
        return list(pool), script["cross_validate"](model, frame, values, "accuracy", math.inf)[0]

    one, again, two = first_scores(1), first_scores(1), first_scores(2)
    assert one == again
    assert one[0] != two[0] and one[1] != two[1]
