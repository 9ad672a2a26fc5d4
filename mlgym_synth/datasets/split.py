"""Our own salted split: which row is hidden, where it stands and how it is called cannot be known without the salt."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlgym_synth.datasets.canonical import is_text
from mlgym_synth.datasets.seeds import keyed_order, random_state
from mlgym_synth.errors import InputError
from mlgym_synth.tasks.recipe import Split


@dataclass(frozen=True)
class Parts:
    """Row numbers of the parts, in the order in which they are written, and their ids."""

    train: np.ndarray
    train_ids: np.ndarray
    test: np.ndarray
    test_ids: np.ndarray
    public: np.ndarray
    """Shape (test rows,), bool: rows that `validate` scores."""


def split_rows(targets: pd.Series, split: Split) -> Parts:
    """Splits rows into training, public and private part.

    Labels (text) keep their share in all parts, and each occurs in the training and the test part. The order within
    a part and the ids are drawn apart from the choice of the part, so that neither tells anything about a row.

    Args:
        targets: One target a row.
        split: Salt and sizes.

    Raises:
        InputError: If the rows are too few for the sizes.
    """
    rows = len(targets)
    if split.public_rows >= split.test_rows:
        raise InputError(
            f"public_rows {split.public_rows} leaves none of the {split.test_rows} test rows private",
            "choose fewer public rows",
        )
    if split.test_rows >= rows:
        raise InputError(
            f"test_rows {split.test_rows} leaves none of {rows} distinct rows for training", "choose fewer test rows"
        )
    groups = pd.factorize(targets, sort=True)[0] if is_text(targets) else np.zeros(rows, dtype=np.int64)
    test = take_share(keyed_order(split.salt, rows), groups, split.test_rows, least=2, leave=1)
    rest = np.setdiff1d(np.arange(rows), test)
    rest = rest[random_state(split.salt, "train").permutation(len(rest))]
    if split.train_rows is not None and split.train_rows < len(rest):
        rest = _shuffled(take_share(rest, groups, split.train_rows, least=1, leave=0), split.salt, "train order")
    test = _shuffled(test, split.salt, "test order")
    public = take_share(_shuffled(test, split.salt, "public"), groups, split.public_rows, least=1, leave=1)
    ids = _ids(split.salt, len(rest) + len(test))
    return Parts(rest, ids[: len(rest)], test, ids[len(rest) :], np.isin(test, public))


def take_share(order: np.ndarray, groups: np.ndarray, count: int, least: int, leave: int) -> np.ndarray:
    """Takes rows from the head of an order so that every group gives its share.

    Args:
        order: Row numbers to take from.
        groups: Group of every row number, shape (all rows,), from 0.
        count: How many to take.
        least: Rows that every group gives at least, if `leave` lets it.
        leave: Rows that every group keeps.

    Returns:
        Shape (count,), row numbers.

    Raises:
        InputError: If the groups cannot give so many.
    """
    found, members = np.unique(groups[order], return_inverse=True)
    sizes = np.bincount(members)
    high = sizes - leave
    low = np.minimum(least, high)
    if not low.sum() <= count <= high.sum():
        raise InputError(
            f"cannot take {count} of {len(order)} rows: {len(found)} classes can give from {low.sum()} to {high.sum()}",
            "choose other sizes, or fewer classes",
        )
    shares = sizes * (count / len(order))
    quota = np.clip(np.floor(shares).astype(np.int64), low, high)
    while quota.sum() < count:
        quota[np.argmax(np.where(quota < high, shares - quota, -np.inf))] += 1
    while quota.sum() > count:
        quota[np.argmax(np.where(quota > low, quota - shares, -np.inf))] -= 1
    by_group = np.argsort(members, kind="stable")
    place_in_group = np.arange(len(order)) - (np.cumsum(sizes) - sizes)[members[by_group]]
    taken: np.ndarray = order[by_group[place_in_group < quota[members[by_group]]]]
    return taken


def _shuffled(rows: np.ndarray, salt: str, purpose: str) -> np.ndarray:
    return rows[random_state(salt, purpose).permutation(len(rows))]


def _ids(salt: str, count: int) -> np.ndarray:
    """Distinct whole numbers of equal length in random order."""
    smallest = 100_000
    while smallest < count:
        smallest *= 10
    return random_state(salt, "ids").choice(9 * smallest, size=count, replace=False) + smallest
