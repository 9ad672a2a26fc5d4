"""Finds test targets in files that an agent can read, whatever the file calls itself."""

from __future__ import annotations

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

AGREEMENT = 0.98
"""Share of test rows that a column has to give away before it counts as the labels."""
_TOKEN = re.compile(r"[^\s,;:\[\](){}\"']+")


def find_leak(files: Mapping[str, bytes], ids: Sequence[str], targets: Sequence[str]) -> str:
    """Searches files for the targets of the test rows.

    Two forms are found: a delimited table in which one column names test ids and another one gives their targets,
    under the same names or renamed one to one; and all targets in the order of the test rows, alone or each after its
    id, in any text.

    Args:
        files: Content by name.
        ids: Ids of the test rows.
        targets: Their targets as text, in the same order.

    Returns:
        One line that names the file, or an empty text.
    """
    normal = [_normal(target) for target in targets]
    truth = dict(zip(ids, normal, strict=True))
    if not _varies(normal):
        return ""
    sequences = [_tokens(" ".join(targets)), _tokens(" ".join(f"{key} {truth[key]}" for key in ids))]
    for name, content in files.items():
        text = content.decode("utf-8", "replace")
        tokens = _tokens(text)
        if any(sequence in tokens for sequence in sequences):
            return f"{name} lists the targets in the order of the test rows"
        for delimiter in {",", "\t", ";"} & set(text.partition("\n")[0]):
            column = _revealing_column(text, delimiter, truth)
            if column:
                return f"{name} gives the targets of test ids in {column}"
    return ""


def _tokens(text: str) -> str:
    """Words and numbers in one spelling, whatever stands between them."""
    return "\0".join(map(_normal, _TOKEN.findall(text)))


def _revealing_column(text: str, delimiter: str, truth: Mapping[str, str]) -> str:
    try:
        rows = [row for row in csv.reader(text.splitlines(), delimiter=delimiter) if len(row) > 1]
    except csv.Error:
        return ""
    if not rows:
        return ""
    width = Counter(map(len, rows)).most_common(1)[0][0]
    rows = [row for row in rows if len(row) == width]
    header = rows[0]
    for key in range(width):
        found = [(row, truth[row[key].strip()]) for row in rows if row[key].strip() in truth]
        distinct = {row[key].strip() for row, _ in found}
        if len(distinct) < AGREEMENT * len(truth):
            continue
        for column in range(width):
            if column != key and gives_away([(_normal(row[column]), target) for row, target in found]):
                return f"column {header[column][:40]!r}"
    return ""


def gives_away(pairs: Sequence[tuple[str, str]]) -> bool:
    """Whether values are the targets, or stand for them: few values, each with one target.

    Args:
        pairs: A value and the target of the same row, for every row.
    """
    if np.mean([value == target for value, target in pairs]) >= AGREEMENT:
        return True
    by_value: dict[str, Counter[str]] = defaultdict(Counter)
    for value, target in pairs:
        by_value[value][target] += 1
    named = sum(counts.most_common(1)[0][1] for counts in by_value.values())
    few = len(by_value) <= 2 * len({target for _, target in pairs}) <= len(pairs) / 2
    return few and named >= AGREEMENT * len(pairs)


def _varies(targets: Sequence[str]) -> bool:
    """Whether no constant would agree as well: else agreement would show nothing."""
    return Counter(targets).most_common(1)[0][1] < AGREEMENT * len(targets)


def _normal(text: str) -> str:
    """One spelling for equal numbers."""
    text = text.strip()
    try:
        return repr(float(text))
    except ValueError:
        return text
