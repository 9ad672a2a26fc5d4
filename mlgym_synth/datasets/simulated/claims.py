"""Claims on car insurance, with a duration of cover, a bonus that follows from the past, and young drivers."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator, pick

REGIONS = ["coast", "hills", "lakes", "moor", "north", "port", "south", "valley"]


def simulate(random: RandomState, rows: int, *, rate: float = 0.8, heterogeneity: float = 0.2) -> pd.DataFrame:
    """Simulates one policy a row.

    Args:
        random: Generator.
        rows: Policies.
        rate: Claims a year of an average policy.
        heterogeneity: Variance of the rate that no column explains, relative to its square.
    """
    effects = random.normal(0, 0.4, len(REGIONS))
    region = pick(random, REGIONS, [4, 2, 1, 1, 3, 2, 3, 2], rows)
    years = random.uniform(0.1, 1, rows)
    age = np.clip(np.round(18 + random.gamma(2.5, 12, rows)), 18, 90)
    power = np.clip(np.round(random.gamma(6, 16, rows)), 30, 300)
    vehicle_age = np.round(random.gamma(1.5, 4, rows))
    mileage = np.exp(random.normal(2.3, 0.5, rows))
    fuel = pick(random, ["petrol", "diesel", "electric"], [5, 4, 2], rows)
    young, old = np.maximum(28 - age, 0) / 10, np.maximum(age - 68, 0) / 15
    log_rate = effects[[REGIONS.index(name) for name in region]] + 1.0 * young + 0.9 * old
    log_rate += 1.2 * young * (power > 100) + 0.6 * np.log(mileage / 10) - 0.5 * (vehicle_age > 10)
    log_rate += 0.8 * (fuel == "electric") * (vehicle_age < 4)
    # else a handful of policies would have most of the claims
    log_rate = np.minimum(log_rate, 1.6)
    own = random.gamma(1 / heterogeneity, heterogeneity, rows)
    expected = rate * own * np.exp(log_rate)
    past = random.poisson(2 * expected)
    return pd.DataFrame(
        {
            "years": np.round(years, 3),
            "age": age,
            "power": power,
            "vehicle_age": vehicle_age,
            "mileage": np.round(mileage, 1),
            "fuel": fuel,
            "region": region,
            "bonus": np.round(np.clip(50 + 15 * past + random.normal(0, 5, rows), 50, 150)),
            "claims": random.poisson(years * expected),
        }
    )


CLAIMS = Simulator(
    "Simulated car insurance: `years` of cover, `age` of the driver, `power` of the engine in kW, `vehicle_age` in "
    "years, yearly `mileage` in 1000 km, `fuel`, `region`, and the `bonus`, which rises with earlier claims; `claims` "
    "is the number of claims during the cover.",
    simulate,
    {"rate": (0.05, 10.0), "heterogeneity": (0.01, 2.0)},
)
