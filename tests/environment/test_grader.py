"""Scoring tables: parts, resamples, determinism, and what cannot be scored."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tasks_for_tests import table

from mlgym_synth.environment.grader import LARGEST_SUBMISSION, Grader, shared_grader
from mlgym_synth.metrics.submission import SubmissionError
from mlgym_synth.tasks.suite import Task


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


def test_episodes_on_a_task_share_its_grader(csv_task: Task, code_task: Task) -> None:
    shared = shared_grader(csv_task)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: shared_grader(Task(csv_task.id, csv_task.suite)), range(8)))
    assert {id(grader) for grader in found} == {id(shared)}
    assert shared_grader(code_task) is not shared
    assert shared_grader(csv_task, "process", True) is not shared


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("yes", "nan", 1), "line 2: 'nan' is not one of the labels 'no', 'yes'"),
        (lambda text: text.replace("yes", "", 1), "line 2: '' is not one of the labels"),
        (lambda text: text.replace("yes", "1.5", 1), "line 2: '1.5' is not one of the labels"),
        (lambda text: text.rsplit("\n", 2)[0] + "\n", "1 of 30 test ids have no prediction, the first is "),
        (lambda text: text + "999999,yes\n", "line 32: '999999' is not an id of the test set"),
        (lambda text: text + text.splitlines()[1] + "\n", "occurs a second time"),
        (lambda text: text.replace("target", "label"), "the header is 'id,label' but has to be id,target"),
        (lambda text: text.replace("id,target\n", ""), "but has to be id,target"),
        (lambda text: text.replace("\n", ",0\n"), "the header is 'id,target,0' but has to be id,target"),
        (lambda text: text.replace("yes", '"y\nes"', 1), "line 3: 'y\\nes' is not one of the labels"),
        (lambda text: text.replace("yes", '"yes', 1), "is not CSV"),
        (lambda text: text + "\0", "is NUL: write plain UTF-8 text"),
        (
            lambda text: text + "x" * 40_000,
            "bytes, more than the 31744 accepted: write one short row",
        ),
        (lambda text: "x" * ((16 << 20) + 1), "the submission has more than 16777216 bytes"),
    ],
)
def test_each_mistake_is_told_so_that_it_can_be_mended(
    csv_grader: Grader, change: Callable[[str], str], message: str
) -> None:
    right = table(ids(csv_grader), ["yes"] * 30).decode()
    with pytest.raises(SubmissionError) as caught:
        csv_grader.evaluate(change(right).encode(), "public")
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: b"\xef\xbb\xbf" + content,
        lambda content: content.replace(b"\n", b"\r\n"),
        lambda content: content.replace(b"yes", b'"yes"'),
    ],
    ids=["byte order mark", "CRLF", "quotes"],
)
def test_what_other_tools_write_is_scored_the_same(csv_grader: Grader, change: Callable[[bytes], bytes]) -> None:
    right = table(ids(csv_grader), ["yes"] * 30)
    assert csv_grader.evaluate(change(right), "public") == csv_grader.evaluate(right, "public")


@pytest.mark.parametrize(
    "submission",
    [b"", b"\0\xff", b"id,target\n", b"a,b\n1,2\n", b"x" * (LARGEST_SUBMISSION + 1)],
    ids=["empty", "binary", "no rows", "other columns", "too large"],
)
def test_what_is_no_submission_is_a_submission_error_of_one_line(csv_grader: Grader, submission: bytes) -> None:
    with pytest.raises(SubmissionError) as caught:
        csv_grader.evaluate(submission, "public")
    assert "\n" not in str(caught.value)
