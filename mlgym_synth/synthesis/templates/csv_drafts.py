"""How the csv families become drafts: a source, what makes it hard, and two scripts rendered from templates."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from mlgym_synth.datasets.prepare import Prepared, make_data
from mlgym_synth.metrics.registry import get_metric
from mlgym_synth.synthesis.assemble import csv_task
from mlgym_synth.synthesis.templates.family import Knobs, render
from mlgym_synth.tasks.recipe import Category, CsvSubmission, Split, Transform
from mlgym_synth.tasks.suite import TaskFiles

PUBLIC_SHARE = 0.3
"""Share of the test rows that `validate` scores."""

SCIKIT_SCORING = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced_accuracy",
    "macro_f1": "f1_macro",
    "mcc": "matthews_corrcoef",
    "quadratic_kappa": "accuracy",
    "rmse": "neg_root_mean_squared_error",
    "mae": "neg_mean_absolute_error",
    "median_ae": "neg_median_absolute_error",
    "r2": "r2",
    "spearman": "r2",
    "poisson_deviance": "neg_mean_poisson_deviance",
    "pinball_10": "neg_mean_absolute_error",
    "pinball_90": "neg_mean_absolute_error",
    "log_loss": "neg_log_loss",
    "roc_auc": "roc_auc",
    "average_precision": "average_precision",
}
"""What scikit-learn calls a metric, or the nearest that it has: baselines report it in cross-validation."""


@dataclass(frozen=True)
class CsvDraft:
    """The choices of one task whose submission is a table of predictions."""

    title: str
    goal: str
    """What is to be predicted and why it is hard."""
    columns: str
    """What the columns mean."""
    source: str
    target: str
    target_kind: Literal["label", "number"]
    metric: str
    test_rows: int
    templates: str
    """Folder and prefix under `files/` of `baseline.py.jinja` and `reference.py.jinja`."""
    train_rows: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    transforms: Sequence[Transform] = ()
    values: Mapping[str, Any] = field(default_factory=dict)
    """What the templates name besides `target`, `metric` and `scoring`."""


def draft_csv(task_id: str, knobs: Knobs, salt: str, *, family: str, category: Category, draft: CsvDraft) -> TaskFiles:
    """Makes the data, renders the scripts and assembles the draft.

    Args:
        task_id: Unique in its suite.
        knobs: The family's choices, for the recipe.
        salt: Decides the split and everything random in the transforms.
        family: Name of the family.
        category: One of MLGym's six.
        draft: What the family chose.

    Returns:
        The draft. Equal arguments give an equal content hash; another salt gives other data.

    Raises:
        InputError: If the choices do not fit the source.
    """
    split = Split(
        salt=salt,
        test_rows=draft.test_rows,
        public_rows=round(PUBLIC_SHARE * draft.test_rows),
        train_rows=draft.train_rows,
    )
    data, prepared = make_data(
        draft.source, dict(draft.options), draft.transforms, draft.target, draft.target_kind, split
    )
    values = {"target": draft.target, "metric": draft.metric, "scoring": SCIKIT_SCORING[draft.metric], **draft.values}
    labels = _labels(prepared, draft.target) if draft.target_kind == "label" else []
    return csv_task(
        task_id=task_id,
        family=family,
        category=category,
        title=draft.title,
        knobs=knobs,
        goal=draft.goal,
        columns=draft.columns,
        data=data,
        prepared=prepared,
        submission=CsvSubmission(target_kind=draft.target_kind, labels=labels),
        metric=get_metric(draft.metric).name,
        baseline=render(f"{draft.templates}baseline.py.jinja", **values),
        reference=render(f"{draft.templates}reference.py.jinja", **values),
    )


def _labels(prepared: Prepared, target: str) -> list[str]:
    """All labels of the training and the test rows, sorted."""
    with (prepared.public / "train.csv").open(encoding="utf-8", newline="") as stream:
        train = {row[target] for row in csv.DictReader(stream)}
    return sorted(train | set(prepared.labels().targets))
