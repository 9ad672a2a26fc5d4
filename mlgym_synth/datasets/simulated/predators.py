"""Predators and their prey, after Rosenzweig and MacArthur, counted once a month."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator, readings

MONTHS = 40
STEPS = 20
"""Steps of the integration in a month."""


def simulate(
    random: RandomState, rows: int, *, noise: float = 0.1, weather: float = 0.05, capacity: float = 120.0
) -> pd.DataFrame:
    """Simulates one region a row.

    Args:
        random: Generator.
        rows: Regions.
        noise: Relative error of a count.
        weather: How much chance changes the prey's number in a month, relative.
        capacity: Prey that a region feeds on average, in thousands.
    """
    growth, mortality = random.uniform(0.5, 1.0, rows), random.uniform(0.2, 0.45, rows)
    attack, handling = random.uniform(0.02, 0.05, rows), random.uniform(0.15, 0.35, rows)
    limit = capacity * random.uniform(0.7, 1.3, rows)
    prey, predators = random.uniform(10, 60, rows), random.uniform(8, 30, rows)
    seen = np.empty((2, rows, MONTHS))
    for month in range(MONTHS):
        seen[:, :, month] = prey, predators
        for _ in range(STEPS):
            eaten = attack * prey * predators / (1 + attack * handling * prey)
            prey = np.maximum(prey + (growth * prey * (1 - prey / limit) - eaten) / STEPS, 0.5)
            predators = np.maximum(predators + (0.4 * eaten - mortality * predators) / STEPS, 0.5)
        prey = prey * np.exp(weather * random.standard_normal(rows))
    seen *= np.exp(noise * random.standard_normal(seen.shape))
    columns = {**readings("prey", seen[0], 1), **readings("predators", seen[1], 1)}
    columns["prey_growth"], columns["predator_mortality"] = np.round(growth, 4), np.round(mortality, 4)
    return pd.DataFrame(columns)


PREDATORS = Simulator(
    "Simulated regions with predators and prey, in thousands: `prey_00`, … and `predators_00`, … are monthly counts; "
    "`prey_growth` and `predator_mortality` are rates a month.",
    simulate,
    {"noise": (0.0, 1.0), "weather": (0.0, 0.5), "capacity": (60.0, 300.0)},
)
