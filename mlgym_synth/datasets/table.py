"""Reads a user's CSV or Parquet file; whatever is wrong with it is one clear line."""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections import Counter
from pathlib import Path

import pandas as pd

from mlgym_synth.datasets.canonical import Table, canonical
from mlgym_synth.datasets.target import TargetKind, infer_target_kind, usable_rows
from mlgym_synth.errors import InputError

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar"}
LEAST_ROWS = 50
SAMPLED_LINES = 20


def read_table(path: Path, target: str, target_kind: TargetKind | None = None) -> Table:
    """Reads and checks a user's table.

    Args:
        path: A CSV file (comma, semicolon, tab or bar) in UTF-8, or a Parquet file.
        target: The column to predict.
        target_kind: What the target is to be taken for; inferred if None.

    Returns:
        The usable rows; what was left out is in `notes`.

    Raises:
        InputError: If no task can be made of the file.
    """
    frame = read_frame(read_bytes(path), path.name)
    kind = target_kind or (infer_target_kind(frame[target]) if target in frame.columns else "label")
    frame, notes = usable_rows(frame, target, kind)
    if len(frame) < LEAST_ROWS:
        raise InputError(f"{path.name} has {len(frame)} usable rows", f"a task needs at least {LEAST_ROWS}: add rows")
    return Table(frame, "unknown", f"A table from the user's file {path.name}.", notes)


def read_bytes(path: Path) -> bytes:
    """The bytes of a user's file.

    Raises:
        InputError: If it is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"there is no file {path}", "check the path") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "name a CSV or Parquet file you may read") from error


def read_frame(content: bytes, name: str) -> pd.DataFrame:
    """Parses the bytes of a CSV or Parquet file into a canonical table.

    Args:
        content: The file; Parquet is known by its first bytes.
        name: The file's name, for messages.

    Raises:
        InputError: If the bytes are not a table with distinctly named columns.
    """
    if not content.strip():
        raise InputError(f"{name} is empty", "name a file with a header and rows")
    frame = _parse_parquet(content, name) if content.startswith(b"PAR1") else _parse_csv(content, name)
    repeated = [column for column, count in Counter(map(str, frame.columns)).items() if count > 1]
    if repeated:
        raise InputError(f"{name} has several columns named {repeated[0]!r}", "rename them")
    if frame.empty:
        raise InputError(f"{name} has no rows", "name a file with a header and rows")
    return canonical(frame)


def _parse_parquet(content: bytes, name: str) -> pd.DataFrame:
    from pyarrow import ArrowException

    try:
        frame = pd.read_parquet(io.BytesIO(content))
    except (ArrowException, OSError, ValueError) as error:
        raise InputError(f"{name} is not readable as Parquet: {error}", "write it again, or use CSV") from error
    for column in frame.columns:
        if frame[column].map(lambda cell: hasattr(cell, "__len__") and not isinstance(cell, str | bytes)).any():
            raise InputError(f"{name}: the column {column!r} holds lists", "split it into plain columns")
    return frame


def _parse_csv(content: bytes, name: str) -> pd.DataFrame:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        remedy = f"iconv -f LATIN1 -t UTF-8 {name} > utf8.csv, with the encoding that the file really has"
        raise InputError(f"{name} is not UTF-8 at byte {error.start}", remedy) from error
    if "\0" in text:
        raise InputError(f"{name} holds a NUL character at byte {content.index(0)}", "name a CSV or Parquet file")
    if not text.strip():
        raise InputError(f"{name} is empty", "name a file with a header and rows")
    delimiter, header = _delimiter(text, name)
    if not all(column.strip() for column in header):
        place = next(place for place, column in enumerate(header, 1) if not column.strip())
        raise InputError(f"{name}: column {place} has no name", "name it, or write the file without an index")
    comma_decimals = delimiter == ";" and re.search(r"(^|;)-?\d+,\d+(;|$)", text, re.MULTILINE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # pandas only warns of cut rows
            frame = pd.read_csv(
                io.StringIO(text),
                sep=delimiter,
                decimal="," if comma_decimals else ".",
                index_col=False,
                low_memory=False,
            )
        frame.columns = pd.Index([column.strip() for column in header])
    except (pd.errors.ParserError, pd.errors.ParserWarning, pd.errors.EmptyDataError, ValueError) as error:
        raise InputError(f"{name} is not a table: {error}", "give every row as many fields as the header") from error
    return frame


def _delimiter(text: str, name: str) -> tuple[str, list[str]]:
    """The one delimiter that cuts the header and the next lines into equally many fields, and the header cut by it."""
    headers = {}
    for delimiter in DELIMITERS:
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
        try:
            sample = [row for row, _ in zip(filter(None, reader), range(SAMPLED_LINES), strict=False)]
        except csv.Error:
            continue
        if sample and len(sample[0]) > 1 and all(len(row) == len(sample[0]) for row in sample):
            headers[delimiter] = sample[0]
    if len(headers) > 1:
        found = " and ".join(DELIMITERS[delimiter] for delimiter in headers)
        raise InputError(f"{name} could be separated by {found}", "write it with commas, and quote texts that hold any")
    if not headers:
        raise InputError(
            f"{name} is not a table: its first lines have no equal number of fields",
            "separate at least two columns by comma, semicolon, tab or bar",
        )
    return next(iter(headers.items()))
