"""Whether a task is a copy of one of MLGym's: those measure whether training helped, so nothing may train on them.

The facts that ship with the package (names of data sets and columns, names of games) find copies anywhere. Where
`MLGYM_ROOT` names a checkout, its tables are compared by value as well, so that renamed columns are found.
"""

from __future__ import annotations

import csv
import functools
import os
import re
from collections.abc import Iterable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from mlgym_synth.tasks.certificate import Check
from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.tasks.suite import Task
from mlgym_synth.tasks.yaml_files import read_yaml

ROOT_VARIABLE = "MLGYM_ROOT"
SHARED_COLUMNS = 0.5
"""Share of a task's columns that one of MLGym's tables may have as well, if there are at least `FEWEST_COLUMNS`."""
FEWEST_COLUMNS = 3
SAME_VALUES = 0.9
"""Share of a column's values that lie in another one, from which on it is taken for the other's: a part of its rows."""
FEWEST_VALUES = 20
"""Columns with fewer values look alike without being the same."""

_FACTS = Path(__file__).parent / "files" / "mlgym_facts.yaml"


class Fact(BaseModel):
    """By what a copy of one task of MLGym is known."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    task: str
    data: list[str] = []
    """Names of its data set, squeezed."""
    columns: list[str] = []
    phrases: list[str] = []
    """Names that a description uses for nothing else, in lower case."""


def check_decontamination(task: Task, data: Path | None) -> Check:
    """Compares a task with MLGym's.

    Args:
        task: The task.
        data: Folder with `train.csv`; None where the submission is code.
    """
    columns = {} if data is None else _columns(data / "train.csv")
    columns.pop(getattr(task.recipe.submission, "id_column", ""), None)
    for fact in mlgym_facts():
        likeness = _likeness(task, set(columns), fact)
        if likeness:
            return Check(name="decontamination", verdict=Verdict.FAIL, detail=f"{likeness} of MLGym's {fact.task}")
    root = os.environ.get(ROOT_VARIABLE)
    for path, sketches in _checkout_sketches(root).items() if root and columns else ():
        same = [name for name, sketch in _sketches(columns).items() if _is_among(sketch, sketches)]
        if _too_many(len(same), len(columns)):
            detail = f"columns {', '.join(same)} have the values of {path}"
            return Check(name="decontamination", verdict=Verdict.FAIL, detail=detail)
    compared = "by name and by value" if root and columns else "by name"
    return Check(name="decontamination", verdict=Verdict.PASS, detail=f"no task of MLGym's, compared {compared}")


@functools.cache
def mlgym_facts() -> tuple[Fact, ...]:
    """What is known of MLGym's tasks without its checkout."""
    return tuple(Fact.model_validate(fact) for fact in read_yaml(_FACTS))


def _likeness(task: Task, columns: set[str], fact: Fact) -> str:
    source = task.recipe.data.source if task.recipe.data else None
    names = {_squeezed(part) for part in source.name.split("/")} if source else set()
    if names & set(fact.data):
        return f"{source.name if source else ''} is the data set"
    shared = {_squeezed(name) for name in columns} & {_squeezed(name) for name in fact.columns}
    if _too_many(len(shared), len(columns)):
        return f"{len(shared)} of {len(columns)} columns are those"
    text = f" {' '.join(re.findall('[a-z]+|[0-9]+', task.description.lower()))} "
    phrase = next((phrase for phrase in fact.phrases if f" {phrase} " in text), "")
    return f"the description names the {phrase!r}" if phrase else ""


def _too_many(shared: int, columns: int) -> bool:
    return shared >= FEWEST_COLUMNS and shared >= SHARED_COLUMNS * columns


def _squeezed(name: str) -> str:
    return "".join(re.findall("[a-z0-9]+", name.lower()))


def _columns(path: Path) -> dict[str, list[str]]:
    """Columns of a table by name; none if it is no regular table, as files of a checkout need not be."""
    with path.open(encoding="utf-8", errors="replace", newline="") as stream:
        rows = [row for row in csv.reader(stream) if row]
    if len(rows) < FEWEST_VALUES or len({len(row) for row in rows}) != 1:
        return {}
    return dict(zip(rows[0], map(list, zip(*rows[1:], strict=True)), strict=True))


def _sketches(columns: dict[str, list[str]]) -> dict[str, frozenset[str]]:
    sketches = {name: frozenset(map(_value, values)) for name, values in columns.items()}
    return {name: sketch for name, sketch in sketches.items() if len(sketch) >= FEWEST_VALUES and not _counts(sketch)}


def _counts(sketch: frozenset[str]) -> bool:
    """Whether the values only number the rows, as those of many tables do."""
    if not all(re.fullmatch(r"\d+\.0", value) for value in sketch):
        return False
    numbers = [float(value) for value in sketch]
    return max(numbers) - min(numbers) == len(numbers) - 1


def _value(text: str) -> str:
    try:
        return repr(float(text))
    except ValueError:
        return text.strip()


def _is_among(sketch: frozenset[str], others: Iterable[frozenset[str]]) -> bool:
    return any(len(sketch & other) >= SAME_VALUES * len(sketch) for other in others)


@functools.cache
def _checkout_sketches(root: str) -> dict[str, list[frozenset[str]]]:
    folder = Path(root) / "data"
    tables = {str(path.relative_to(root)): _columns(path) for path in sorted(folder.rglob("*.csv"))}
    return {path: list(_sketches(columns).values()) for path, columns in tables.items()}
