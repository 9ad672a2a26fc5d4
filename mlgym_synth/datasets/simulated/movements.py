"""Movements of a person as a worn accelerometer sees them, turned by chance about the vertical."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator, pick, readings

READINGS = 40
RATE = 20
"""Readings a second."""
KINDS = {
    "climbing": (1.5, 1.4, 0.35),
    "cycling": (1.3, 0.5, 0.15),
    "running": (2.7, 4.5, 0.45),
    "standing": (0.4, 0.15, 0.1),
    "walking": (1.8, 1.8, 0.6),
}
"""For each movement steps a second, vertical amplitude in m/s², and the share of it in the second harmonic."""


def simulate(random: RandomState, rows: int, *, noise: float = 0.6, persons: float = 0.25) -> pd.DataFrame:
    """Simulates two seconds of one person a row.

    Args:
        random: Generator.
        rows: Persons.
        noise: Error of a reading, in m/s².
        persons: How much persons differ, as the standard deviation of logarithms.
    """
    kind = pick(random, list(KINDS), [1] * len(KINDS), rows)
    pace, force, second = np.array([KINDS[name] for name in kind]).T
    pace, force = (each * np.exp(persons * random.standard_normal(rows)) for each in (pace, force))
    start, lag = random.uniform(0, 2 * np.pi, (rows, 1)), random.uniform(0, 2 * np.pi, (rows, 1))
    phase = 2 * np.pi * pace[:, None] * np.arange(READINGS) / RATE + start
    bounce = force[:, None] * (np.sin(phase) + second[:, None] * np.sin(2 * phase + lag))
    sway = force[:, None] * np.where(kind == "cycling", 1.6, 0.4)[:, None] * np.sin(phase / 2 + lag)
    turn = random.uniform(0, 2 * np.pi, (rows, 1))
    axes = {"x": sway * np.cos(turn), "y": sway * np.sin(turn), "z": 9.81 + bounce}
    columns: dict[str, np.ndarray] = {}
    for name, values in axes.items():
        columns |= readings(name, values + noise * random.standard_normal(values.shape), 2)
    return pd.DataFrame({**columns, "movement": kind})


MOVEMENTS = Simulator(
    "Simulated movements: `x_00`, …, `y_00`, … and `z_00`, … (upwards) are readings of a worn accelerometer in m/s², "
    "20 a second; `movement` is what the person does.",
    simulate,
    {"noise": (0.0, 10.0), "persons": (0.0, 1.0)},
)
