from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlgym_synth.datasets.seeds import keyed_order, random_state
from mlgym_synth.datasets.split import split_rows, take_share
from mlgym_synth.errors import InputError
from mlgym_synth.metrics.functions import spearman
from mlgym_synth.tasks.recipe import Split


def _labels(sizes: list[int]) -> pd.Series:
    return pd.Series([f"c{place}" for place, size in enumerate(sizes) for _ in range(size)], dtype=object)


@given(
    st.lists(st.integers(8, 60), min_size=2, max_size=6),
    st.floats(0.2, 0.6),
    st.floats(0.2, 0.8),
    st.booleans(),
    st.text(min_size=1, max_size=5, alphabet="abc"),
)
def test_the_parts_are_a_partition_and_hold_every_label(
    sizes: list[int], test: float, public: float, capped: bool, salt: str
) -> None:
    targets = _labels(sizes)
    test_rows = max(2 * len(sizes), round(test * len(targets)))
    public_rows = min(max(len(sizes), round(public * test_rows)), test_rows - len(sizes))
    train_rows = (len(targets) - test_rows) // 2 if capped else None
    if capped and train_rows is not None and train_rows < len(sizes):
        return
    parts = split_rows(targets, Split(salt=salt, test_rows=test_rows, public_rows=public_rows, train_rows=train_rows))
    assert len(parts.test) == test_rows
    assert len(parts.train) == (train_rows if capped else len(targets) - test_rows)
    assert parts.public.sum() == public_rows
    assert len(np.unique(np.concatenate([parts.train, parts.test]))) == len(parts.train) + len(parts.test)
    ids = np.concatenate([parts.train_ids, parts.test_ids])
    assert len(np.unique(ids)) == len(ids) == len(parts.train) + len(parts.test)
    every = set(targets)
    assert set(targets[parts.train]) == every
    assert set(targets[parts.test[parts.public]]) == every
    assert set(targets[parts.test[~parts.public]]) == every
    share = targets[parts.test].value_counts() / targets.value_counts()
    assert share.max() - share.min() < 0.3


@pytest.mark.parametrize("targets", [pd.Series(np.arange(4000.0)), _labels([1000, 1000, 2000])])
def test_neither_place_nor_id_tells_the_target_or_the_row(targets: pd.Series) -> None:
    parts = split_rows(targets, Split(salt="s", test_rows=1500, public_rows=500))
    values = pd.factorize(targets, sort=True)[0].astype(float)
    for rows, ids in ((parts.train, parts.train_ids), (parts.test, parts.test_ids)):
        place = np.arange(float(len(rows)))
        assert abs(spearman(values[rows], ids.astype(float))) < 0.1
        assert abs(spearman(values[rows], place)) < 0.1
        assert abs(spearman(rows.astype(float), place)) < 0.1
        assert abs(spearman(ids.astype(float), place)) < 0.1
    assert abs(np.flatnonzero(parts.public).mean() - 750) < 75
    assert abs(parts.train_ids.mean() - parts.test_ids.mean()) < 0.1 * parts.train_ids.mean()


def test_another_salt_is_another_split() -> None:
    targets = pd.Series(np.arange(100.0))
    first, same, other = (
        split_rows(targets, Split(salt=salt, test_rows=40, public_rows=10)) for salt in ("a", "a", "b")
    )
    assert first.test.tolist() == same.test.tolist()
    assert first.test_ids.tolist() == same.test_ids.tolist()
    assert set(first.test) != set(other.test)
    assert set(first.test_ids) != set(other.test_ids)


@pytest.mark.parametrize(
    ("test_rows", "public_rows", "train_rows", "message"),
    [
        (60, 10, None, "leaves none of 60 distinct rows"),
        (30, 30, None, "leaves none of the 30 test rows private"),
        (3, 1, None, "cannot take 3 of 60 rows"),
        (59, 10, None, "cannot take 59 of 60 rows"),
        (30, 10, 1, "cannot take 1 of 30 rows"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(
    test_rows: int, public_rows: int, train_rows: int | None, message: str
) -> None:
    split = Split(salt="s", test_rows=test_rows, public_rows=public_rows, train_rows=train_rows)
    with pytest.raises(InputError, match=message):
        split_rows(_labels([20, 20, 20]), split)


def test_a_share_is_taken_from_the_head_of_the_order() -> None:
    order = np.array([5, 4, 3, 2, 1, 0])
    groups = np.array([0, 0, 0, 1, 1, 1])
    assert sorted(take_share(order, groups, 4, least=1, leave=1)) == [1, 2, 4, 5]
    assert sorted(take_share(order[:3], groups, 3, least=1, leave=0)) == [3, 4, 5]


def test_the_streams_never_change() -> None:
    assert keyed_order("salt", 8).tolist() == [2, 4, 0, 6, 7, 1, 5, 3]
    assert random_state("salt", "ids").randint(1000, size=4).tolist() == [291, 411, 635, 74]
