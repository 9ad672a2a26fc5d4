"""A consecutive reaction, A to B to C, followed by the absorbance of B in a batch reactor."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator, readings

READINGS = 40
PERIOD = 0.1
"""Hours between two readings."""


def simulate(
    random: RandomState, rows: int, *, noise: float = 0.03, drift: float = 0.05, heat: float = 10.0
) -> pd.DataFrame:
    """Simulates one batch a row.

    Args:
        random: Generator.
        rows: Batches.
        noise: Error of a reading, relative to the mean amount of A at the beginning.
        drift: How far the zero of the instrument wanders in the course of a batch, relative to the same amount.
        heat: Standard deviation of the temperature, in degrees.
    """
    temperature = np.clip(random.normal(25, heat, rows), -5, 55)
    catalyst = random.uniform(0.5, 2, rows)
    factor = 1 / 298.15 - 1 / (temperature + 273.15)
    first = catalyst * random.uniform(1.2, 2.4, rows) * np.exp(5000 * factor)
    second = random.uniform(0.15, 0.5, rows) * np.exp(7000 * factor)
    amount = random.uniform(0.6, 1.4, rows)
    # the formula divides by the difference of the rates, which no batch has equal
    second = np.where(np.abs(first - second) < 0.01, second + 0.02, second)
    time = PERIOD * np.arange(READINGS)
    decay = np.exp(-second[:, None] * time) - np.exp(-first[:, None] * time)
    seen = (amount * first / (first - second))[:, None] * decay
    seen += drift * random.standard_normal((rows, 1)) * time / time[-1] + noise * random.standard_normal(seen.shape)
    columns = {"temperature": np.round(temperature, 1), **readings("absorbance", seen, 4)}
    columns["first_rate"], columns["second_rate"] = np.round(first, 4), np.round(second, 4)
    return pd.DataFrame(columns)


REACTIONS = Simulator(
    "Simulated batches of the reaction A to B to C: `temperature` in degrees Celsius and the absorbance of B every six "
    "minutes, `absorbance_00`, …; `first_rate` and `second_rate` are the rates of the two steps in 1/h.",
    simulate,
    {"noise": (0.0, 0.5), "drift": (0.0, 0.5), "heat": (0.0, 20.0)},
)
