"""The metrics that tasks may be scored with, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from mlgym_synth.errors import unknown_name
from mlgym_synth.metrics import functions


@dataclass(frozen=True)
class Metric:
    """One way to score predictions."""

    name: str
    direction: Literal["max", "min"]
    kind: Literal["label", "number"]
    """What is predicted."""
    limit: float | None
    """The best value it can take, if it has one."""
    function: Callable[[np.ndarray, np.ndarray], float]
    """(truth, predicted) to score; labels are text, numbers float64, both of shape (n,)."""
    describe: str
    """One sentence for the text of a task."""
    quantile: float | None = None
    """Level of the quantile that it asks for, if it does."""


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric(
            "accuracy",
            "max",
            "label",
            1.0,
            functions.accuracy,
            "Accuracy is the share of rows whose label is right.",
        ),
        Metric(
            "balanced_accuracy",
            "max",
            "label",
            1.0,
            functions.balanced_accuracy,
            "Balanced accuracy is the recall of each class, averaged over the classes with equal weight.",
        ),
        Metric(
            "macro_f1",
            "max",
            "label",
            1.0,
            functions.macro_f1,
            "Macro F1 is the F1 score of each class, averaged over the classes with equal weight.",
        ),
        Metric(
            "mcc",
            "max",
            "label",
            1.0,
            functions.mcc,
            "The Matthews correlation coefficient compares predicted with true labels: "
            "1 is perfect, 0 is no better than a constant.",
        ),
        Metric(
            "quadratic_kappa",
            "max",
            "label",
            1.0,
            functions.quadratic_kappa,
            "Quadratic weighted kappa is the agreement of ordered labels beyond chance, "
            "where an error costs the square of its distance.",
        ),
        Metric(
            "rmse",
            "min",
            "number",
            0.0,
            functions.rmse,
            "RMSE is the root of the mean squared error, in units of the target.",
        ),
        Metric(
            "mae",
            "min",
            "number",
            0.0,
            functions.mae,
            "MAE is the mean absolute error, in units of the target.",
        ),
        Metric(
            "median_ae",
            "min",
            "number",
            0.0,
            functions.median_ae,
            "The median absolute error, in units of the target, ignores how far off the worst half is.",
        ),
        Metric(
            "r2",
            "max",
            "number",
            1.0,
            functions.r2,
            "R² is the share of the target's variance that the predictions explain; "
            "it is negative where predicting the mean would do better.",
        ),
        Metric(
            "spearman",
            "max",
            "number",
            1.0,
            functions.spearman,
            "Spearman's correlation compares the order of the predictions with the order of the targets; "
            "their scale does not matter.",
        ),
        Metric(
            "poisson_deviance",
            "min",
            "number",
            0.0,
            functions.poisson_deviance,
            "The mean Poisson deviance measures how far expected counts are from the counts that came; "
            "predictions below 1e-6 count as 1e-6.",
        ),
        Metric(
            "pinball_10",
            "min",
            "number",
            0.0,
            functions.pinball_10,
            "The pinball loss of the 10 % quantile, in units of the target: what the target lies above the prediction "
            "costs 0.1 a unit, what it lies below costs 0.9, so that the best prediction is one that one target in "
            "ten falls short of.",
            quantile=0.1,
        ),
        Metric(
            "pinball_90",
            "min",
            "number",
            0.0,
            functions.pinball_90,
            "The pinball loss of the 90 % quantile, in units of the target: what the target lies above the prediction "
            "costs 0.9 a unit, what it lies below costs 0.1, so that the best prediction is one that one target in "
            "ten exceeds.",
            quantile=0.9,
        ),
        Metric(
            "log_loss",
            "min",
            "number",
            0.0,
            functions.log_loss,
            "Log loss is the mean negative natural logarithm of the probability given to what really happened; "
            "predictions are probabilities of the value 1 and are kept 2.2e-16 away from 0 and 1.",
        ),
        Metric(
            "roc_auc",
            "max",
            "number",
            1.0,
            functions.roc_auc,
            "The area under the ROC curve is the chance that a row of value 1 is given a higher number than a row of "
            "value 0; only the order of the predictions counts.",
        ),
        Metric(
            "average_precision",
            "max",
            "number",
            1.0,
            functions.average_precision,
            "Average precision summarises the curve of precision over recall when rows are sorted by the prediction, "
            "highest first; only the order of the predictions counts.",
        ),
    )
}


def get_metric(name: str) -> Metric:
    """The metric of that name.

    Raises:
        InputError: If there is none; names the nearest.
    """
    if name not in METRICS:
        raise unknown_name("metric", name, METRICS)
    return METRICS[name]
