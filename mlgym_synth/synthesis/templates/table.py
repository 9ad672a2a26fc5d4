"""The family of a user's own table: its columns of any kind, its target, and tasks that differ in metric and sizes."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from mlgym_synth.datasets.canonical import is_text
from mlgym_synth.datasets.table import LEAST_ROWS, read_table
from mlgym_synth.datasets.target import TargetKind, infer_target_kind
from mlgym_synth.errors import InputError
from mlgym_synth.files import sha256
from mlgym_synth.metrics.registry import get_metric
from mlgym_synth.synthesis.author import Topic
from mlgym_synth.synthesis.templates.csv_drafts import CsvDraft, draft_csv
from mlgym_synth.synthesis.templates.family import Family, Knobs
from mlgym_synth.tasks.suite import TaskFiles

METRICS: dict[TargetKind, list[str]] = {
    "label": ["balanced_accuracy", "macro_f1", "accuracy", "mcc"],
    "number": ["r2", "mae", "rmse", "spearman"],
}
"""What tasks are scored with where the user does not say; the first is the default."""
TEST_SHARES = [0.4, 0.5, 0.3]
TRAIN_SHARES = [1.0, 0.7, 0.5, 0.35]
MOST_TEST_ROWS, MOST_TRAIN_ROWS = 3000, 4000
"""More rows would sharpen scores little and cost every agent minutes."""

MOST_CLASSES = 50
MOST_BOOSTED_CLASSES = 8
"""Boosting grows a tree for every class and step."""
MOST_CATEGORIES = 30
SAMPLED_DATES = 500
DATE_PATTERN = r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}|\d{1,2}:\d{2}|[A-Za-z]{3,} \d{1,2},? \d{4}|\d{1,2} [A-Za-z]{3,} \d{4}"


@dataclass(frozen=True)
class Columns:
    """The features of a table by kind."""

    numbers: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    categories: list[str] = field(default_factory=list)
    """Text of few distinct values."""
    codes: list[str] = field(default_factory=list)
    """Short text of many distinct values, such as names and postcodes."""
    texts: list[str] = field(default_factory=list)
    """Prose."""


def table_topics(path: Path, target: str, metric: str | None, count: int, seed: int) -> list[Topic]:
    """Topics of a user's table: the first takes all of it, the others vary metric and sizes.

    Args:
        path: A CSV or Parquet file.
        target: The column to predict.
        metric: Name of a metric; if None, the topics take those that suit the target in turn.
        count: How many topics.
        seed: Same seed, same topics; a larger count only adds topics.

    Raises:
        InputError: If no task can be made of the file, or it has no more distinct tasks.
    """
    kind = get_metric(metric).kind if metric else None
    table = read_table(path, target, kind)
    metrics = [metric] if metric else METRICS[infer_target_kind(table.frame[target])]
    generator = random.Random(seed)  # noqa: S311  (choices, not secrets)
    variants = [
        {"metric": metrics[0], "test_share": TEST_SHARES[0], "train_share": TRAIN_SHARES[0]},
        *generator.sample(_variants(metrics), len(_variants(metrics))),
    ]
    distinct = list({tuple(variant.values()): variant for variant in variants}.values())
    if count > len(distinct):
        raise InputError(f"{path.name} has no more than {len(distinct)} distinct tasks", "ask for fewer tasks")
    fixed = {"path": str(path.absolute()), "sha256": sha256(path.read_bytes()), "target": target}
    return [
        Topic(index=index, family=TABLE.name, seed=seed, options={**fixed, **variant})
        for index, variant in enumerate(distinct[:count])
    ]


def table_draft(
    task_id: str,
    path: Path,
    target: str,
    metric: str | None = None,
    salt: str = "",
    test_share: float = TEST_SHARES[0],
    train_share: float = TRAIN_SHARES[0],
) -> TaskFiles:
    """Makes a task of a user's table.

    Args:
        task_id: Unique in its suite.
        path: A CSV or Parquet file.
        target: The column to predict.
        metric: Name of a metric; the default for the kind of target if None.
        salt: Decides the split.
        test_share: Share of the distinct rows whose targets are hidden.
        train_share: Share of the other rows that agents get.

    Raises:
        InputError: If no task can be made of the file.
    """
    kind = get_metric(metric).kind if metric else None
    table = read_table(path, target, kind)
    frame = table.frame
    kind = "label" if is_text(frame[target]) else "number"
    if kind == "label" and frame[target].nunique() > MOST_CLASSES:
        raise InputError(
            f"the target {target!r} has {frame[target].nunique()} classes, more than {MOST_CLASSES}",
            "choose another target, or group its values",
        )
    metric = metric or METRICS[kind][0]
    rows = len(frame.drop(columns=target).drop_duplicates())
    if rows < LEAST_ROWS:
        raise InputError(
            f"{path.name} has {rows} rows that differ in more than {target!r}",
            f"a task needs at least {LEAST_ROWS}: add columns",
        )
    test_rows = min(round(test_share * rows), MOST_TEST_ROWS)
    train_rows = min(round(train_share * (rows - test_rows)), MOST_TRAIN_ROWS)
    columns = sort_columns(frame.drop(columns=target))
    knobs = {
        "path": str(path),
        "target": target,
        "metric": metric,
        "test_share": test_share,
        "train_share": train_share,
    }
    draft = CsvDraft(
        title=f"{target} in {path.stem}",
        goal=f"""
            Predict `{target}`, {_what(frame[target], kind)}, from the other columns of the table {path.name}.

            The table is as it was found, with all that tables come with: scales that differ, empty cells, columns
            that matter little. Find out how the columns act together, and which model makes most of them.
        """,
        columns=_describe(frame, columns, target),
        source=f"file/{path.name}",
        options={"path": str(path)},
        target=target,
        target_kind=kind,
        metric=metric,
        test_rows=test_rows,
        train_rows=train_rows if train_rows < rows - test_rows else None,
        templates="table/",
        values=_values(columns, frame[target], kind),
    )
    return draft_csv(task_id, knobs, salt, family=TABLE.name, category="data science", draft=draft)


def sort_columns(features: pd.DataFrame) -> Columns:
    """Sorts features by kind; columns without two distinct values are left out.

    Args:
        features: A canonical table without its target.
    """
    kinds: dict[str, list[str]] = {}
    for name in features.columns:
        present = features[name].dropna()
        if present.nunique() >= 2:
            kind = _kind(present) if is_text(features[name]) else "numbers"
            kinds.setdefault(kind, []).append(name)
    return Columns(**kinds)


def _kind(texts: pd.Series) -> str:
    sample = texts.iloc[:SAMPLED_DATES]
    if sample.str.contains(DATE_PATTERN, regex=True).mean() > 0.95:
        dates = pd.to_datetime(sample, errors="coerce", utc=True, format="mixed")
        if dates.notna().mean() > 0.95:
            return "dates"
    if texts.nunique() <= MOST_CATEGORIES:
        return "categories"
    return "texts" if sample.str.count(r"\s+").mean() >= 2 else "codes"


def _values(columns: Columns, target: pd.Series, kind: TargetKind) -> dict[str, Any]:
    plain = columns.numbers + columns.dates + columns.categories
    text = columns.texts[0] if columns.texts and not plain else ""
    label = kind == "label"
    return {
        "label": label,
        "estimator": "Classifier" if label else "Regressor",
        "boosting": not label or target.nunique() <= MOST_BOOSTED_CLASSES,
        "text": text,
        "numbers": columns.numbers,
        "dates": columns.dates,
        "categories": columns.categories,
        "codes": columns.codes,
        "texts": columns.texts,
        "simple": columns.categories or ([] if plain or text else columns.codes),
    }


def _what(target: pd.Series, kind: TargetKind) -> str:
    if kind == "label":
        return f"one of {target.nunique()} labels"
    return "a number"  # its range would tell of the hidden rows


def _describe(frame: pd.DataFrame, columns: Columns, target: str) -> str:
    names = {
        "numbers": columns.numbers,
        "dates": columns.dates,
        "categories": columns.categories,
        "short texts": columns.codes,
        "prose": columns.texts,
    }
    listed = "; ".join(f"{kind}: {', '.join(f'`{name}`' for name in group)}" for kind, group in names.items() if group)
    empty = float(frame.drop(columns=target).isna().to_numpy().mean())
    missing = f" {empty:.1%} of their cells are empty." if empty else ""
    return f"Each row is one record. The columns by kind are {listed}.{missing} `{target}` is the target."


def _variants(metrics: list[str]) -> list[Knobs]:
    return [
        {"metric": metric, "test_share": test_share, "train_share": train_share}
        for metric in metrics
        for test_share in TEST_SHARES
        for train_share in TRAIN_SHARES
    ]


def _knobs(rng: random.Random) -> Knobs:
    return {"test_share": rng.choice(TEST_SHARES), "train_share": rng.choice(TRAIN_SHARES)}


def _draft(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    if "path" not in knobs or "target" not in knobs:
        raise InputError("the family table needs a file and its target", "give --table and --target")
    # The hash makes a changed file another topic; the recipe's source pins it anyway.
    choices = {name: choice for name, choice in knobs.items() if name != "sha256"}
    return table_draft(task_id, salt=salt, **{**choices, "path": Path(knobs["path"])})


TABLE = Family(
    name="table",
    category="data science",
    description="Predict a column of your own CSV or Parquet file (`--table`, `--target`).",
    knobs=_knobs,
    draft=_draft,
)
