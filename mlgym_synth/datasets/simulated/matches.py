"""Matches between two players whose strength depends on the court."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator, logistic

COURTS = ["clay", "grass", "hall"]


def simulate(
    random: RandomState, rows: int, *, players: int = 60, spread: float = 1.0, courts: float = 0.8, home: float = 0.4
) -> pd.DataFrame:
    """Simulates one match a row.

    Args:
        random: Generator.
        rows: Matches.
        players: How many players there are.
        spread: How much players differ, as a standard deviation of the log odds.
        courts: How much a player's strength differs from court to court, likewise.
        home: Advantage of playing at home, likewise.
    """
    strength = spread * random.standard_normal((players, 1)) + courts * random.standard_normal((players, len(COURTS)))
    first = random.randint(0, players, rows)
    second = (first + random.randint(1, players, rows)) % players
    court, at_home = random.randint(0, len(COURTS), rows), random.randint(-1, 2, rows)
    days = random.randint(0, 365, rows)
    odds = strength[first, court] - strength[second, court] + home * at_home
    return pd.DataFrame(
        {
            "first": pd.Series([f"p{number:03d}" for number in first], dtype=object),
            "second": pd.Series([f"p{number:03d}" for number in second], dtype=object),
            "court": pd.Series([COURTS[number] for number in court], dtype=object),
            "home": at_home,
            "day": days,
            "won": (random.random_sample(rows) < logistic(odds)).astype(np.int64),
        }
    )


MATCHES = Simulator(
    "Simulated matches: `first` and `second` player, `court`, `home` (1 where the first player is at home, -1 where "
    "the second is, else 0) and `day` of the season; `won` is 1 where the first player won.",
    simulate,
    {"players": (10, 500), "spread": (0.0, 3.0), "courts": (0.0, 3.0), "home": (0.0, 2.0)},
)
