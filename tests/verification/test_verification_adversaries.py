"""Data that give the target away, one way each, and the adversary that finds it."""

from __future__ import annotations

import csv
import io
import random
from pathlib import Path

import pytest

from mlgym_synth.tasks.certificate import Anchors
from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.verification.adversaries import adversarial_submissions, check_adversaries, check_disguise

ANCHORS = Anchors(metric="accuracy", direction="max", floor=0.4, baseline=0.6, reference=0.8)


class Tables:
    """Train and test tables of digits, sound until a test spoils them."""

    def __init__(self) -> None:
        draw = random.Random(0)
        ids = draw.sample(range(10_000), 600)
        self.rows = [[str(key), repr(draw.random()), str(draw.randrange(10)), ""] for key in ids]
        for row in self.rows:
            row[3] = str(draw.randrange(10))

    def write(self, folder: Path) -> dict[str, str]:
        for name, rows, width in (("train.csv", self.rows[:400], 4), ("test.csv", self.rows[400:], 3)):
            with (folder / name).open("w", newline="") as stream:
                csv.writer(stream).writerows([["id", "x", "y", "digit"][:width], *(row[:width] for row in rows)])
        return {row[0]: row[3] for row in self.rows[400:]}


def accuracies(task, folder, truth):
    scores = {}
    for name, content in adversarial_submissions(task, folder).items():
        rows = list(csv.DictReader(io.StringIO(content.decode())))
        assert [row["id"] for row in rows] == list(truth)
        scores[name] = sum(truth[row["id"]] == row["digit"] for row in rows) / len(rows)
    return scores


@pytest.fixture
def task(csv_files, store):
    return store(csv_files)


def test_sound_data_leave_all_at_chance(task, tmp_path):
    truth = Tables().write(tmp_path)
    scores = accuracies(task, tmp_path, truth)
    assert check_adversaries(scores, ANCHORS).verdict is Verdict.PASS
    assert check_disguise(task, tmp_path, truth).verdict is Verdict.PASS


def by_id(tables):
    for row in tables.rows:
        row[3] = str(int(row[0]) // 1000)


def by_order(tables):
    for part in (tables.rows[:400], tables.rows[400:]):
        for place, row in enumerate(part):
            row[3] = str(min(9, place * 10 // len(part)))


def descending(tables):
    by_order(tables)
    tables.rows[400:] = tables.rows[400:][::-1]


def duplicated(tables):
    for place in range(400, 600):
        tables.rows[place][1:] = tables.rows[place - 300][1:]


@pytest.mark.parametrize(
    ("spoil", "adversary"),
    [
        (by_id, "neighbouring id"),
        (by_order, "row order"),
        (by_order, "ascending targets"),
        (descending, "descending targets"),
        (duplicated, "join with training rows"),
    ],
)
def test_each_gift_is_found(task, tmp_path, spoil, adversary):
    tables = Tables()
    spoil(tables)
    scores = accuracies(task, tmp_path, tables.write(tmp_path))
    check = check_adversaries(scores, ANCHORS)
    assert check.verdict is Verdict.FAIL
    assert adversary in check.detail


def test_lower_is_better_where_the_metric_says_so():
    anchors = ANCHORS.model_copy(update={"direction": "min"})
    assert check_adversaries({"row order": 0.5}, anchors).verdict is Verdict.PASS
    assert check_adversaries({"row order": 0.3}, anchors).verdict is Verdict.FAIL


def test_renamed_labels_are_found(task, tmp_path):
    tables = Tables()
    for row in tables.rows:
        row[2] = "abcdefghij"[int(row[3])]
    check = check_disguise(task, tmp_path, tables.write(tmp_path))
    assert (check.verdict, "'y'" in check.detail) == (Verdict.FAIL, True)


@pytest.mark.parametrize("unit", [lambda x: 1.8 * x + 32, lambda x: -(x**3), lambda x: round(x, 4)])
def test_numbers_in_another_unit_are_found(task, tmp_path, unit):
    recipe = task.recipe
    submission = recipe.submission.model_copy(update={"target_kind": "number", "labels": []})
    task.files.__dict__["recipe"] = recipe.model_copy(update={"submission": submission})
    tables = Tables()
    for row in tables.rows:
        row[3] = repr(random.Random(row[0]).random())
        row[2] = repr(unit(float(row[3])))
    tables.rows[450][2] = ""
    check = check_disguise(task, tmp_path, tables.write(tmp_path))
    assert (check.verdict, "'y'" in check.detail) == (Verdict.FAIL, True)
