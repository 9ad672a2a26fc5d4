"""All simulators by name, and how one becomes a table."""

from __future__ import annotations

from typing import Any

from mlgym_synth.datasets.canonical import Table
from mlgym_synth.datasets.seeds import random_state
from mlgym_synth.datasets.simulated.calls import CALLS
from mlgym_synth.datasets.simulated.cells import CELLS
from mlgym_synth.datasets.simulated.claims import CLAIMS
from mlgym_synth.datasets.simulated.deliveries import DELIVERIES
from mlgym_synth.datasets.simulated.demand import DEMAND
from mlgym_synth.datasets.simulated.epidemics import EPIDEMICS
from mlgym_synth.datasets.simulated.exams import EXAMS
from mlgym_synth.datasets.simulated.flows import FLOWS
from mlgym_synth.datasets.simulated.gratings import GRATINGS
from mlgym_synth.datasets.simulated.heartbeats import HEARTBEATS
from mlgym_synth.datasets.simulated.matches import MATCHES
from mlgym_synth.datasets.simulated.movements import MOVEMENTS
from mlgym_synth.datasets.simulated.orbits import ORBITS
from mlgym_synth.datasets.simulated.payments import PAYMENTS
from mlgym_synth.datasets.simulated.pendulums import PENDULUMS
from mlgym_synth.datasets.simulated.predators import PREDATORS
from mlgym_synth.datasets.simulated.queues import QUEUES
from mlgym_synth.datasets.simulated.radio import RADIO
from mlgym_synth.datasets.simulated.ratings import RATINGS
from mlgym_synth.datasets.simulated.reactions import REACTIONS
from mlgym_synth.datasets.simulated.sensors import SENSORS
from mlgym_synth.datasets.simulated.simulator import Simulator
from mlgym_synth.datasets.simulated.tongues import TONGUES
from mlgym_synth.errors import InputError

SIMULATORS: dict[str, Simulator] = {
    "calls": CALLS,
    "cells": CELLS,
    "claims": CLAIMS,
    "deliveries": DELIVERIES,
    "demand": DEMAND,
    "epidemics": EPIDEMICS,
    "exams": EXAMS,
    "flows": FLOWS,
    "gratings": GRATINGS,
    "heartbeats": HEARTBEATS,
    "matches": MATCHES,
    "movements": MOVEMENTS,
    "orbits": ORBITS,
    "payments": PAYMENTS,
    "pendulums": PENDULUMS,
    "predators": PREDATORS,
    "queues": QUEUES,
    "radio": RADIO,
    "ratings": RATINGS,
    "reactions": REACTIONS,
    "sensors": SENSORS,
    "tongues": TONGUES,
}
DEFAULT_ROWS = 2000
MOST_ROWS = 20_000


def load(name: str, options: dict[str, Any]) -> Table:
    """Simulates one of SIMULATORS.

    Args:
        name: Name of the simulator.
        options: `seed`, a text, which has to stay as secret as the labels: with it, anybody who has this package can
            make them again; `rows`; and the simulator's own numbers.

    Raises:
        InputError: If there is no such option, or it is out of range.
    """
    simulator = SIMULATORS[name]
    chosen = {"rows": DEFAULT_ROWS, **options}
    seed = chosen.pop("seed", "0")
    if not isinstance(seed, str):
        raise InputError(f"simulated/{name} cannot have the seed {seed!r}", "give a text")
    ranges = {"rows": (100, MOST_ROWS), **simulator.ranges}
    for option, value in chosen.items():
        if option not in ranges:
            raise InputError(
                f"simulated/{name} has no option {option!r}", f"its options are seed, {', '.join(sorted(ranges))}"
            )
        _check(name, option, value, *ranges[option])
    frame = simulator.simulate(random_state(seed, f"simulated/{name}"), chosen.pop("rows"), **chosen)
    return Table(frame, "Apache-2.0", simulator.description)


def _check(name: str, option: str, value: Any, low: float, high: float) -> None:
    kind: Any = int if isinstance(low, int) else (int, float)
    if isinstance(value, bool) or not isinstance(value, kind) or not low <= value <= high:
        what = "a whole number" if kind is int else "a number"
        raise InputError(
            f"the option {option} of simulated/{name} cannot be {value!r}", f"choose {what} from {low} to {high}"
        )
