"""Two small sound tasks, from which the tests make broken copies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import pytest

from mlgym_synth.datasets.prepare import make_data
from mlgym_synth.synthesis.assemble import code_task, csv_task
from mlgym_synth.tasks.recipe import CodeSubmission, CsvSubmission, Limits, Scoring, Split
from mlgym_synth.tasks.suite import Task, TaskFiles, write_task

DIGITS = [str(digit) for digit in range(10)]

SCRIPT = """import os

import pandas as pd
from {module} import {model}

train, test = pd.read_csv("data/train.csv"), pd.read_csv("data/test.csv")
columns = test.columns.drop("id")
model = {model}({arguments})
model.fit(train[columns], train["digit"])
pd.DataFrame({{"id": test["id"], "digit": model.predict(test[columns])}}).to_csv("submission.csv", index=False)
"""
BASELINE = SCRIPT.format(
    module="sklearn.tree",
    model="DecisionTreeClassifier",
    arguments='max_depth=4, splitter="random", random_state=int(os.environ["MLGYM_SEED"])',
)
REFERENCE = SCRIPT.format(module="sklearn.neighbors", model="KNeighborsClassifier", arguments='3, weights="distance"')

GUESS = "def guess(history):\n    return {}\n"
JUDGE = """import random

CASES = 40


def judge(part, call):
    secrets = [random.Random(f"{part} {case}").randrange(100) for case in range(CASES)]
    guesses = call("guess", [[{"low": 0, "high": 99, "hint": secret}] for secret in secrets])
    for guess in guesses:
        if not isinstance(guess, int):
            raise ValueError("guess is no whole number")
    return [max(0.0, 1 - abs(guess - secret) / 50) for guess, secret in zip(guesses, secrets)]
"""


@pytest.fixture(scope="session")
def csv_files() -> TaskFiles:
    """Handwritten digits: a shallow tree against nearest neighbours."""
    data, prepared = make_data(
        "sklearn/digits", {}, [], "digit", "label", Split(salt="tests", test_rows=600, public_rows=200)
    )
    return csv_task(
        task_id="tiny-digits",
        family="tiny",
        category="vision",
        title="Tiny digits",
        knobs={},
        goal="Name the digit that each grey image of eight by eight pixels shows.",
        columns="Pixels `p00` to `p63` in reading order, with values from 0 to 16.",
        data=data,
        prepared=prepared,
        submission=CsvSubmission(target_kind="label", labels=DIGITS),
        metric="accuracy",
        baseline=BASELINE,
        reference=REFERENCE,
        limits=Limits(action_seconds=20),
    )


@pytest.fixture(scope="session")
def code_files() -> TaskFiles:
    """Guessing a number that is given away: the baseline is off by some, the reference by little."""
    return code_task(
        task_id="tiny-guess",
        family="tiny",
        category="games",
        title="Tiny guess",
        knobs={},
        goal="Guess the number that the referee has in mind from what the referee says about it.",
        interface="`guess(history)` takes what the referee says and returns a whole number from 0 to 99.",
        submission=CodeSubmission(file="policy.py", functions=["guess"]),
        scoring=Scoring(metric="closeness", direction="max", limit=1.0),
        starter={"policy.py": GUESS.format('history["hint"] - 20')},
        judge=JUDGE,
        reference=GUESS.format('history["hint"] - 1'),
        controls={"zero": GUESS.format("0")},
        limits=Limits(action_seconds=20),
    )


class Store(Protocol):
    """Writes a copy of a task with some of it changed."""

    def __call__(
        self,
        files: TaskFiles,
        starter: Mapping[str, str | None] | None = None,
        hidden: Mapping[str, str | None] | None = None,
        **parts: Any,
    ) -> Task: ...


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Writes a copy of a task into a folder of the test's own; of the files, those given as None are left out."""

    def merged(old: Mapping[str, bytes], new: Mapping[str, str | None] | None) -> dict[str, bytes]:
        added = {name: text.encode() for name, text in (new or {}).items() if text is not None}
        return {name: content for name, content in old.items() if name not in (new or {})} | added

    def write(files, starter=None, hidden=None, **parts):
        changed = replace(files, starter=merged(files.starter, starter), hidden=merged(files.hidden, hidden), **parts)
        return write_task(tmp_path / "suite", changed)

    return write
