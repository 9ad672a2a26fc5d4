"""Daily sales of articles: weeks that repeat, trends, promotions, and levels that change overnight."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator, readings

DAYS = 70


def simulate(
    random: RandomState,
    rows: int,
    *,
    volume: float = 30.0,
    weekly: float = 0.4,
    shifts: float = 0.3,
    promotions: float = 0.05,
) -> pd.DataFrame:
    """Simulates one article a row.

    Args:
        random: Generator.
        rows: Articles.
        volume: Median number of sales a day.
        weekly: How much the days of a week differ, as the standard deviation of the logarithm.
        shifts: Share of the articles whose sales change for good on one day.
        promotions: Share of the days with a promotion.
    """
    level = np.log(volume) + random.normal(0, 0.5, rows)
    trend, start = random.normal(0, 0.003, rows), random.randint(0, 7, rows)
    profile = weekly * random.standard_normal((rows, 7))
    change = np.where(random.random_sample(rows) < shifts, random.normal(0, 0.4, rows), 0)
    changed = random.randint(14, DAYS - 7, rows)
    mood = np.zeros(rows)
    sales = np.empty((rows, DAYS))
    for day in range(DAYS):
        mood = 0.7 * mood + 0.06 * random.standard_normal(rows)
        promoted = random.random_sample(rows) < promotions
        rate = level + trend * day + profile[np.arange(rows), (start + day) % 7] + mood
        rate += np.where(day >= changed, change, 0) + 0.7 * promoted
        sales[:, day] = random.poisson(np.exp(rate))
    return pd.DataFrame(readings("sales", sales, 0))


DEMAND = Simulator(
    "Simulated sales of articles in a shop: `sales_00`, `sales_01`, … are the pieces sold day by day.",
    simulate,
    {"volume": (1.0, 1000.0), "weekly": (0.0, 1.5), "shifts": (0.0, 1.0), "promotions": (0.0, 0.3)},
)
