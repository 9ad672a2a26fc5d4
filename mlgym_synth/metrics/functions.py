"""Metrics as pure functions of two arrays, with a defined result where the textbook formula divides by zero.

The source of these functions is also emitted into `evaluate.py`, so they need numpy alone and call only each
other.
"""

import inspect
import types

import numpy as np


def accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Share of rows whose label is right.

    Args:
        truth: Labels, shape (n,), n >= 1.
        predicted: Labels, shape (n,).
    """
    return float(np.mean(truth == predicted))


def balanced_accuracy(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean over the true classes of the share of the class's rows that are right.

    Args:
        truth: Labels, shape (n,), n >= 1.
        predicted: Labels, shape (n,).
    """
    confusion = confusion_matrix(truth, predicted)
    rows = confusion.sum(axis=1)
    return float(np.mean(confusion.diagonal()[rows > 0] / rows[rows > 0]))


def macro_f1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean F1 over all classes that occur in either array; 0 for a class that is never right.

    Args:
        truth: Labels, shape (n,), n >= 1.
        predicted: Labels, shape (n,).
    """
    confusion = confusion_matrix(truth, predicted)
    return float(np.mean(2 * confusion.diagonal() / (confusion.sum(axis=0) + confusion.sum(axis=1))))


def mcc(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Matthews correlation of any number of classes; 0 where either array is constant.

    Args:
        truth: Labels, shape (n,), n >= 1.
        predicted: Labels, shape (n,).
    """
    confusion = confusion_matrix(truth, predicted)
    true, guessed, n = confusion.sum(axis=1), confusion.sum(axis=0), confusion.sum()
    spread = np.sqrt(n**2 - true @ true) * np.sqrt(n**2 - guessed @ guessed)
    return float((n * confusion.trace() - true @ guessed) / spread) if spread else 0.0


def quadratic_kappa(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Cohen's kappa with squared distances; 0 where both arrays are one and the same constant.

    Distances are those between the numbers that the labels spell, even where one in between never occurs.

    Args:
        truth: Integers spelled as text, shape (n,), n >= 1.
        predicted: Integers spelled as text, shape (n,).
    """
    a, b = truth.astype(np.float64), predicted.astype(np.float64)
    expected = np.var(a) + np.var(b) + (np.mean(a) - np.mean(b)) ** 2
    return float(1 - np.mean((a - b) ** 2) / expected) if expected else 0.0


def rmse(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Root of the mean squared error, in units of the target.

    Args:
        truth: Finite numbers, shape (n,), n >= 1.
        predicted: Finite numbers, shape (n,).
    """
    return float(np.sqrt(np.mean((truth - predicted) ** 2)))


def mae(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean absolute error, in units of the target.

    Args:
        truth: Finite numbers, shape (n,), n >= 1.
        predicted: Finite numbers, shape (n,).
    """
    return float(np.mean(np.abs(truth - predicted)))


def median_ae(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Median absolute error, in units of the target.

    Args:
        truth: Finite numbers, shape (n,), n >= 1.
        predicted: Finite numbers, shape (n,).
    """
    return float(np.median(np.abs(truth - predicted)))


def r2(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Share of the variance explained; negative where the mean would do better, 0 if the truth is constant.

    Args:
        truth: Finite numbers, shape (n,), n >= 1.
        predicted: Finite numbers, shape (n,).
    """
    total = np.sum((truth - np.mean(truth)) ** 2)
    if np.min(truth) == np.max(truth) or total == 0:
        return 0.0
    return float(1 - np.sum((truth - predicted) ** 2) / total)


def spearman(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Correlation of ranks, ties averaged; 0 where either array is constant.

    Args:
        truth: Finite numbers, shape (n,), n >= 1.
        predicted: Finite numbers, shape (n,).
    """
    a, b = average_ranks(truth), average_ranks(predicted)
    a, b = a - np.mean(a), b - np.mean(b)
    spread = np.sqrt(a @ a) * np.sqrt(b @ b)
    return float(a @ b / spread) if spread else 0.0


def poisson_deviance(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean Poisson deviance of expected counts; predictions below 1e-6 count as 1e-6.

    Args:
        truth: Counts, shape (n,), n >= 1.
        predicted: Expected counts, shape (n,).
    """
    expected = np.maximum(predicted, 1e-6)
    ratios = np.where(truth > 0, truth, expected) / expected
    return float(2 * np.mean(truth * np.log(ratios) - truth + expected))


def pinball_10(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Pinball loss of the 10 % quantile, in units of the target.

    Args:
        truth: Finite numbers, shape (n,), n >= 1.
        predicted: Finite numbers, shape (n,).
    """
    return pinball(truth, predicted, 0.1)


def pinball_90(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Pinball loss of the 90 % quantile, in units of the target.

    Args:
        truth: Finite numbers, shape (n,), n >= 1.
        predicted: Finite numbers, shape (n,).
    """
    return pinball(truth, predicted, 0.9)


def log_loss(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean negative logarithm of the probability of what happened; probabilities keep 2.2e-16 away from 0 and 1.

    Args:
        truth: 1 where the event happened, else 0, shape (n,), n >= 1.
        predicted: Probabilities of the event, shape (n,).
    """
    tiny = np.finfo(np.float64).eps
    probabilities = np.clip(predicted, tiny, 1 - tiny)
    return float(-np.mean(np.log(np.where(truth > 0, probabilities, 1 - probabilities))))


def roc_auc(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Share of the pairs of an event and a non-event that are ordered right, ties half; 0.5 where there is no pair.

    Args:
        truth: 1 where the event happened, else 0, shape (n,), n >= 1.
        predicted: Scores that grow with the chance of the event, shape (n,).
    """
    events = truth > 0
    count, others = np.sum(events), np.sum(~events)
    if not count or not others:
        return 0.5
    above = np.sum(average_ranks(predicted)[events]) - count * (count + 1) / 2
    return float(above / (count * others))


def average_precision(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Precision at each threshold, weighted by the recall that the threshold adds; 0 where there is no event.

    Args:
        truth: 1 where the event happened, else 0, shape (n,), n >= 1.
        predicted: Scores that grow with the chance of the event, shape (n,).
    """
    events = (truth > 0).astype(np.float64)
    if not np.sum(events):
        return 0.0
    _, codes, counts = np.unique(-predicted, return_inverse=True, return_counts=True)
    gained = np.bincount(codes, weights=events, minlength=len(counts))
    return float(np.sum(gained * np.cumsum(gained) / np.cumsum(counts)) / np.sum(events))


def pinball(truth: np.ndarray, predicted: np.ndarray, level: float) -> float:
    """Mean of what lies above the prediction times `level` and of what lies below times `1 - level`.

    Args:
        truth: Finite numbers, shape (n,), n >= 1.
        predicted: Finite numbers, shape (n,).
        level: Of the quantile, between 0 and 1.
    """
    above = truth - predicted
    return float(np.mean(np.maximum(level * above, (level - 1) * above)))


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Counts of (true class, predicted class) over the sorted classes of both arrays, as float64.

    Args:
        truth: Labels, shape (n,).
        predicted: Labels, shape (n,).

    Returns:
        Shape (classes, classes); rows are true classes.
    """
    classes, codes = np.unique(np.concatenate([truth, predicted]), return_inverse=True)
    pairs = codes[: len(truth)] * len(classes) + codes[len(truth) :]
    counts = np.bincount(pairs, minlength=len(classes) ** 2)
    return counts.reshape(len(classes), len(classes)).astype(np.float64)


def average_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 1; equal values share the mean of their ranks.

    Args:
        values: Finite numbers, shape (n,).

    Returns:
        Shape (n,), float64.
    """
    _, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks: np.ndarray = (np.cumsum(counts) - (counts - 1) / 2)[codes]
    return ranks


def function_sources(metric_name: str) -> str:
    """The source of a metric, after the source of the functions of this module that it calls.

    Args:
        metric_name: Name of a function of this module.

    Returns:
        Python text that needs nothing but `import numpy as np` before it.
    """
    functions: dict[str, types.FunctionType] = {}

    def add(name: str) -> None:
        function = globals().get(name)
        if isinstance(function, types.FunctionType) and name not in functions:
            for called in function.__code__.co_names:
                add(called)
            functions[name] = function

    add(metric_name)
    return "\n\n".join(inspect.getsource(function) for function in functions.values())
