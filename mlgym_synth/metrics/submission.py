"""The parser of submissions: hostile bytes in, an array in the order of the test ids out.

This file is also emitted whole into `evaluate.py`, so it needs numpy and the standard library alone, and has
no `from __future__` line, which could stand only at the head of the file it is pasted into.
"""

import csv
import io
import math
from typing import Literal

import numpy as np

BYTES_PER_ROW = 1024
LARGEST_NUMBER = 1e100  # squares and sums of so large numbers still are finite


class SubmissionError(ValueError):
    """The submission cannot be scored; the message is one line and tells its author what to mend."""


def parse_submission(
    content: bytes,
    ids: list[str],
    id_column: str,
    target_column: str,
    kind: Literal["label", "number"],
    labels: list[str],
) -> np.ndarray:
    """Reads a table of predictions.

    A byte order mark, CRLF, either order of the two columns, and whole numbers written as `1.0` are accepted.

    Args:
        content: The bytes of the submitted file.
        ids: Ids of the test rows, in the order of the result.
        id_column: Name of the column of ids.
        target_column: Name of the column of predictions.
        kind: What is predicted.
        labels: All labels that may be predicted; not used for numbers.

    Returns:
        Shape (len(ids),): text for labels, float64 for numbers.

    Raises:
        SubmissionError: For whatever else the bytes may be.
    """
    rows = _rows(_text(content, BYTES_PER_ROW * (len(ids) + 1)))
    if not rows:
        raise SubmissionError(f"the submission is empty: it needs the header {id_column},{target_column}")
    header = [name.strip() for name in rows[0][1]]
    if sorted(header) != sorted([id_column, target_column]):
        found = ",".join(header)
        raise SubmissionError(
            f"the header is {_show(found)} but has to be {id_column},{target_column} "
            "(with pandas: to_csv(..., index=False))"
        )
    id_at, target_at = header.index(id_column), header.index(target_column)
    known_ids, known_labels = set(ids), set(labels)
    found_targets: dict[str, str | float] = {}
    for line, row in rows[1:]:
        if len(row) != 2:
            raise SubmissionError(f"line {line} has {len(row)} fields but has to have 2")
        key = _known(row[id_at], known_ids)
        if key is None:
            raise SubmissionError(f"line {line}: {_show(row[id_at])} is not an id of the test set")
        if key in found_targets:
            raise SubmissionError(f"line {line}: the id {_show(key)} occurs a second time")
        found_targets[key] = (
            _number(row[target_at], line) if kind == "number" else _label(row[target_at], line, known_labels, labels)
        )
    missing = [key for key in ids if key not in found_targets]
    if missing:
        raise SubmissionError(
            f"{len(missing)} of {len(ids)} test ids have no prediction, the first is {_show(missing[0])}"
        )
    return np.array([found_targets[key] for key in ids], dtype=np.float64 if kind == "number" else np.str_)


def _text(content: bytes, limit: int) -> str:
    if len(content) > limit:
        raise SubmissionError(
            f"the submission has {len(content)} bytes, more than the {limit} accepted: "
            "write one short row for every test id"
        )
    if b"\0" in content:
        raise SubmissionError(f"byte {content.index(0)} is NUL: write plain UTF-8 text")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SubmissionError(f"byte {error.start} is not UTF-8: write plain UTF-8 text") from error


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """Line number and fields of every line that is not blank."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        return [(reader.line_num, row) for row in reader if row]
    except csv.Error as error:
        raise SubmissionError(f"line {reader.line_num} is not CSV: {error}") from error


def _known(text: str, known: set[str]) -> str | None:
    """The known spelling of a field: pandas writes 1 as `1.0` once a column held a missing value."""
    stripped = text.strip()
    for spelling in (text, stripped, stripped.removesuffix(".0")):
        if spelling in known:
            return spelling
    return None


def _label(text: str, line: int, known: set[str], labels: list[str]) -> str:
    label = _known(text, known)
    if label is None:
        some = ", ".join(_show(name) for name in labels[:10]) + (", ..." if len(labels) > 10 else "")
        raise SubmissionError(f"line {line}: {_show(text)} is not one of the labels {some}")
    return label


def _number(text: str, line: int) -> float:
    try:
        number = float(text)
    except ValueError as error:
        raise SubmissionError(f"line {line}: {_show(text)} is not a number") from error
    if not math.isfinite(number):
        raise SubmissionError(f"line {line}: {_show(text)} is not a finite number")
    if abs(number) > LARGEST_NUMBER:
        raise SubmissionError(f"line {line}: {_show(text)} is too large a number")
    return number


def _show(text: str) -> str:
    """A field as it may stand in a message: quoted, on one line, and short."""
    return repr(text if len(text) <= 40 else text[:40] + "...")
