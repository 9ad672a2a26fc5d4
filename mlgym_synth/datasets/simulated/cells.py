"""Micrographs of round cells that may touch, on uneven light."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator, readings

MOST = 6


def simulate(
    random: RandomState, rows: int, *, side: int = 14, noise: float = 8.0, light: float = 20.0, spread: float = 0.2
) -> pd.DataFrame:
    """Simulates one micrograph a row.

    Args:
        random: Generator.
        rows: Micrographs.
        side: Pixels of a side.
        noise: Noise of a pixel, in grey values from 0 to 255.
        light: How uneven the light is, likewise.
        spread: How much the cells of one micrograph differ in size and brightness, relative.
    """
    count = random.randint(1, MOST + 1, rows)
    radius = random.uniform(1.2, 2.6, rows)
    row, column = np.divmod(np.arange(side * side), side)
    tilt = random.standard_normal((2, rows, 1)) * light
    image = 60 + (tilt[0] * (row / side - 0.5) + tilt[1] * (column / side - 0.5))
    image = image + random.normal(0, light / 2, (rows, 1))
    for cell in range(MOST):
        at_row, at_column = random.uniform(1, side - 2, (2, rows, 1))
        size = (radius * np.exp(spread * random.standard_normal(rows)))[:, None]
        bright = 90 * np.exp(spread * random.standard_normal((rows, 1)))
        distance = np.sqrt((row - at_row) ** 2 + (column - at_column) ** 2)
        shape = np.clip(size - distance + 0.5, 0, 1)
        image = np.where((cell < count)[:, None], np.maximum(image, image * (1 - shape) + (60 + bright) * shape), image)
    seen = np.clip(image + noise * random.standard_normal(image.shape), 0, 255)
    columns = readings("x", seen, 0)
    return pd.DataFrame({**columns, "cells": count, "diameter": np.round(2 * radius, 2)})


CELLS = Simulator(
    "Simulated micrographs: grey values of the pixels in reading order from 0 to 255; `cells` is how many cells there "
    "are, `diameter` their mean diameter in pixels.",
    simulate,
    {"side": (8, 24), "noise": (0.0, 100.0), "light": (0.0, 100.0), "spread": (0.0, 1.0)},
)
