"""Adversaries of a task: submissions that learn nothing about it, and score only where its data give the target away.

A sound split leaves them at chance: rows are shuffled by a secret salt, ids are dealt out anew, and no test row lies
among the training rows. Each of them has to stay at or below the floor.
"""

from __future__ import annotations

import csv
import statistics
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mlgym_synth.tasks.certificate import Anchors, Check
from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.tasks.recipe import CsvSubmission
from mlgym_synth.tasks.suite import Task
from mlgym_synth.verification.controls import submission_table
from mlgym_synth.verification.leaks import AGREEMENT, gives_away

SAME_ORDER = 0.999
"""Rank correlation from which on a column of numbers is the target in another unit."""


@dataclass(frozen=True)
class _Rows:
    """A prepared table: ids, features as text, and targets where they are shown."""

    ids: list[str]
    columns: dict[str, list[str]]
    targets: list[str]

    @property
    def features(self) -> list[tuple[str, ...]]:
        return list(zip(*self.columns.values(), strict=True)) if self.columns else [()] * len(self.ids)


def adversarial_submissions(task: Task, data: Path) -> dict[str, bytes]:
    """What each adversary hands in, by its name.

    Args:
        task: A task whose submission is a table of predictions.
        data: Folder with `train.csv` and `test.csv`.
    """
    shape, train, test = _read(task, data)
    assert task.recipe.data is not None
    header = (shape.id_column, task.recipe.data.target)
    ascending = sorted(train.targets, key=_sortable)
    predictions = {
        "join with training rows": _joined(train, test, _constant(shape, train.targets)),
        "neighbouring id": _by_id(train, test),
        "row order": _spread(train.targets, len(test.ids)),
        "ascending targets": _spread(ascending, len(test.ids)),
        "descending targets": _spread(ascending[::-1], len(test.ids)),
    }
    return {name: submission_table(header, zip(test.ids, column, strict=True)) for name, column in predictions.items()}


def check_adversaries(scores: Mapping[str, float], anchors: Anchors) -> Check:
    """Whether every adversary stays at or below the floor.

    Args:
        scores: Private score of each adversary.
        anchors: Where the floor is.
    """
    sign = 1.0 if anchors.direction == "max" else -1.0
    better = {name: score for name, score in scores.items() if sign * (score - anchors.floor) > 0}
    if better:
        found = ", ".join(f"{name} {score:.6g}" for name, score in better.items())
        detail = f"better than the floor {anchors.floor:.6g} without learning anything: {found}"
        return Check(name="adversaries", verdict=Verdict.FAIL, detail=detail)
    found = ", ".join(f"{name} {score:.6g}" for name, score in scores.items())
    return Check(name="adversaries", verdict=Verdict.PASS, detail=f"no better than the floor: {found}")


def check_disguise(task: Task, data: Path, targets: Mapping[str, str]) -> Check:
    """Whether no feature of the test rows is the target in disguise: renamed labels, or numbers in another unit.

    Args:
        task: A task whose submission is a table of predictions.
        data: Folder with `train.csv` and `test.csv`.
        targets: Targets of the test rows by id.
    """
    shape, _, test = _read(task, data)
    truth = [targets[key] for key in test.ids]
    for name, values in test.columns.items():
        if shape.target_kind == "label":
            disguised = gives_away(list(zip(values, truth, strict=True)))
        else:
            disguised = _same_order(values, truth)
        if disguised:
            return Check(name="disguise", verdict=Verdict.FAIL, detail=f"column {name!r} is the target in disguise")
    detail = f"none of {len(test.columns)} columns is the target renamed or in another unit"
    return Check(name="disguise", verdict=Verdict.PASS, detail=detail)


def _read(task: Task, data: Path) -> tuple[CsvSubmission, _Rows, _Rows]:
    recipe = task.recipe
    assert isinstance(recipe.submission, CsvSubmission)
    assert recipe.data is not None
    columns = recipe.submission.id_column, recipe.data.target
    return recipe.submission, _read_rows(data / "train.csv", *columns), _read_rows(data / "test.csv", *columns)


def _read_rows(path: Path, id_column: str, target: str) -> _Rows:
    with path.open(encoding="utf-8", newline="") as stream:
        reader = csv.reader(stream)
        names = next(reader)
        columns = dict(zip(names, map(list, zip(*reader, strict=True)), strict=True))
    ids, targets = columns.pop(id_column), columns.pop(target, [])
    return _Rows(ids, columns, targets)


def _constant(shape: CsvSubmission, targets: Sequence[str]) -> str:
    if shape.target_kind == "label":
        return min(Counter(targets).items(), key=lambda item: (-item[1], item[0]))[0]
    return repr(statistics.fmean(map(float, targets)))


def _joined(train: _Rows, test: _Rows, otherwise: str) -> list[str]:
    known = dict(zip(train.features, train.targets, strict=True))
    return [known.get(features, otherwise) for features in test.features]


def _by_id(train: _Rows, test: _Rows) -> list[str]:
    """The target of the training row whose id comes next, as numbers where ids are numbers."""
    ordered = sorted(zip(map(_sortable, train.ids), train.targets, strict=True))
    keys = [key for key, _ in ordered]
    return [ordered[min(bisect_left(keys, _sortable(key)), len(ordered) - 1)][1] for key in test.ids]


def _spread(targets: Sequence[str], rows: int) -> list[str]:
    """Training targets dealt out along the test rows at their relative position."""
    return [targets[row * len(targets) // rows] for row in range(rows)]


def _sortable(text: str) -> tuple[int, float, str]:
    try:
        return (0, float(text), "")
    except ValueError:
        return (1, 0.0, text)


def _same_order(values: Sequence[str], truth: Sequence[str]) -> bool:
    try:
        numbers = np.array([float(value) if value else np.nan for value in values])
    except ValueError:
        return False
    present = np.isfinite(numbers)
    targets = np.array(truth, np.float64)[present]
    ranks = [np.unique(column, return_inverse=True)[1] for column in (numbers[present], targets)]
    if present.mean() < AGREEMENT or any(np.ptp(rank) == 0 for rank in ranks):
        return False
    return bool(abs(np.corrcoef(ranks[0], ranks[1])[0, 1]) >= SAME_ORDER)
