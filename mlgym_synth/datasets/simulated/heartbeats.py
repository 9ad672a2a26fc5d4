"""Heartbeats in an electrocardiogram as sums of bumps; diseases change the bumps."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator, pick, readings

READINGS = 60
KINDS = ["normal", "no_p", "wide", "raised_st", "tall_t", "flat_t"]


def simulate(
    random: RandomState, rows: int, *, noise: float = 0.08, jitter: float = 3.0, wander: float = 0.2
) -> pd.DataFrame:
    """Simulates one beat a row.

    Args:
        random: Generator.
        rows: Beats.
        noise: Error of a reading, in mV.
        jitter: Standard deviation of the beat's place in its window, in readings.
        wander: How far the zero line wanders, in mV.
    """
    kind = pick(random, KINDS, [1] * len(KINDS), rows)
    time = np.arange(READINGS) - 25 - jitter * random.standard_normal((rows, 1))
    pace = random.uniform(0.85, 1.15, rows)

    def bump(place: float, width: np.ndarray | float, height: np.ndarray) -> np.ndarray:
        wave: np.ndarray = height[:, None] * np.exp(
            -0.5 * ((time - place * pace[:, None]) / np.reshape(width, (-1, 1))) ** 2
        )
        return wave

    tall = random.normal(1, 0.15, rows)
    wide = kind == "wide"
    width = np.where(wide, 3.0, 1.3) * random.uniform(0.85, 1.15, rows)
    p_height = 0.15 * random.uniform(0.7, 1.3, rows) * ~((kind == "no_p") | wide)
    factor = np.select([kind == "tall_t", kind == "flat_t", wide], [2.0, 0.3, -0.8], 1.0)
    t_height = 0.28 * random.uniform(0.75, 1.25, rows) * factor
    seen = bump(-9, 2.2, p_height) + bump(0, width, tall) + bump(14, 4.0, t_height)
    seen += bump(-2.5, 1.0, -0.12 * tall) + bump(2.8, 1.1, -0.2 * tall * ~wide)
    seen += bump(7, 3.0, 0.16 * random.uniform(0.7, 1.3, rows) * (kind == "raised_st"))
    slope, level = random.normal(0, wander, rows), random.normal(0, wander, rows)
    seen += level[:, None] + slope[:, None] * np.linspace(-1, 1, READINGS)
    columns: dict[str, np.ndarray] = readings("voltage", seen + noise * random.standard_normal(seen.shape), 3)
    return pd.DataFrame({**columns, "kind": kind})


HEARTBEATS = Simulator(
    "Simulated heartbeats: `voltage_00`, `voltage_01`, … are readings of an electrocardiogram in mV; `kind` is the "
    "kind of the beat.",
    simulate,
    {"noise": (0.0, 1.0), "jitter": (0.0, 10.0), "wander": (0.0, 2.0)},
)
