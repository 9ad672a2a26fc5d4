"""One form for every table, and one way to write it, so that the same recipe gives the same bytes everywhere."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from pandas.api import types

SIGNIFICANT = 6
"""Digits of a written number: far fewer than those in which two builds of a mathematics library differ."""


@dataclass(frozen=True)
class Table:
    """A loaded table and what may be said about it."""

    frame: pd.DataFrame
    licence: str
    """SPDX identifier, or `unknown` for a user's own table."""
    description: str
    """What the rows are, for the text of a task."""
    notes: list[str] = field(default_factory=list)
    """What was left out while reading, and why."""


def canonical(frame: pd.DataFrame) -> pd.DataFrame:
    """The same table with columns of int64, float64 (missing: NaN) or text (dtype object, missing: None)."""
    columns = {str(name): _canonical_column(frame.iloc[:, place]) for place, name in enumerate(frame.columns)}
    return pd.DataFrame(columns)


def is_text(column: pd.Series) -> bool:
    """Whether a canonical column holds text; else it holds numbers."""
    return bool(column.dtype == object)


def to_csv(frame: pd.DataFrame) -> bytes:
    r"""Writes a canonical table: UTF-8, '\n', minimal quoting, numbers rounded, whole numbers without a point."""
    header = ",".join(_quoted(str(name)) for name in frame.columns)
    return join_lines(header, to_lines(frame))


def join_lines(header: str, lines: list[str]) -> bytes:
    """A header and lines as the bytes of a file."""
    return ("\n".join([header, *lines]) + "\n").encode()


def to_lines(frame: pd.DataFrame) -> list[str]:
    """The rows of a canonical table as lines of CSV."""
    return [",".join(row) for row in zip(*(to_fields(frame[name]) for name in frame.columns), strict=True)]


def to_fields(column: pd.Series) -> list[str]:
    """The cells of a canonical column as fields of CSV; a missing cell is an empty field."""
    if is_text(column):
        return [_quoted(value) if isinstance(value, str) else "" for value in column.tolist()]
    if types.is_integer_dtype(column.dtype):
        return [str(value) for value in column.tolist()]
    return [format_number(value) for value in column.tolist()]


def format_number(value: float) -> str:
    """A number as it is written: six significant digits, whole numbers exactly, nothing for NaN."""
    if value != value:
        return ""
    if value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return f"{value:.{SIGNIFICANT}g}"


def _quoted(text: str) -> str:
    if text == "" or any(mark in text for mark in ',"\n\r') or text != text.strip():
        return '"' + text.replace('"', '""') + '"'
    return text


def _canonical_column(column: pd.Series) -> pd.Series:
    missing = column.isna().to_numpy()
    if types.is_bool_dtype(column.dtype) or types.is_integer_dtype(column.dtype):
        kind = np.float64 if missing.any() or str(column.dtype).lower() == "uint64" else np.int64
        return pd.Series(column.to_numpy(dtype=kind, na_value=np.nan) if missing.any() else column.to_numpy(kind))
    if types.is_float_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
        return pd.Series(np.where(np.isfinite(values), values, np.nan))
    if types.infer_dtype(column, skipna=True) == "decimal":
        return _canonical_column(column.astype(np.float64))
    texts = [
        None if absent else str(value).replace("\0", "") for value, absent in zip(column.tolist(), missing, strict=True)
    ]
    return pd.Series(texts, dtype=object)
