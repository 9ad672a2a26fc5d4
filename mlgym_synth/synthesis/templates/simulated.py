"""How families draw on the simulated sources: a seed nobody can guess, and options that are knobs."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping, Sequence
from typing import Any


def simulation(salt: str, rows: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """Options of a simulated source.

    Args:
        salt: Decides the seed. Who knows it can make the labels again, so it is as secret as they are.
        rows: How many rows to simulate.
        options: The system's parameters.
    """
    return {"seed": hashlib.sha256(f"{salt}\0simulation".encode()).hexdigest()[:32], "rows": rows, **options}


def draw_options(rng: random.Random, choices: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    """One value for every parameter of a system."""
    return {name: rng.choice(values) for name, values in choices.items()}
