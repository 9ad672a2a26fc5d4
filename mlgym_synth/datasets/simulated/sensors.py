"""Sensors of a plant that follow a few hidden states, until one of them drifts away from the others."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator, readings

STATES = 3


def simulate(
    random: RandomState, rows: int, *, sensors: int = 12, faults: float = 0.08, drift: float = 1.5, noise: float = 0.4
) -> pd.DataFrame:
    """Simulates the readings at one moment a row; all rows are of one plant.

    Args:
        random: Generator.
        rows: Moments.
        sensors: How many sensors there are.
        faults: Share of the moments at which one sensor reads too high.
        drift: By how much, on average, in standard deviations of a sound sensor.
        noise: Error of a sound sensor, in the same unit.
    """
    weights = random.uniform(-1, 1, (sensors, STATES))
    weights /= np.sqrt((weights**2).sum(axis=1, keepdims=True))
    state = random.standard_normal((rows, STATES))
    seen = sum(state[:, place, None] * weights[:, place] for place in range(STATES))
    seen = seen + noise * random.standard_normal((rows, sensors))
    faulty = random.random_sample(rows) < faults
    which = random.randint(0, sensors, rows)
    error = drift * random.uniform(0.6, 1.6, rows)
    off = faulty[:, None] & (which[:, None] == np.arange(sensors))
    seen = np.where(off, seen + error[:, None], seen)
    centre, scale = random.uniform(20, 200, sensors), random.uniform(1, 15, sensors)
    columns = readings("sensor", centre + scale * seen, 2)
    columns["fault"] = faulty.astype(np.int64)
    return pd.DataFrame(columns)


SENSORS = Simulator(
    "Simulated readings of the sensors of one plant, `sensor_00`, `sensor_01`, …; `fault` is 1 where one reads too "
    "high.",
    simulate,
    {"sensors": (4, 40), "faults": (0.01, 0.5), "drift": (0.1, 10.0), "noise": (0.0, 3.0)},
)
