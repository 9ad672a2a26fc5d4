"""Scoring tables: parts, resamples, determinism, and what cannot be scored."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tasks_for_tests import table

from mlgym_synth.environment.grader import LARGEST_SUBMISSION, Grader
from mlgym_synth.metrics.submission import SubmissionError


def ids(grader: Grader) -> list[str]:
    assert grader.prepared is not None
    return list(grader.prepared.labels().ids)


def test_each_part_is_scored_on_its_own_rows(csv_grader: Grader) -> None:
    assert csv_grader.prepared is not None
    labels = csv_grader.prepared.labels()
    other = {"yes": "no", "no": "yes"}
    wrong_in_public = [
        other[target] if public else target for target, public in zip(labels.targets, labels.public, strict=True)
    ]
    submission = table(list(labels.ids), wrong_in_public)
    assert csv_grader.evaluate(submission, "public").score == 0.0
    assert csv_grader.evaluate(submission, "private").score == 1.0
    assert csv_grader.evaluate(submission, "public").size == 15
    assert csv_grader.evaluate(submission, "private").size == 15


def test_a_resample_is_scored_on_the_rows_it_draws(csv_grader: Grader) -> None:
    assert csv_grader.prepared is not None
    labels = csv_grader.prepared.labels()
    predictions = list(labels.targets)
    private = np.flatnonzero(~labels.public)
    predictions[private[0]] = "no" if predictions[private[0]] == "yes" else "yes"
    evaluation = csv_grader.evaluate(table(list(labels.ids), predictions), "private")
    assert evaluation.score == pytest.approx(14 / 15)
    assert evaluation.resampled(np.arange(15)) == evaluation.score
    assert evaluation.resampled(np.zeros(15, dtype=int)) == 0.0
    assert evaluation.resampled(np.array([0, 1, 1, 1])) == 0.75


def test_threads_get_the_same_scores(csv_grader: Grader) -> None:
    submission = table(ids(csv_grader), ["yes"] * 30)
    expected = csv_grader.evaluate(submission, "private").score
    with ThreadPoolExecutor(4) as threads:
        scores = threads.map(lambda _: csv_grader.evaluate(submission, "private").score, range(20))
        assert set(scores) == {expected}


@pytest.mark.parametrize(
    "submission",
    [b"", b"\0\xff", b"id,target\n", b"a,b\n1,2\n", b"x" * (LARGEST_SUBMISSION + 1)],
    ids=["empty", "binary", "no rows", "other columns", "too large"],
)
def test_what_is_no_submission_is_a_submission_error_of_one_line(csv_grader: Grader, submission: bytes) -> None:
    with pytest.raises(SubmissionError) as caught:
        csv_grader.evaluate(submission, "public")
    assert "\n" not in str(caught.value)
