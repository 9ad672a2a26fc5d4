"""Queues with several servers and Poisson arrivals: what one customer saw on arriving, and how long it had to wait."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator

CUSTOMERS = 120
"""Customers of a day up to the one that is asked."""


def simulate(random: RandomState, rows: int, *, load: float = 0.9, servers: int = 5, skew: float = 1.0) -> pd.DataFrame:
    """Simulates one day with its own queue a row, so that no two rows share a customer.

    Args:
        random: Generator.
        rows: Days.
        load: Arrivals relative to what all servers can serve on average.
        servers: Largest number of servers.
        skew: Variation of the times of service: their standard deviation relative to their mean.
    """
    open_servers = random.randint(1, servers + 1, rows)
    mean_service = random.uniform(3, 12, rows)
    pressure = load * random.uniform(0.7, 1.2, rows)
    gaps = random.exponential(1, (rows, CUSTOMERS)) * (mean_service / open_servers / pressure)[:, None]
    arrivals = np.cumsum(gaps, axis=1)
    service = random.gamma(1 / skew**2, skew**2, (rows, CUSTOMERS)) * mean_service[:, None]
    free = np.where(np.arange(servers) < open_servers[:, None], 0.0, np.inf)
    begins = np.empty((rows, CUSTOMERS))
    every = np.arange(rows)
    for customer in range(CUSTOMERS):
        first = free.argmin(axis=1)
        begins[:, customer] = np.maximum(arrivals[:, customer], free[every, first])
        free[every, first] = begins[:, customer] + service[:, customer]
    asked = random.randint(CUSTOMERS // 3, CUSTOMERS, rows)
    now = arrivals[every, asked]
    earlier = np.arange(CUSTOMERS) < asked[:, None]
    waiting = (earlier & (begins > now[:, None])).sum(axis=1)
    busy = (earlier & (begins <= now[:, None]) & (begins + service > now[:, None])).sum(axis=1)
    last_wait = (begins - arrivals)[every, asked - 1]
    recent = (earlier & (arrivals > now[:, None] - 15)).sum(axis=1)
    return pd.DataFrame(
        {
            "servers": open_servers,
            "busy": busy,
            "waiting": waiting,
            "recent_arrivals": recent,
            "mean_service": np.round(mean_service * np.exp(random.normal(0, 0.1, rows)), 2),
            "last_wait": np.round(last_wait, 2),
            "minutes_open": np.round(now, 1),
            "wait": np.round(begins[every, asked] - now, 2),
        }
    )


QUEUES = Simulator(
    "Simulated customers, each of another queue: number of `servers`, how many are `busy`, customers already "
    "`waiting`, `recent_arrivals` within 15 minutes, an estimate of the `mean_service` in minutes, `last_wait`, what "
    "the customer before had to wait, and `minutes_open`; `wait` is the wait in minutes.",
    simulate,
    {"load": (0.3, 1.5), "servers": (2, 20), "skew": (0.2, 2.0)},
)
