"""Damped pendulums that swing freely, also beyond small angles."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator, readings

READINGS = 60
PERIOD = 0.1
"""Seconds between two readings."""
STEPS = 4
"""Steps of the integration between two readings."""
GRAVITY = 9.81


def simulate(
    random: RandomState, rows: int, *, noise: float = 3.0, amplitude: float = 120.0, friction: float = 0.4
) -> pd.DataFrame:
    """Simulates one pendulum a row.

    Args:
        random: Generator.
        rows: Pendulums.
        noise: Error of a reading, in degrees.
        amplitude: Largest angle at the beginning, in degrees.
        friction: Largest damping, in 1/s.
    """
    length, damping = random.uniform(0.3, 2.0, rows), random.uniform(0.02, friction, rows)
    angle = np.radians(random.uniform(0.2, 1, rows) * amplitude) * random.choice([-1.0, 1.0], rows)
    speed = random.normal(0, 0.5, rows)
    step = PERIOD / STEPS
    seen = np.empty((rows, READINGS))
    for reading in range(READINGS):
        seen[:, reading] = np.degrees(angle)
        for _ in range(STEPS):
            # the mid-point rule: the error of a reading is far below its noise
            pull = -GRAVITY / length * np.sin(angle) - damping * speed
            half_angle, half_speed = angle + step / 2 * speed, speed + step / 2 * pull
            angle = angle + step * half_speed
            speed = speed + step * (-GRAVITY / length * np.sin(half_angle) - damping * half_speed)
    columns = readings("angle", seen + noise * random.standard_normal(seen.shape), 1)
    columns["length_m"], columns["damping"] = np.round(length, 3), np.round(damping, 4)
    return pd.DataFrame(columns)


PENDULUMS = Simulator(
    "Simulated damped pendulums: `angle_00`, `angle_01`, … are readings of the angle in degrees every 0.1 s; "
    "`length_m` is the length in metres, `damping` the damping in 1/s.",
    simulate,
    {"noise": (0.0, 60.0), "amplitude": (10.0, 170.0), "friction": (0.05, 2.0)},
)
