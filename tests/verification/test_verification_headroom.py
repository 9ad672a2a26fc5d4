"""Anchors, gaps and the checks on them, on evaluations whose statistics are known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.tasks.recipe import Scoring
from mlgym_synth.verification.headroom import SIGMAS, Evaluation, measure_headroom

ACCURACY = Scoring(metric="accuracy", direction="max", limit=1.0)
ERROR = Scoring(metric="error", direction="min", limit=0.0)
UNBOUNDED = Scoring(metric="return", direction="max")


@dataclass(frozen=True)
class Cases:
    """A submission whose score is the mean over cases, as a judge's is."""

    values: np.ndarray

    @property
    def score(self) -> float:
        return float(self.values.mean())

    @property
    def size(self) -> int:
        return len(self.values)

    def resampled(self, indices: np.ndarray) -> float:
        return float(self.values[indices].mean())


def right(share: float, size: int = 400) -> Evaluation:
    """A submission that has a share of its rows right, spread evenly."""
    return Cases((np.arange(size) * share % 1.0 < share).astype(float))


def verdicts(controls, baseline, reference, scoring=ACCURACY) -> dict[str, Verdict]:
    headroom = measure_headroom(controls, baseline, reference, scoring)
    return {check.name: check.verdict for check in headroom.checks}


def test_sound_task_passes_all_checks():
    found = verdicts({"majority": [right(0.3)]}, [right(0.6)], [right(0.9)])
    assert set(found.values()) == {Verdict.PASS}


def test_floor_is_the_best_control_plus_three_standard_errors():
    controls = {"poor": [right(0.1)], "majority": [right(0.3)]}
    anchors = measure_headroom(controls, [right(0.6)], [right(0.9)], ACCURACY).anchors
    share = right(0.3).score
    assert anchors.floor == pytest.approx(share + SIGMAS * np.sqrt(share * (1 - share) / 400), rel=0.02)
    assert (anchors.baseline, anchors.reference) == (right(0.6).score, right(0.9).score)


def test_standard_error_of_a_random_control_is_that_of_one_draw():
    draws = [Cases(np.full(50, value)) for value in (0.1, 0.2, 0.3)]
    anchors = measure_headroom({"random": draws}, [right(0.8, 50)], [right(0.9, 50)], ACCURACY).anchors
    assert anchors.floor == pytest.approx(0.2 + SIGMAS * np.std([0.1, 0.2, 0.3]), rel=0.05)


def test_lower_is_better():
    controls = {"mean": [Cases(np.linspace(8, 12, 200))], "wild": [Cases(np.linspace(80, 120, 200))]}
    baseline, reference = [Cases(np.linspace(4, 6, 200))], [Cases(np.linspace(1, 3, 200))]
    headroom = measure_headroom(controls, baseline, reference, ERROR)
    assert 9 < headroom.anchors.floor < 10
    assert all(gap.low > 0 for gap in headroom.gaps)
    assert all(check.verdict is Verdict.PASS for check in headroom.checks)


def test_rows_are_paired_so_that_shared_difficulty_does_not_widen_the_gap():
    difficulty = np.random.default_rng(1).normal(0, 100, 300)
    controls = {"idle": [Cases(difficulty - 10_000)]}
    headroom = measure_headroom(controls, [Cases(difficulty)], [Cases(difficulty + 500.0)], UNBOUNDED)
    gap = headroom.gaps[1]
    assert (gap.low, gap.high) == (pytest.approx(500.0), pytest.approx(500.0))


def test_seeds_widen_the_gap():
    steady = measure_headroom({"c": [right(0.1)]}, [right(0.5)], [right(0.8)] * 3, ACCURACY).gaps[1]
    runs = [right(0.7), right(0.8), right(0.9)]
    varied = measure_headroom({"c": [right(0.1)]}, [right(0.5)], runs, ACCURACY).gaps[1]
    assert varied.high - varied.low > 1.2 * (steady.high - steady.low)


@pytest.mark.parametrize(
    ("baseline", "reference", "failed"),
    [
        (0.3, 0.9, "floor to baseline"),
        (0.33, 0.9, "floor to baseline"),
        (0.6, 0.6, "baseline to reference"),
        (0.6, 0.5, "baseline to reference"),
        (0.6, 1.0, "room above the reference"),
    ],
)
def test_each_fault_fails_its_own_check(baseline, reference, failed):
    found = verdicts({"majority": [right(0.3)]}, [right(baseline)], [right(reference)])
    assert [name for name, verdict in found.items() if verdict is Verdict.FAIL] == [failed]


def test_gain_that_is_sure_but_tiny_fails():
    values = np.linspace(0, 1, 500)
    found = verdicts({"c": [Cases(values - 100)]}, [Cases(values)], [Cases(values + 0.2)], UNBOUNDED)
    assert found["baseline to reference"] is Verdict.FAIL


def test_reference_below_floor_fails_without_an_exception():
    found = verdicts({"majority": [right(0.9)]}, [right(0.5)], [right(0.3)])
    assert found["floor to baseline"] is Verdict.FAIL
    assert found["baseline to reference"] is Verdict.FAIL


def test_constant_scores_fail_without_an_exception():
    found = verdicts({"c": [right(1.0)]}, [right(1.0)], [right(1.0)])
    assert set(found.values()) == {Verdict.FAIL}


def test_same_evaluations_give_the_same_numbers():
    def measure():
        return measure_headroom({"c": [right(0.2)]}, [right(0.5), right(0.6)], [right(0.8)], ACCURACY)

    assert measure() == measure()
