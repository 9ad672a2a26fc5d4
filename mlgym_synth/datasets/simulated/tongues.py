"""Sentences in twelve invented languages of three kinships, each with its own sounds and words."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator

LANGUAGES = ["alnic", "brethan", "corvish", "dunari", "elgate", "fennic"]
LANGUAGES += ["gorlan", "harthic", "ilvane", "jorrish", "keltar", "lomene"]
KINSHIPS = 3
CONSONANTS, VOWELS = "bdfghklmnprstvz", "aeiou"


def simulate(
    random: RandomState, rows: int, *, kinship: float = 0.5, words: int = 4, vocabulary: int = 300
) -> pd.DataFrame:
    """Simulates one sentence a row.

    Args:
        random: Generator.
        rows: Sentences.
        kinship: Share of the words that a language has from its kinship, with one sound changed.
        words: Words of a sentence.
        vocabulary: Words of a language.
    """
    ancestors = [_vocabulary(random, vocabulary) for _ in range(KINSHIPS)]
    languages = []
    for number in range(len(LANGUAGES)):
        own, ancestor = _vocabulary(random, vocabulary), ancestors[number % KINSHIPS]
        inherited = random.random_sample(vocabulary) < kinship
        old_sound, new_sound = random.choice(list(CONSONANTS), 2, replace=False)
        shift = str.maketrans(str(old_sound), str(new_sound))
        languages.append(
            [old.translate(shift) if keep else new for old, new, keep in zip(ancestor, own, inherited, strict=True)]
        )
    language = random.randint(0, len(LANGUAGES), rows)
    # frequent words first, as everywhere
    ranks = np.floor(vocabulary * random.random_sample((rows, words)) ** 2).astype(np.int64)
    texts = [
        " ".join(languages[tongue][rank] for rank in sentence) for tongue, sentence in zip(language, ranks, strict=True)
    ]
    return pd.DataFrame(
        {
            "text": pd.Series(texts, dtype=object),
            "language": pd.Series([LANGUAGES[tongue] for tongue in language], dtype=object),
        }
    )


def _vocabulary(random: RandomState, size: int) -> list[str]:
    """Words of syllables from a language's own inventory of sounds, some more frequent than others."""
    syllables = []
    first, second = random.gamma(0.5, 1, len(CONSONANTS)), random.gamma(1, 1, len(VOWELS))
    last = random.gamma(0.4, 1, len(CONSONANTS))
    closed = random.uniform(0.1, 0.6)
    for _ in range(60):
        end = CONSONANTS[_drawn(random, last)] if random.random_sample() < closed else ""
        syllables.append(CONSONANTS[_drawn(random, first)] + VOWELS[_drawn(random, second)] + end)
    lengths = 1 + random.randint(0, 3, size)
    return ["".join(syllables[random.randint(0, len(syllables))] for _ in range(length)) for length in lengths]


def _drawn(random: RandomState, weights: np.ndarray) -> int:
    return int(np.searchsorted(np.cumsum(weights)[:-1], random.random_sample() * weights.sum(), side="right"))


TONGUES = Simulator(
    "Simulated sentences in invented languages, in the column `text`; `language` is the language.",
    simulate,
    {"kinship": (0.0, 1.0), "words": (1, 20), "vocabulary": (50, 2000)},
)
