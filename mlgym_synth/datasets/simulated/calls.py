"""Calls to a call centre, hour by hour, each hour drawn from another of many years."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator, pick

DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def simulate(random: RandomState, rows: int, *, volume: float = 25.0, scatter: float = 0.05) -> pd.DataFrame:
    """Simulates one hour a row.

    Args:
        random: Generator.
        rows: Hours.
        volume: Calls in an average hour.
        scatter: Variance of the rate that no column explains, relative to its square.
    """
    hour, month = random.randint(6, 22, rows), random.randint(1, 13, rows)
    day = pick(random, DAYS, [1] * 7, rows)
    weekend = (day == "sat") | (day == "sun")
    temperature = 11 - 10 * np.cos(2 * np.pi * (month - 1) / 12) + random.normal(0, 4, rows)
    rain = np.maximum(random.normal(-1, 2.5, rows), 0)
    lines, since_letter = random.randint(1, 4, rows), random.randint(0, 30, rows)
    outage = random.random_sample(rows) < 0.08
    log_rate = np.log(volume) - 0.04 * (hour - np.where(weekend, 15, 10.5)) ** 2 + 0.9 * np.exp(-since_letter / 4)
    log_rate += 0.3 * (day == "mon") * (hour < 12) - 0.5 * weekend + 0.1 * (rain > 2) * (hour > 15)
    log_rate += outage * np.where((hour > 17) | weekend, 1.4, 0.6) + 0.03 * np.maximum(temperature - 22, 0)
    log_rate += 0.25 * (lines - 2)
    own = random.gamma(1 / scatter, scatter, rows)
    return pd.DataFrame(
        {
            "hour": hour,
            "month": month,
            "day": day,
            "temperature": np.round(temperature, 1),
            "rain": np.round(rain, 1),
            "lines": lines,
            "days_since_letter": since_letter,
            "outage": outage.astype(np.int64),
            "calls": random.poisson(own * np.exp(log_rate)),
        }
    )


CALLS = Simulator(
    "Simulated hours of a call centre: `hour` of the day, `month`, `day` of the week, `temperature` in degrees "
    "Celsius, `rain` in mm, number of product `lines` served, `days_since_letter` to the customers, and whether "
    "there was an `outage`; `calls` is the number of calls in that hour.",
    simulate,
    {"volume": (1.0, 500.0), "scatter": (0.001, 2.0)},
)
