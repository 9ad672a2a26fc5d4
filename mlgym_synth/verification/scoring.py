"""Private scores of many submissions to one task, each distinct one graded once."""

from __future__ import annotations

from collections.abc import Iterable

from mlgym_synth.environment.grader import Evaluation, Grader
from mlgym_synth.metrics.submission import SubmissionError


class Scorer:
    """Grades on the private part and remembers. The repeatability check, which must not remember, goes past it."""

    def __init__(self, grader: Grader) -> None:
        self.grader = grader
        self._known: dict[bytes, Evaluation | SubmissionError] = {}

    def evaluate(self, submission: bytes) -> Evaluation:
        """The evaluation of a submission; the same object for the same bytes.

        Raises:
            SubmissionError: If it cannot be scored.
            GradingError: If the grader failed.
            SandboxError: If a box for code failed.
        """
        if submission not in self._known:
            try:
                self._known[submission] = self.grader.evaluate(submission, "private")
            except SubmissionError as error:
                self._known[submission] = error
        known = self._known[submission]
        if isinstance(known, SubmissionError):
            raise known
        return known

    def evaluate_all(self, submissions: Iterable[bytes]) -> tuple[list[Evaluation], str]:
        """Evaluations of all submissions and an empty text, or none and the first refusal."""
        try:
            return [self.evaluate(submission) for submission in submissions], ""
        except SubmissionError as error:
            return [], str(error)
