"""What a simulator is, and what simulators have in common.

Simulators draw from `RandomState`, whose stream numpy never changes, work element by element, because a BLAS sums in
an order of its own, and round what they return to far fewer digits than those in which two machines differ.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlgym_synth.errors import InputError


@dataclass(frozen=True)
class Simulator:
    """A seeded model of a system: equal seeds and options give equal tables."""

    description: str
    """What the rows are, for the text of a task."""
    simulate: Callable[..., pd.DataFrame]
    """(random, rows, **options) to a table; an option's default is that of the function."""
    ranges: Mapping[str, tuple[float, float]]
    """Least and largest value of every option."""


def reading_names(name: str, count: int) -> list[str]:
    """`name_00`, `name_01`, …: the columns of a series, in the order of time."""
    return [f"{name}_{place:02d}" for place in range(count)]


def readings(name: str, values: np.ndarray, decimals: int) -> dict[str, np.ndarray]:
    """Columns of a series.

    Args:
        name: What is read.
        values: Shape (rows, readings), in the order of time.
        decimals: Digits after the point that the instrument gives.
    """
    rounded = np.round(values, decimals)
    return {column: rounded[:, place] for place, column in enumerate(reading_names(name, values.shape[1]))}


def pick(random: np.random.RandomState, names: list[str], shares: list[float], rows: int) -> np.ndarray:
    """Draws names with given shares.

    Returns:
        Shape (rows,), text.
    """
    bounds = np.cumsum(shares) / np.sum(shares)
    return np.array(names, dtype=object)[np.searchsorted(bounds[:-1], random.random_sample(rows), side="right")]


def check_pairs(rows: int, first: int, second: int) -> None:
    """Checks that so many rows can be pairs that all differ.

    Args:
        rows: How many pairs are wanted.
        first: How many there are to choose from on one side.
        second: And on the other.

    Raises:
        InputError: If there are too few.
    """
    if rows > first * second:
        raise InputError(
            f"{first} times {second} is {first * second} pairs, too few for {rows} rows", "ask for fewer rows"
        )


def logistic(values: np.ndarray) -> np.ndarray:
    """Log odds to probabilities."""
    probabilities: np.ndarray = 1 / (1 + np.exp(-values))
    return probabilities
