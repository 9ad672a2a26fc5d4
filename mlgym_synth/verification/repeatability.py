"""Whether a score is a property of the submission: grading it again gives exactly the same number."""

from __future__ import annotations

from collections.abc import Mapping

from mlgym_synth.tasks.certificate import Check
from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.verification.scoring import Scorer

REPEATS = 5


def check_repeatability(scorer: Scorer, reference: bytes, others: Mapping[str, bytes]) -> Check:
    """Grades submissions again, and demands the same scores to the last bit.

    Args:
        scorer: The scores so far.
        reference: A strong submission, graded `REPEATS` times in all.
        others: More submissions by name, each graded twice: what chance does to a judge, strong ones may not show.

    Raises:
        GradingError: If the grader failed.
        SandboxError: If a box for code failed.
    """
    for name, submission, repeats in [("reference", reference, REPEATS), *((*pair, 2) for pair in others.items())]:
        scores = {scorer.evaluate(submission).score}
        scores |= {scorer.grader.evaluate(submission, "private").score for _ in range(repeats - 1)}
        if len(scores) > 1:
            detail = f"{name}: {len(scores)} scores in {repeats} gradings, {min(scores):.17g} to {max(scores):.17g}"
            return Check(name="repeatability", verdict=Verdict.FAIL, detail=detail)
    detail = f"{REPEATS} gradings of the reference and 2 of {', '.join(others)} gave the same scores"
    return Check(name="repeatability", verdict=Verdict.PASS, detail=detail)
