"""The search script as an agent runs it: as a program, in a folder with the files of a task."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

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


def test_the_time_is_kept_and_seeds_differ(tmp_path: Path) -> None:
    random = np.random.default_rng(6)
    frame = pd.DataFrame(random.normal(size=(1500, 20))).assign(target=random.choice(list("abcdefgh"), 1500))
    frame.columns = frame.columns.astype(str)
    counts, rankings = [], []
    for seed in (1, 2):
        *_, output = search(tmp_path / str(seed), frame, "accuracy", train_rows=1000, seed=seed, seconds=0.4)
        scored, total = re.search(r"(\d+) of (\d+) candidates", output).groups()  # type: ignore[union-attr]
        counts.append(int(scored) / int(total))
        rankings.append(re.findall(r"on \d+ rows  (.*)", output))
    assert all(0 < share < 1 for share in counts)
    assert rankings[0] != rankings[1]
