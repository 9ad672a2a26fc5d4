"""What one episode's grading remembers: validations used, what was submitted, and what counts at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mlgym_synth.environment.grader import Grader
from mlgym_synth.files import sha256
from mlgym_synth.metrics.submission import SubmissionError


@dataclass(frozen=True)
class Settlement:
    """The private scores of an episode that is over."""

    score: float | None
    """Of the submission that counts; None if there is none, or it fails on the private part."""
    best: float | None
    """The best of all that was validated or submitted."""


class Grading:
    """One episode's grading. Threads may share it; calls wait for one another.

    A submission is valid if it can be scored on the public part. The private part is scored only once the episode is
    over: neither an error message nor the time that an answer takes can then carry anything from it to the agent.

    Args:
        grader: Scores the submissions.
    """

    def __init__(self, grader: Grader) -> None:
        self._grader = grader
        self._lock = threading.Lock()
        self._left = grader.recipe.limits.validations
        self._valid: dict[str, bytes] = {}
        """Distinct valid submissions by hash, in the order in which each was last handed in."""
        self._over = False
        self.submitted = False
        """True once `submit` has taken a submission."""

    def validate(self, submission: bytes) -> dict[str, Any]:
        """Scores a submission on the public part. One that is invalid costs nothing: its author learns no score.

        Returns:
            `ok, score, metric, direction, left`, or `ok, error, left`.

        Raises:
            GradingError: If the grader broke; nothing is counted.
            SandboxError: If a box for code broke; nothing is counted.
        """
        with self._lock:
            if self._over:
                return {"ok": False, "error": "the episode is over", "left": self._left}
            if self._left == 0:
                return {"ok": False, "error": "no validations are left: submit your best", "left": 0}
            try:
                score = self._grader.evaluate(submission, "public").score
            except SubmissionError as error:
                return {"ok": False, "error": str(error), "left": self._left}
            self._left -= 1
            self._remember(submission)
            scoring = self._grader.recipe.scoring
            return {
                "ok": True,
                "score": score,
                "metric": scoring.metric,
                "direction": scoring.direction,
                "left": self._left,
            }

    def submit(self, submission: bytes) -> dict[str, Any]:
        """Takes the final submission, if it is valid; an invalid one changes nothing.

        Returns:
            `ok, receipt`, or `ok, error`.

        Raises:
            GradingError: If the grader broke; nothing is submitted.
            SandboxError: If a box for code broke; nothing is submitted.
        """
        with self._lock:
            if self._over:
                return {"ok": False, "error": "the episode is over: a submission was taken or a limit reached"}
            try:
                self._grader.evaluate(submission, "public")
            except SubmissionError as error:
                return {"ok": False, "error": str(error)}
            self._remember(submission)
            self._over = self.submitted = True
            receipt = {"task": self._grader.files.id, "bytes": len(submission), "sha256": sha256(submission)}
            return {"ok": True, "receipt": receipt}

    def settle(self, leftover: Callable[[], bytes | None]) -> Settlement:
        """Ends the episode and scores it on the private part.

        What counts is the submission, else the last valid one that was validated, else what `leftover` returns.

        Args:
            leftover: Reads the submission file from the workspace; None if there is none. Called only if needed.

        Raises:
            GradingError: If the grader broke.
            SandboxError: If a box broke.
        """
        self._over = True  # before the lock: requests that wait for it are refused, not scored
        with self._lock:
            if not self._valid:
                content = leftover()
                if content is not None and self._is_valid(content):
                    self._remember(content)
            scores = [self._private_score(submission) for submission in self._valid.values()]
        better = max if self._grader.recipe.scoring.direction == "max" else min
        return Settlement(
            score=scores[-1] if scores else None,
            best=better((score for score in scores if score is not None), default=None),
        )

    def _remember(self, submission: bytes) -> None:
        digest = sha256(submission)
        self._valid.pop(digest, None)
        self._valid[digest] = submission

    def _is_valid(self, submission: bytes) -> bool:
        try:
            self._grader.evaluate(submission, "public")
        except SubmissionError:
            return False
        return True

    def _private_score(self, submission: bytes) -> float | None:
        try:
            return self._grader.evaluate(submission, "private").score
        except SubmissionError:
            return None
