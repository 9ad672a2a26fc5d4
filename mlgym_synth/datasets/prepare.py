"""From a recipe to the files of its task: load, transform, split, write, check."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlgym_synth.datasets import store
from mlgym_synth.datasets.canonical import Table, join_lines, to_fields, to_lines
from mlgym_synth.datasets.sources import load_source, revision
from mlgym_synth.datasets.split import split_rows
from mlgym_synth.datasets.target import TargetKind, usable_rows
from mlgym_synth.datasets.transforms import apply_to_table, apply_to_train
from mlgym_synth.errors import DataError, InputError
from mlgym_synth.files import sha256
from mlgym_synth.tasks.recipe import CsvSubmission, Data, Recipe, Source, Split, Transform

FORMAT = 1
"""Raise it when the same recipe comes to mean other bytes."""


@dataclass(frozen=True)
class Labels:
    """The hidden targets, in the order of `test.csv`."""

    ids: list[str]
    targets: list[str]
    """As they are written; numbers, too."""
    public: np.ndarray
    """Shape (rows,), bool: rows that `validate` scores."""


@dataclass(frozen=True)
class Prepared:
    """Prepared data in the cache."""

    folder: Path

    @property
    def public(self) -> Path:
        """Folder with `train.csv` (id, features, target) and `test.csv` (id, features)."""
        return self.folder / "public"

    @property
    def labels_path(self) -> Path:
        """The hidden `labels.csv` (id, target, part). Never to be shown to an agent."""
        return self.folder / "hidden" / "labels.csv"

    def labels(self) -> Labels:
        """Reads the hidden targets."""
        with self.labels_path.open(encoding="utf-8", newline="") as stream:
            ids, targets, parts = zip(*list(csv.reader(stream))[1:], strict=True)
        return Labels(list(ids), list(targets), np.array(parts) == "public")


def make_data(
    source: str,
    options: dict[str, Any],
    transforms: Sequence[Transform],
    target: str,
    target_kind: TargetKind,
    split: Split,
) -> tuple[Data, Prepared]:
    """Makes the data of a new task.

    Args:
        source: Name of the source; see `load_source`.
        options: Options of the source. A user's file is copied into the cache, so that it may move.
        transforms: Steps between source and split.
        target: The column to predict.
        target_kind: What it is taken for.
        split: Salt and sizes.

    Returns:
        The recipe's data with the source's revision and the hash of every file; and the files.

    Raises:
        InputError: If the choices do not fit the table.
    """
    if source.startswith("file/"):
        from mlgym_synth.datasets.user_files import pin_file

        options = pin_file(options)
    table = load_source(source, options)
    pinned = Source(name=source, options=options, licence=table.licence, revision=revision(table))
    data = Data(source=pinned, transforms=list(transforms), target=target, split=split)
    contents = _contents(table, data, target_kind)
    hashes = {name: sha256(content) for name, content in contents.items()}
    folder = store.put(_key(data, target_kind), contents)
    return data.model_copy(update={"files": hashes}), Prepared(folder)


def prepare(recipe: Recipe) -> Prepared:
    """The files of a recipe, from the store or made anew.

    Raises:
        InputError: If the task has no data, or the cache cannot be written.
        DataError: If the source or the files made from it are not those that the recipe names.
    """
    data = recipe.data
    if data is None or not isinstance(recipe.submission, CsvSubmission):
        raise InputError(f"the task {recipe.id} has no data to prepare", "name a task with predictions in a table")
    kind = recipe.submission.target_kind
    key = _key(data, kind)
    stored = store.find(key, data.files)
    if stored:
        return Prepared(stored)
    table = load_source(data.source.name, data.source.options)
    found = revision(table)
    if found != data.source.revision:
        raise DataError(
            f"the source {data.source.name} is {found} but the recipe of {recipe.id} was made from "
            f"{data.source.revision}",
            "install the version of the package that the suite was made with, or synthesise the suite again",
        )
    contents = _contents(table, data, kind)
    for name, content in contents.items():
        if sha256(content) != data.files.get(name):
            raise DataError(
                f"{name} of {recipe.id} has the sha256 {sha256(content)} but its recipe says {data.files.get(name)}",
                "restore the recipe, or use the version of mlgym-synth that the suite was made with",
            )
    return Prepared(store.put(key, contents))


def _key(data: Data, kind: TargetKind) -> str:
    inputs = {"format": FORMAT, "kind": kind, **data.model_dump(mode="json", exclude={"files"})}
    return sha256(json.dumps(inputs, sort_keys=True).encode())


def _contents(table: Table, data: Data, kind: TargetKind) -> dict[str, bytes]:
    """The bytes of all files.

    Of rows with equal features only the first stays, before the transforms and after: twins on both sides of the
    split would give a label away.
    """
    target, salt = data.target, data.split.salt
    frame, _ = usable_rows(table.frame, target, kind)
    frame = frame[~frame.drop(columns=target).duplicated()]
    frame = apply_to_table(frame, target, data.transforms, salt)
    features = frame.drop(columns=target)
    if features.columns.empty:
        raise InputError("the transforms leave no column besides the target", "keep some in the step columns")
    lines = pd.Series(to_lines(features), dtype=object)
    distinct = ~lines.duplicated().to_numpy()
    frame, lines = frame[distinct].reset_index(drop=True), lines[distinct].reset_index(drop=True)
    parts = split_rows(frame[target], data.split)
    train = apply_to_train(frame[target].iloc[parts.train], data.transforms, salt)
    train_ids = parts.train_ids[np.isin(parts.train, train.index)]
    names = to_fields(pd.Series(["id", *features.columns, target], dtype=object))
    test_fields = to_fields(frame[target].iloc[parts.test])
    return {
        "train.csv": join_lines(",".join(names), _rows(train_ids, lines[train.index], to_fields(train))),
        "test.csv": join_lines(",".join(names[:-1]), _rows(parts.test_ids, lines[parts.test])),
        "labels.csv": join_lines(
            "id,target,part",
            _rows(parts.test_ids, test_fields, ["public" if public else "private" for public in parts.public]),
        ),
    }


def _rows(*columns: Any) -> list[str]:
    return [",".join(map(str, row)) for row in zip(*columns, strict=True)]
