"""One episode's grading: budget, finality, and which submission counts."""

from __future__ import annotations

import numpy as np
import pytest
from tasks_for_tests import table

from mlgym_synth.environment.grader import Grader
from mlgym_synth.environment.grading import Grading


@pytest.fixture
def grading(csv_grader: Grader) -> Grading:
    return Grading(csv_grader)


def right(grader: Grader, private: int, public: int = 15) -> bytes:
    """A submission with so many right rows in each part."""
    assert grader.prepared is not None
    labels = grader.prepared.labels()
    truth = np.array(labels.targets)
    predictions = np.where(truth == "yes", "no", "yes").astype(truth.dtype)
    for part, count in ((labels.public, public), (~labels.public, private)):
        rows = np.flatnonzero(part)[:count]
        predictions[rows] = truth[rows]
    return table(list(labels.ids), predictions)


def nothing() -> None:
    return None


def test_validate_tells_the_public_score_and_nothing_private(grading: Grading, csv_grader: Grader) -> None:
    answer = grading.validate(right(csv_grader, private=3, public=6))
    assert answer == {
        "ok": True,
        "score": 0.4,
        "metric": "accuracy",
        "direction": "max",
        "left": 2,
    }


def test_an_invalid_submission_costs_no_validation(grading: Grading, csv_grader: Grader) -> None:
    answer = grading.validate(b"nonsense")
    assert not answer["ok"]
    assert answer["left"] == 3
    assert grading.validate(right(csv_grader, 5))["left"] == 2


def test_the_budget_ends_validations_but_not_submission(grading: Grading, csv_grader: Grader) -> None:
    for private in (1, 2, 3):
        assert grading.validate(right(csv_grader, private))["ok"]
    assert grading.validate(right(csv_grader, 15)) == {
        "ok": False,
        "error": "no validations are left: submit your best",
        "left": 0,
    }
    assert grading.submit(right(csv_grader, 4))["ok"]
    settlement = grading.settle(nothing)
    assert settlement.score == pytest.approx(4 / 15)
    assert settlement.best == pytest.approx(4 / 15)


def test_submit_is_final_and_its_receipt_holds_no_score(grading: Grading, csv_grader: Grader) -> None:
    answer = grading.submit(right(csv_grader, 7))
    assert answer["ok"]
    assert set(answer) == {"ok", "receipt"}
    assert set(answer["receipt"]) == {"task", "bytes", "sha256"}
    assert grading.submitted
    assert not grading.submit(right(csv_grader, 15))["ok"]
    assert not grading.validate(right(csv_grader, 15))["ok"]
    assert grading.settle(nothing).score == pytest.approx(7 / 15)


def test_an_invalid_submission_does_not_end_the_episode(grading: Grading, csv_grader: Grader) -> None:
    assert not grading.submit(b"nonsense")["ok"]
    assert not grading.submitted
    assert grading.submit(right(csv_grader, 7))["ok"]


def test_the_best_of_all_is_kept_but_the_submitted_one_counts(grading: Grading, csv_grader: Grader) -> None:
    grading.validate(right(csv_grader, 9))
    grading.validate(right(csv_grader, 12))
    grading.submit(right(csv_grader, 9))
    settlement = grading.settle(nothing)
    assert settlement.score == pytest.approx(9 / 15)
    assert settlement.best == pytest.approx(12 / 15)


def test_without_submit_the_last_validated_counts_before_the_leftover(grading: Grading, csv_grader: Grader) -> None:
    grading.validate(right(csv_grader, 9))
    grading.validate(right(csv_grader, 2))
    grading.validate(b"nonsense")
    assert grading.settle(lambda: right(csv_grader, 15)).score == pytest.approx(2 / 15)


def test_without_any_the_leftover_counts_if_it_is_valid(csv_grader: Grader) -> None:
    assert Grading(csv_grader).settle(lambda: right(csv_grader, 8)).score == pytest.approx(8 / 15)
    assert Grading(csv_grader).settle(lambda: b"nonsense").score is None
    assert Grading(csv_grader).settle(nothing).best is None


def test_nothing_is_taken_after_the_end(grading: Grading, csv_grader: Grader) -> None:
    grading.settle(nothing)
    assert not grading.submit(right(csv_grader, 15))["ok"]
    assert not grading.validate(right(csv_grader, 15))["ok"]
    assert not grading.submitted
