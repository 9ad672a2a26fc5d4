"""Ratings of films by viewers whose tastes have a few dimensions; everybody sees rather what they like."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator, check_pairs

GENRES = ["comedy", "crime", "drama", "history", "romance", "space"]


def simulate(
    random: RandomState,
    rows: int,
    *,
    viewers: int = 120,
    films: int = 80,
    tastes: int = 3,
    taste: float = 1.0,
    noise: float = 0.5,
) -> pd.DataFrame:
    """Simulates one rating a row; no viewer rates a film twice.

    Args:
        random: Generator.
        rows: Ratings, at most viewers times films.
        viewers: How many viewers there are.
        films: How many films there are.
        tastes: Dimensions of taste.
        taste: How much taste decides, as a standard deviation in points.
        noise: Standard deviation of what a viewer's mood adds, in points.
    """
    check_pairs(rows, viewers, films)
    kind = random.randint(0, len(GENRES), films)
    quality, kindness = random.normal(0, 0.6, films), random.normal(0, 0.6, viewers)
    centres = random.standard_normal((len(GENRES), tastes))
    likes, traits = random.standard_normal((viewers, tastes)), centres[kind] + random.standard_normal((films, tastes))
    match = sum(likes[:, place, None] * traits[:, place] for place in range(tastes)) / np.sqrt(2 * tastes)
    score = 3.2 + kindness[:, None] + quality + taste * match
    eager = random.gumbel(size=score.shape) + 0.5 * score
    pairs = np.argsort(-eager, axis=None, kind="stable")[:rows]
    pairs = pairs[random.permutation(len(pairs))]
    viewer, film = np.divmod(pairs, films)
    stars = np.round(score[viewer, film] + noise * random.standard_normal(len(pairs)))
    return pd.DataFrame(
        {
            "viewer": pd.Series([f"v{number:03d}" for number in viewer], dtype=object),
            "film": pd.Series([f"f{number:03d}" for number in film], dtype=object),
            "genre": pd.Series([GENRES[kind[number]] for number in film], dtype=object),
            "stars": np.clip(stars, 1, 5).astype(np.int64),
        }
    )


RATINGS = Simulator(
    "Simulated ratings: `viewer`, `film` and its `genre`; `stars` is the rating from 1 to 5.",
    simulate,
    {"viewers": (20, 1000), "films": (20, 1000), "tastes": (1, 10), "taste": (0.0, 3.0), "noise": (0.0, 3.0)},
)
