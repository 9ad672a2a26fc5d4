"""Epidemics: susceptible, exposed, infectious and recovered people of a town, seen through weekly reports."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator, readings

WEEKS = 32
INHABITANTS = 100_000


def simulate(
    random: RandomState, rows: int, *, reporting: float = 0.5, dispersion: float = 0.05, measures: float = 0.3
) -> pd.DataFrame:
    """Simulates one epidemic a row.

    Args:
        random: Generator.
        rows: Towns.
        reporting: Mean share of the cases that are reported.
        dispersion: Variance of the reports beyond chance, relative to their squared mean.
        measures: Share of the towns that take measures against transmission after some weeks.
    """
    reproduction = random.uniform(1.3, 3.2, rows)
    infectious, incubation = random.uniform(3, 9, rows), random.uniform(2, 6, rows)
    share = reporting * random.uniform(0.6, 1.4, rows)
    begin = np.where(random.random_sample(rows) < measures, random.randint(6, 20, rows), WEEKS)
    effect = random.uniform(0.3, 0.6, rows)
    exposed, ill = random.uniform(5, 80, rows) / INHABITANTS, random.uniform(5, 80, rows) / INHABITANTS
    susceptible = random.uniform(0.7, 1, rows) - exposed - ill
    reports = np.empty((rows, WEEKS))
    for week in range(WEEKS):
        contact = reproduction / infectious * np.where(week >= begin, 1 - effect, 1)
        cases = np.zeros(rows)
        for _ in range(7):
            infected, falling_ill, recovered = contact * susceptible * ill, exposed / incubation, ill / infectious
            susceptible = susceptible - infected
            exposed = exposed + infected - falling_ill
            ill = ill + falling_ill - recovered
            cases += falling_ill
        scatter = random.gamma(1 / dispersion, dispersion, rows)
        reports[:, week] = random.poisson(INHABITANTS * share * cases * scatter)
    columns = readings("cases", reports, 0)
    columns["reproduction_number"] = np.round(reproduction, 3)
    columns["infectious_days"] = np.round(infectious, 2)
    return pd.DataFrame(columns)


EPIDEMICS = Simulator(
    "Simulated epidemics in towns of 100 000 people: `cases_00`, `cases_01`, … are the cases reported week by week; "
    "`reproduction_number` and `infectious_days` are those of the disease.",
    simulate,
    {"reporting": (0.05, 0.7), "dispersion": (0.001, 1.0), "measures": (0.0, 1.0)},
)
