"""Performance profiles and the area under them (AUP), as MLGym computes them.

The value depends on the pool of methods that it is computed in: compare methods of one pool, never values
of two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mlgym_synth.errors import InputError
from mlgym_synth.tasks.recipe import Direction

GRID_POINTS = 500
INFEASIBLE_FACTOR = 1.05
"""A failure counts as this much worse than the worst feasible method of the task."""
LARGEST_RATIO = 1e300
"""Ratios are cut here, so that scores at the ends of the number range leave the grid finite."""

Scores = Mapping[str, Mapping[str, float | None]]
"""Score by method and task; None, or no entry, where a method has none."""
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Profiles:
    """Performance profiles of all methods, per variant, over one common grid."""

    tau: Floats
    """Grid of log10 ratios, from 0 to tau_max: shape (500,)."""
    curves: Mapping[str, Mapping[str, Floats]]
    """By variant and method: the share of tasks whose log10 ratio is at most tau, shape (500,)."""

    @property
    def areas(self) -> dict[str, dict[str, float]]:
        """AUP by variant and method: the left Riemann sum of the curve, to 3 decimals."""
        widths = np.diff(self.tau)
        return {
            variant: {method: round(float(curve[:-1] @ widths), 3) for method, curve in methods.items()}
            for variant, methods in self.curves.items()
        }


def performance_profiles(
    scores: Mapping[str, Scores], directions: Mapping[str, Direction], baseline: str = "baseline"
) -> Profiles:
    """Computes the performance profiles of a pool of methods.

    Per task, W is the ratio of the best to the worst feasible score. A feasible method's ratio is that of
    the best score to its own (inverted where less is better); every other method's is 1.05 W. The grid ends
    at the log10 of the largest ceil(1.05 W) over all tasks and variants, rounded up to one decimal.

    A score is feasible if it is finite, not negative, and not worse than the baseline's. Where MLGym's
    definition divides by zero, this one goes on. Where more is better, a score of 0 is not feasible. Where
    less is better and some method reaches 0, its ratio is 1 and all others get 1.05 W, W being taken over the
    positive scores. W is 1 where there are none, so that failures get 1.05.

    Args:
        scores: By variant (`best`, `last`: best and last attempt), method and task. Variants share one grid.
        directions: Which direction is better, for every task that counts.
        baseline: The method against which feasibility is judged; a member of every variant. On a task on
            which it has no score, nothing is worse than it.

    Raises:
        InputError: If there is no task, a variant has no baseline, or a score belongs to a task without
            direction.
    """
    _check(scores, directions, baseline)
    ratios: dict[str, dict[str, list[float]]] = {}
    widest = 1.0
    for variant, methods in scores.items():
        ratios[variant] = {method: [] for method in methods}
        for task, direction in directions.items():
            column = {method: methods[method].get(task) for method in methods}
            task_ratios, width = _ratios(column, direction, column[baseline])
            widest = max(widest, width)
            for method, ratio in task_ratios.items():
                ratios[variant][method].append(ratio)
    tau_max = math.ceil(10 * math.log10(math.ceil(INFEASIBLE_FACTOR * widest))) / 10
    tau = np.linspace(0.0, tau_max, GRID_POINTS)
    curves = {
        variant: {method: _share_within(np.log10(values), tau) for method, values in methods.items()}
        for variant, methods in ratios.items()
    }
    return Profiles(tau, curves)


def aup(
    scores: Mapping[str, Scores], directions: Mapping[str, Direction], baseline: str = "baseline"
) -> dict[str, dict[str, float]]:
    """AUP by variant and method; see `performance_profiles` for arguments and definitions."""
    return performance_profiles(scores, directions, baseline).areas


def is_better(score: float, other: float, direction: Direction) -> bool:
    """True if `score` is strictly better than `other`."""
    return score > other if direction == "max" else score < other


def _ratios(
    column: Mapping[str, float | None], direction: Direction, baseline: float | None
) -> tuple[dict[str, float], float]:
    """The ratio of every method on one task, and the task's W."""
    feasible = {
        method: score
        for method, score in column.items()
        if score is not None
        and math.isfinite(score)
        and score >= 0
        and (baseline is None or not is_better(baseline, score, direction))
    }
    positive = {method: score for method, score in feasible.items() if score > 0}
    low, high = (min(positive.values()), max(positive.values())) if positive else (1.0, 1.0)
    width = min(high / low, LARGEST_RATIO)
    ratios = dict.fromkeys(column, INFEASIBLE_FACTOR * width)
    if direction == "max":
        ratios |= {method: min(high / score, LARGEST_RATIO) for method, score in positive.items()}
    elif len(positive) < len(feasible):
        ratios |= dict.fromkeys(feasible.keys() - positive.keys(), 1.0)
    else:
        ratios |= {method: min(score / low, LARGEST_RATIO) for method, score in positive.items()}
    return ratios, width


def _share_within(logs: Floats, tau: Floats) -> Floats:
    """Share of the values that are at most tau, at every point of the grid."""
    return np.searchsorted(np.sort(logs), tau, side="right") / len(logs)


def _check(scores: Mapping[str, Scores], directions: Mapping[str, Direction], baseline: str) -> None:
    if not directions:
        raise InputError("AUP needs at least one task", "give the direction of every task")
    for variant, methods in scores.items():
        if baseline not in methods:
            raise InputError(f"variant {variant!r} has no method {baseline!r}", "add the baseline's scores")
        for method, tasks in methods.items():
            unknown = sorted(tasks.keys() - directions.keys())
            if unknown:
                raise InputError(f"{method} has a score on {unknown[0]!r}, whose direction is not given")
