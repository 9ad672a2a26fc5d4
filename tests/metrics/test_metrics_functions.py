from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from mlgym_synth.metrics import functions

Pair = tuple[np.ndarray, np.ndarray]

LABELS = st.lists(st.tuples(*[st.sampled_from(["a", "b", "é", "10", "9"])] * 2), min_size=1, max_size=60)
GRADES = st.lists(st.tuples(*[st.integers(-2, 6)] * 2), min_size=1, max_size=60)
FINITE = st.floats(-1e6, 1e6, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-6)
NUMBERS = st.lists(st.tuples(FINITE, FINITE), min_size=1, max_size=60)
COARSE = st.lists(st.tuples(*[st.integers(0, 4).map(float)] * 2), min_size=2, max_size=60)


def _pair(rows: list[tuple[object, object]]) -> Pair:
    truth, predicted = zip(*rows, strict=True)
    return np.array(truth), np.array(predicted)


def _quiet(function, *arguments, **options):  # type: ignore[no-untyped-def]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


@given(LABELS)
def test_label_metrics_equal_scikit_learn(rows: list[tuple[object, object]]) -> None:
    truth, predicted = _pair(rows)
    same = pytest.approx
    assert functions.accuracy(truth, predicted) == same(sk.accuracy_score(truth, predicted), abs=1e-12)
    assert functions.balanced_accuracy(truth, predicted) == same(
        _quiet(sk.balanced_accuracy_score, truth, predicted), abs=1e-12
    )
    assert functions.macro_f1(truth, predicted) == same(
        _quiet(sk.f1_score, truth, predicted, average="macro", zero_division=0), abs=1e-12
    )
    assert functions.mcc(truth, predicted) == same(_quiet(sk.matthews_corrcoef, truth, predicted), abs=1e-12)


@given(GRADES)
def test_kappa_equals_scikit_learn_over_the_whole_range_of_grades(rows: list[tuple[int, int]]) -> None:
    truth, predicted = _pair(rows)
    if len(set(truth) | set(predicted)) == 1:
        expected = 0.0
    else:
        every = np.arange(min(truth.min(), predicted.min()), max(truth.max(), predicted.max()) + 1)
        expected = _quiet(sk.cohen_kappa_score, truth, predicted, labels=every, weights="quadratic")
    found = functions.quadratic_kappa(truth.astype(str), predicted.astype(str))
    assert found == pytest.approx(expected, rel=1e-12, abs=1e-12)


@given(st.one_of(NUMBERS, COARSE))
def test_number_metrics_equal_scikit_learn(rows: list[tuple[float, float]]) -> None:
    truth, predicted = _pair(rows)
    same = pytest.approx
    assert functions.rmse(truth, predicted) == same(sk.root_mean_squared_error(truth, predicted), rel=1e-12)
    assert functions.mae(truth, predicted) == same(sk.mean_absolute_error(truth, predicted), rel=1e-12)
    assert functions.median_ae(truth, predicted) == same(sk.median_absolute_error(truth, predicted), rel=1e-12)
    constant = len(set(truth)) == 1
    expected = 0.0 if constant else sk.r2_score(truth, predicted)
    assert functions.r2(truth, predicted) == same(expected, rel=1e-12, abs=1e-12)


@given(st.one_of(NUMBERS, COARSE))
def test_spearman_equals_scipy(rows: list[tuple[float, float]]) -> None:
    truth, predicted = _pair(rows)
    constant = len(set(truth)) == 1 or len(set(predicted)) == 1
    expected = 0.0 if constant else stats.spearmanr(truth, predicted).statistic
    assert functions.spearman(truth, predicted) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0.01, 1e4)), min_size=1, max_size=60))
def test_poisson_deviance_equals_scikit_learn(rows: list[tuple[int, float]]) -> None:
    truth, predicted = _pair(rows)
    expected = sk.mean_poisson_deviance(truth, predicted)
    assert functions.poisson_deviance(truth.astype(float), predicted) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@given(st.one_of(NUMBERS, COARSE))
def test_pinball_loss_equals_scikit_learn(rows: list[tuple[float, float]]) -> None:
    truth, predicted = _pair(rows)
    for level, function in ((0.1, functions.pinball_10), (0.9, functions.pinball_90)):
        assert function(truth, predicted) == pytest.approx(
            sk.mean_pinball_loss(truth, predicted, alpha=level), rel=1e-12
        )


@given(st.lists(st.tuples(st.integers(0, 1).map(float), st.integers(0, 8).map(lambda x: x / 8)), min_size=1))
def test_metrics_of_events_equal_scikit_learn(rows: list[tuple[float, float]]) -> None:
    truth, predicted = _pair(rows)
    same = pytest.approx
    assert functions.log_loss(truth, predicted) == same(sk.log_loss(truth, predicted, labels=[0, 1]), rel=1e-9)
    assert functions.average_precision(truth, predicted) == same(
        _quiet(sk.average_precision_score, truth, predicted), abs=1e-12
    )
    expected = 0.5 if len(set(truth)) == 1 else sk.roc_auc_score(truth, predicted)
    assert functions.roc_auc(truth, predicted) == same(expected, abs=1e-12)


def test_impossible_predictions_of_counts_and_probabilities_are_clipped() -> None:
    assert functions.poisson_deviance(np.array([1.0]), np.array([-3.0])) == functions.poisson_deviance(
        np.array([1.0]), np.array([1e-6])
    )
    assert functions.log_loss(np.array([1.0]), np.array([7.0])) == pytest.approx(0, abs=1e-12)
    assert 30 < functions.log_loss(np.array([1.0]), np.array([-7.0])) < 40


@pytest.mark.parametrize("value", [0.1, 0.3, 1e15 + 0.3])
def test_a_constant_truth_is_seen_in_spite_of_rounding(value: float) -> None:
    truth = np.full(7, value)
    assert functions.r2(truth, np.arange(7.0)) == 0.0
    assert functions.spearman(truth, np.arange(7.0)) == 0.0


def test_constant_labels_score_nothing() -> None:
    same = np.array(["1", "1", "1"])
    assert functions.mcc(same, same) == 0.0
    assert functions.quadratic_kappa(same, same) == 0.0
    assert functions.mcc(np.array(["1", "2", "1"]), same) == 0.0
