"""What a target column has to be so that a task can be made of it."""

from __future__ import annotations

import difflib
from typing import Literal

import numpy as np
import pandas as pd

from mlgym_synth.datasets.canonical import format_number, is_text
from mlgym_synth.errors import InputError

TargetKind = Literal["label", "number"]

ROWS_PER_CLASS = 8
"""Rows of rarer classes are left out: a class has to occur in the training, the public and the private part."""
MOST_CLASSES_OF_INTEGERS = 20
LARGEST_TARGET = 1e100


def infer_target_kind(column: pd.Series) -> TargetKind:
    """Label if the column is text or holds at most 20 distinct whole numbers, else number.

    Args:
        column: A canonical column.
    """
    if is_text(column):
        return "label"
    present = column.dropna()
    whole = bool((present % 1 == 0).all())
    return "label" if whole and present.nunique() <= MOST_CLASSES_OF_INTEGERS else "number"


def usable_rows(frame: pd.DataFrame, target: str, kind: TargetKind) -> tuple[pd.DataFrame, list[str]]:
    """The rows and columns that a task can use.

    Left out are rows without a target, rows of classes with fewer than 8 rows, and a column named `id`, because the
    prepared data has ids of its own.

    Args:
        frame: A canonical table.
        target: Name of its target column.
        kind: What the target is to be taken for.

    Returns:
        The table, its target as text for labels and float64 for numbers; and a line for everything left out.

    Raises:
        InputError: If no task can be made of the table; one line that says why.
    """
    if target not in frame.columns:
        near = difflib.get_close_matches(target, list(frame.columns), n=1, cutoff=0.3)
        remedy = f"did you mean {near[0]}?" if near else "columns: " + ", ".join(list(frame.columns)[:20])
        raise InputError(f"the table has no column {target!r}", remedy)
    if target == "id":
        raise InputError("the target column cannot be named id", "rename the column")
    notes = []
    if "id" in frame.columns:
        frame = frame.drop(columns="id")
        notes.append("the column id is left out: rows get ids of their own")
    if len(frame.columns) < 2:
        raise InputError(f"the table has no column besides the target {target!r}", "add columns to predict it from")
    values = _labels(frame[target]) if kind == "label" else _numbers(frame[target])
    frame = frame.assign(**{target: values})
    frame = _drop(frame, values.notna(), f"have no {target}", notes)
    if kind == "label":
        counts = frame[target].value_counts()
        if not (counts >= ROWS_PER_CLASS).any():
            raise InputError(
                f"no class of {target!r} has {ROWS_PER_CLASS} rows",
                "choose another target; a number has to be written without currency or thousands separators",
            )
        enough = frame[target].map(counts) >= ROWS_PER_CLASS
        frame = _drop(frame, enough, f"are of a class with fewer than {ROWS_PER_CLASS} rows", notes)
    if frame[target].nunique() < 2:
        raise InputError(f"the target {target!r} has only one value", "choose another target")
    _refuse_copies(frame, target)
    return frame, notes


def _labels(column: pd.Series) -> pd.Series:
    """Labels as text; numbers in the spelling in which pandas reads them back and writes them again."""
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.notna().sum() == column.notna().sum():
        texts = [format_number(float(value)) or None for value in numbers]
    else:
        texts = [text.strip() or None if text is not None else None for text in column]
    return pd.Series(texts, index=column.index, dtype=object)


def _numbers(column: pd.Series) -> pd.Series:
    if is_text(column):
        example = next((text for text in column if text is not None), "")
        raise InputError(
            f"the target {column.name!r} is not numeric, it holds {example[:40]!r}",
            "choose a metric for labels, or another target",
        )
    numbers = column.astype(np.float64)
    if (numbers.abs() > LARGEST_TARGET).any():
        raise InputError(f"the target {column.name!r} holds numbers above 1e100", "rescale it")
    return numbers


def _drop(frame: pd.DataFrame, keep: pd.Series, why: str, notes: list[str]) -> pd.DataFrame:
    dropped = len(frame) - int(keep.sum())
    if dropped * 2 > len(frame):
        raise InputError(f"{dropped} of {len(frame)} rows {why}", "complete the target, or choose another")
    if dropped:
        notes.append(f"{dropped} of {len(frame)} rows {why} and are left out")
    return frame[keep].reset_index(drop=True)


def _refuse_copies(frame: pd.DataFrame, target: str) -> None:
    """Refuses a table in which one column alone gives the target away."""
    truth = frame[target]
    codes, classes = pd.factorize(truth)
    coarse = len(classes) * 2 <= len(frame)
    for name in frame.columns.drop(target):
        column = frame[name]
        if column.isna().any():
            continue
        copied = False
        if not is_text(truth) and not is_text(column):
            x, y = column.to_numpy(np.float64), truth.to_numpy()
            x, y = x - x.mean(), y - y.mean()
            spread = np.sqrt((x * x).sum()) * np.sqrt((y * y).sum())
            copied = bool(spread > 0 and abs((x * y).sum()) / spread > 1 - 1e-12)
        if not copied and coarse:
            # factorize numbers values by first occurrence, so one-to-one columns get equal codes
            copied = bool(np.array_equal(pd.factorize(column)[0], codes))
        if copied:
            raise InputError(f"the column {name!r} is a copy of the target {target!r}", "remove the column")
