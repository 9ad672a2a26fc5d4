"""The grader: the only source of scores. Labels and judges stay on this side of the sandbox."""

from __future__ import annotations

import math
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np

from mlgym_synth.environment.boxes import judge_code
from mlgym_synth.environment.readers import TableReader
from mlgym_synth.errors import GradingError
from mlgym_synth.metrics.registry import get_metric
from mlgym_synth.metrics.submission import SubmissionError
from mlgym_synth.tasks.recipe import CsvSubmission, Data
from mlgym_synth.tasks.suite import Task, TaskFiles

if TYPE_CHECKING:
    from mlgym_synth.datasets.prepare import Prepared

Part = Literal["public", "private"]
LARGEST_SUBMISSION = 16 << 20
"""Bytes that are taken from a sandbox at most; the parser of a task's own submissions is stricter."""


@dataclass(frozen=True)
class Evaluation:
    """A scored submission that can be scored again on resampled cases."""

    score: float
    size: int
    """Number of test rows, or of the judge's cases, in the scored part."""
    _resample: Callable[[np.ndarray], float] = field(repr=False, compare=False)

    def resampled(self, indices: np.ndarray) -> float:
        """The score on the cases at `indices`, for bootstrap intervals.

        Args:
            indices: Integers in [0, size), repeats allowed, shape (n,).
        """
        return self._resample(indices)


class Grader:
    """Scores submissions to one task. Holds no state of an episode, so threads and episodes may share it.

    Args:
        task: The task, on disk or a draft in memory.
        provider: Where code submissions and their judge run, as in `sandboxes.create`.
        allow_unsafe: Whether that may be a provider that isolates nothing.

    Raises:
        DataError: If the task's data cannot be prepared.
    """

    def __init__(self, task: Task | TaskFiles, provider: str = "auto", allow_unsafe: bool = False) -> None:
        self.files = task.files if isinstance(task, Task) else task
        self.recipe = self.files.recipe
        self.prepared: Prepared | None = None
        """The task's data, or None for tasks without."""
        shape = self.recipe.submission
        if isinstance(shape, CsvSubmission):
            from mlgym_synth.datasets.prepare import prepare  # brings pandas, which registration can do without

            self.prepared = prepare(self.recipe)
            labels = self.prepared.labels()
            self._public = labels.public
            assert isinstance(self.recipe.data, Data)
            self._reader = TableReader(
                labels.ids, shape.id_column, self.recipe.data.target, shape.target_kind, shape.labels
            )
            self._truth = np.array(labels.targets, np.float64 if shape.target_kind == "number" else np.str_)
        self._provider = provider
        self._allow_unsafe = allow_unsafe

    def evaluate(self, submission: bytes, part: Part) -> Evaluation:
        """Scores a submission; equal submissions get equal scores.

        Args:
            submission: Content of the submission file. Hostile.
            part: `public` is what an agent may see the score of, `private` is what counts.

        Raises:
            SubmissionError: If it cannot be scored; the message tells its author what to mend.
            GradingError: If the grader or the task's judge broke.
            SandboxError: If a box for code broke.
        """
        if len(submission) > LARGEST_SUBMISSION:
            raise SubmissionError(f"the submission has more than {LARGEST_SUBMISSION} bytes")
        shape = self.recipe.submission
        if isinstance(shape, CsvSubmission):
            evaluation = self._evaluate_table(submission, part)
        else:
            evaluation = _mean_of(judge_code(self.files, submission, part, self._provider, self._allow_unsafe))
        if not math.isfinite(evaluation.score):
            raise SubmissionError(f"its {self.recipe.scoring.metric} is {evaluation.score}, not a finite number")
        return evaluation

    def _evaluate_table(self, submission: bytes, part: Part) -> Evaluation:
        predicted = self._reader.read(submission)
        rows = self._public if part == "public" else ~self._public
        truth, predicted = self._truth[rows], predicted[rows]
        metric = get_metric(self.recipe.scoring.metric).function
        try:
            score = metric(truth, predicted)
        except (ArithmeticError, ValueError, TypeError) as error:
            raise GradingError(f"{self.recipe.scoring.metric} failed: {error}") from error
        return Evaluation(score, len(truth), lambda indices: metric(truth[indices], predicted[indices]))


_shared: weakref.WeakValueDictionary[tuple[str, str, bool], Grader] = weakref.WeakValueDictionary()
_sharing = threading.Lock()


def shared_grader(task: Task, provider: str = "auto", allow_unsafe: bool = False) -> Grader:
    """The grader that all episodes on a task share in this process, for as long as one of them holds it.

    Args:
        task: The task.
        provider: As in `Grader`.
        allow_unsafe: As in `Grader`.

    Raises:
        DataError: If the task's data cannot be prepared.
    """
    key = task.content_hash, provider, allow_unsafe
    with _sharing:
        grader = _shared.get(key)
    if grader is None:
        grader = Grader(task, provider, allow_unsafe)  # not under the lock: other tasks' data need not wait for it
        with _sharing:
            grader = _shared.setdefault(key, grader)
    return grader


def _mean_of(cases: np.ndarray) -> Evaluation:
    return Evaluation(float(cases.mean()), len(cases), lambda indices: float(cases[indices].mean()))
