"""Striped surfaces: images of stripes with a direction and a width, under noise."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator, readings

DIRECTIONS = 6


def simulate(
    random: RandomState, rows: int, *, side: int = 12, noise: float = 40.0, contrast: float = 60.0, bend: float = 0.3
) -> pd.DataFrame:
    """Simulates one surface a row.

    Args:
        random: Generator.
        rows: Surfaces.
        side: Pixels of a side.
        noise: Noise of a pixel, in grey values from 0 to 255.
        contrast: Mean amplitude of the stripes, likewise.
        bend: How much the stripes are bent, in radians of phase at the edge.
    """
    angle = random.uniform(0, np.pi, rows)
    width = random.uniform(2.5, 8, rows)
    row, column = np.divmod(np.arange(side * side), side)
    down, across = (row - (side - 1) / 2), (column - (side - 1) / 2)
    along = across * np.cos(angle)[:, None] + down * np.sin(angle)[:, None]
    beside = down * np.cos(angle)[:, None] - across * np.sin(angle)[:, None]
    phase = 2 * np.pi * along / width[:, None] + random.uniform(0, 2 * np.pi, (rows, 1))
    phase = phase + bend * random.standard_normal((rows, 1)) * (2 * beside / side) ** 2
    strength = contrast * random.uniform(0.5, 1.5, (rows, 1))
    image = random.uniform(90, 160, (rows, 1)) + strength * np.sin(phase)
    seen = np.clip(image + noise * random.standard_normal(image.shape), 0, 255)
    # the direction in which the stripes change, to the nearest of six
    step = 180 // DIRECTIONS
    direction = (np.round(np.degrees(angle) / step).astype(np.int64) % DIRECTIONS) * step
    names = pd.Series([f"{degrees:03d}" for degrees in direction], dtype=object)
    return pd.DataFrame({**readings("x", seen, 0), "direction": "d" + names, "width": np.round(width, 2)})


GRATINGS = Simulator(
    "Simulated striped surfaces: grey values of the pixels in reading order from 0 to 255; `direction` is the "
    "direction across the stripes to the nearest 30 degrees, `d000` to `d150`, `width` the distance between two "
    "stripes in pixels.",
    simulate,
    {"side": (8, 24), "noise": (0.0, 200.0), "contrast": (5.0, 120.0), "bend": (0.0, 3.0)},
)
