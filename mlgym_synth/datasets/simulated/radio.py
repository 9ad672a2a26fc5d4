"""Radio signals in five modulations, as in-phase and quadrature samples."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator, pick, readings

SAMPLES = 48
SYMBOL = 4
"""Samples of a symbol."""
KINDS = ["am", "bpsk", "fsk", "ook", "qpsk"]


def simulate(random: RandomState, rows: int, *, noise: float = 0.3, offset: float = 0.1) -> pd.DataFrame:
    """Simulates one recording a row.

    Args:
        random: Generator.
        rows: Recordings.
        noise: Noise of each of the two parts of a sample, relative to the signal's amplitude.
        offset: Standard deviation of the receiver's error of frequency, in radians a sample.
    """
    kind = pick(random, KINDS, [1] * len(KINDS), rows)
    symbols = np.repeat(random.randint(0, 4, (rows, SAMPLES // SYMBOL)), SYMBOL, axis=1)
    time = np.arange(SAMPLES)
    phase = np.select(
        [(kind == "bpsk")[:, None], (kind == "qpsk")[:, None], (kind == "fsk")[:, None]],
        [np.pi * (symbols % 2), np.pi / 2 * symbols, np.cumsum(0.4 * (2 * (symbols % 2) - 1), axis=1)],
        0.0,
    )
    tone = random.uniform(0.15, 0.5, rows)[:, None] * time + random.uniform(0, 2 * np.pi, (rows, 1))
    loud = np.select([(kind == "am")[:, None], (kind == "ook")[:, None]], [1 + 0.6 * np.sin(tone), symbols % 2], 1.0)
    gain = random.uniform(0.7, 1.4, (rows, 1))
    turned = phase + random.uniform(0, 2 * np.pi, (rows, 1)) + offset * random.standard_normal((rows, 1)) * time
    in_phase = gain * (loud * np.cos(turned) + noise * random.standard_normal((rows, SAMPLES)))
    quadrature = gain * (loud * np.sin(turned) + noise * random.standard_normal((rows, SAMPLES)))
    return pd.DataFrame({**readings("i", in_phase, 3), **readings("q", quadrature, 3), "modulation": kind})


RADIO = Simulator(
    "Simulated radio signals: `i_00`, … and `q_00`, … are the in-phase and quadrature parts of 48 samples, 4 to a "
    "symbol; `modulation` is how the signal carries its message.",
    simulate,
    {"noise": (0.0, 3.0), "offset": (0.0, 1.0)},
)
