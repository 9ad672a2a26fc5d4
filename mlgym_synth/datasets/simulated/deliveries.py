"""Deliveries in a town whose duration is more uncertain the farther, the later and the wetter it is."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator, pick

VEHICLES = ["bicycle", "scooter", "van"]


def simulate(random: RandomState, rows: int, *, jams: float = 0.3, scatter: float = 0.25) -> pd.DataFrame:
    """Simulates one delivery a row.

    Args:
        random: Generator.
        rows: Deliveries.
        jams: Share of the deliveries in the rush hour that end up in a jam.
        scatter: Standard deviation of the logarithm of the time under way.
    """
    distance, stops = random.gamma(2, 2.2, rows), random.poisson(2, rows)
    vehicle = pick(random, VEHICLES, [3, 3, 2], rows)
    hour, weekday = random.randint(8, 22, rows), random.randint(0, 7, rows)
    rain, wind = np.maximum(random.normal(-0.5, 2, rows), 0), random.gamma(3, 5, rows)
    floor, parcels = random.randint(0, 7, rows), 1 + random.poisson(1.5, rows)
    speed = np.select([vehicle == "bicycle", vehicle == "scooter"], [13.0, 24.0], 42.0)
    rush = ((hour >= 16) & (hour <= 18)) | (hour == 8)
    rush &= weekday < 5
    wet = np.where(vehicle == "van", 0.02, 0.12) * rain + 0.25 * rush * (vehicle == "van")
    spread = scatter * (0.6 + 0.05 * distance + 0.15 * rain + 0.5 * rush)
    travel = 60 * distance / speed * np.exp(wet + 0.01 * wind * (vehicle == "bicycle"))
    jam = np.where(vehicle == "van", 1.0, 0.35) * rush * (random.random_sample(rows) < jams)
    minutes = travel * np.exp(spread * random.standard_normal(rows)) * (1 + jam * random.exponential(1.2, rows))
    minutes += stops * random.gamma(3, 1.2, rows) + (0.5 * floor + 0.6 * parcels) * random.gamma(4, 0.3, rows)
    return pd.DataFrame(
        {
            "distance_km": np.round(distance, 2),
            "stops": stops,
            "vehicle": vehicle,
            "hour": hour,
            "weekday": weekday,
            "rain": np.round(rain, 1),
            "wind": np.round(wind, 1),
            "floor": floor,
            "parcels": parcels,
            "minutes": np.round(minutes, 2),
        }
    )


DELIVERIES = Simulator(
    "Simulated deliveries: `distance_km`, `stops` before, `vehicle`, `hour`, `weekday` from 0 (Monday), `rain` in mm, "
    "`wind` in km/h, `floor` and number of `parcels`; `minutes` is how long it took.",
    simulate,
    {"jams": (0.0, 1.0), "scatter": (0.01, 1.0)},
)
