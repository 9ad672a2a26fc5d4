"""Randomness that depends on a recipe's salt and on nothing else."""

from __future__ import annotations

import hashlib
import hmac

import numpy as np


def random_state(salt: str, purpose: str) -> np.random.RandomState:
    """A generator for one purpose; numpy never changes the stream of `RandomState`."""
    digest = hmac.digest(salt.encode(), purpose.encode(), "sha256")
    return np.random.RandomState(np.frombuffer(digest, dtype="<u4"))


def keyed_order(salt: str, rows: int) -> np.ndarray:
    """The row numbers 0 to rows-1, ordered by a keyed hash of each.

    Returns:
        Shape (rows,), int64: a permutation that nobody can repeat without the salt.
    """
    key = salt.encode()
    digests = [hmac.digest(key, b"row %d" % row, hashlib.sha256) for row in range(rows)]
    return np.array(sorted(range(rows), key=digests.__getitem__), dtype=np.int64)
