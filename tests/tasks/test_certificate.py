from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlgym_synth.tasks.certificate import NO_SUBMISSION_COST, REWARD_RANGE, Anchors

SCORES = st.floats(-1e6, 1e6)


def anchors(floor: float, reference: float) -> Anchors:
    direction = "max" if reference > floor else "min"
    return Anchors(metric="m", direction=direction, floor=floor, baseline=(floor + reference) / 2, reference=reference)


@pytest.mark.parametrize(("floor", "reference"), [(0.5, 0.9), (20.0, 5.0), (-3.0, -1.0)])
def test_reward_is_linear_between_floor_and_reference(floor: float, reference: float) -> None:
    measure = anchors(floor, reference)
    assert measure.reward(floor) == 0.0
    assert measure.reward(reference) == 1.0
    assert measure.reward((floor + reference) / 2) == pytest.approx(0.5)
    assert measure.reward(None) == -NO_SUBMISSION_COST


@given(floor=SCORES, reference=SCORES, one=SCORES, two=SCORES)
def test_a_better_score_never_earns_less(floor: float, reference: float, one: float, two: float) -> None:
    if abs(floor - reference) < 1e-6:
        return
    measure = anchors(floor, reference)
    low, high = sorted((one, two), key=lambda score: score if measure.direction == "max" else -score)
    assert REWARD_RANGE[0] <= measure.reward(low) <= measure.reward(high) <= REWARD_RANGE[1]
