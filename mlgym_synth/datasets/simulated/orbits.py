"""Stars with an unseen companion: how fast they come and go, night after night, on an orbit after Kepler."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator, readings

NIGHTS = 40
NEWTON_STEPS = 12


def simulate(
    random: RandomState, rows: int, *, noise: float = 1.0, spots: float = 0.5, eccentricity: float = 0.6
) -> pd.DataFrame:
    """Simulates one star a row.

    Args:
        random: Generator.
        rows: Stars.
        noise: Error of a velocity, in km/s.
        spots: What turning star spots add, in km/s.
        eccentricity: Largest eccentricity.
    """
    period, flatness = random.uniform(4, 25, rows), random.uniform(0, eccentricity, rows)
    amplitude, argument = random.uniform(3, 20, rows), random.uniform(0, 2 * np.pi, rows)
    start, system = random.uniform(0, 2 * np.pi, rows), random.normal(0, 10, rows)
    turning, place = random.uniform(2, 12, rows), random.uniform(0, 2 * np.pi, rows)
    night = np.arange(NIGHTS)
    mean = start[:, None] + 2 * np.pi * night / period[:, None]
    e = flatness[:, None]
    anomaly = mean + e * np.sin(mean)
    for _ in range(NEWTON_STEPS):
        anomaly = anomaly - (anomaly - e * np.sin(anomaly) - mean) / (1 - e * np.cos(anomaly))
    true = 2 * np.arctan2(np.sqrt(1 + e) * np.sin(anomaly / 2), np.sqrt(1 - e) * np.cos(anomaly / 2))
    bent = argument[:, None]
    seen = system[:, None] + amplitude[:, None] * (np.cos(true + bent) + e * np.cos(bent))
    seen += spots * np.sin(2 * np.pi * night / turning[:, None] + place[:, None])
    seen += noise * random.standard_normal(seen.shape)
    columns = readings("velocity", seen, 2)
    columns["period_days"], columns["eccentricity"] = np.round(period, 3), np.round(flatness, 4)
    columns["amplitude"] = np.round(amplitude, 3)
    return pd.DataFrame(columns)


ORBITS = Simulator(
    "Simulated stars with an unseen companion: `velocity_00`, `velocity_01`, … are radial velocities in km/s, one each "
    "night; `period_days`, `eccentricity` and `amplitude` (km/s) are those of the orbit.",
    simulate,
    {"noise": (0.0, 20.0), "spots": (0.0, 10.0), "eccentricity": (0.1, 0.8)},
)
