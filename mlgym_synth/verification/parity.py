"""Whether stock MLGym's `evaluate.py` and our grader agree: on scores, and on what cannot be scored."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from mlgym_synth.datasets.prepare import Prepared
from mlgym_synth.metrics.submission import SubmissionError
from mlgym_synth.sandboxes import create
from mlgym_synth.sandboxes.protocol import Result, Sandbox, Spec
from mlgym_synth.tasks.certificate import Check
from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.tasks.suite import Task
from mlgym_synth.verification.scoring import Scorer

TOLERANCE = 1e-9


def check_parity(
    task: Task,
    prepared: Prepared | None,
    scorer: Scorer,
    submissions: Mapping[str, bytes],
    provider: str,
    allow_unsafe: bool,
) -> Check:
    """Runs `evaluate.py` as stock MLGym does, where all that it prints has to be one JSON object.

    Args:
        task: The task.
        prepared: Its data; None where the submission is code.
        scorer: The grader's scores, to agree with.
        submissions: Submissions by name, malformed ones among them.
        provider: Sandbox provider.
        allow_unsafe: Whether a provider that isolates nothing may be used.

    Raises:
        SandboxError: If the sandbox failed.
        GradingError: If the grader failed.
    """
    files = dict(task.files.starter)
    if prepared is not None:
        files["data/labels.csv"] = prepared.labels_path.read_bytes()
    scores = []
    with create(Spec(files=files, limits=task.recipe.limits), provider, allow_unsafe) as sandbox:
        for name, submission in submissions.items():
            try:
                ours: float | str = scorer.evaluate(submission).score
            except SubmissionError as error:
                ours = str(error)
            theirs = _stock_score(sandbox, task, submission)
            if not _agree(ours, theirs):
                detail = f"{name}: the grader says {_show(ours)}, evaluate.py {_show(theirs)}"
                return Check(name="parity", verdict=Verdict.FAIL, detail=detail)
            scores.append(f"{name} {ours:.6g}" if isinstance(ours, float) else f"{name} refused")
    return Check(name="parity", verdict=Verdict.PASS, detail=f"the same from both, with seed 0: {', '.join(scores)}")


def malformed(task: Task, submission: bytes) -> dict[str, bytes]:
    """Spoiled copies of a valid submission: cut short, and for tables with a column that claims a score."""
    if task.recipe.submission.kind == "code":
        return {"no code": b"raise SystemExit\n"}
    rows = submission.decode().splitlines()
    claimed = [rows[0] + "," + task.recipe.scoring.metric, *(f"{row},1.0" for row in rows[1:])]
    return {
        "half of the rows": "\n".join(rows[: len(rows) // 2]).encode(),
        "a claimed score": "\n".join(claimed).encode(),
    }


def _stock_score(sandbox: Sandbox, task: Task, submission: bytes) -> float | str:
    """The score, or what was printed where that is no JSON object with a finite score."""
    recipe = task.recipe
    sandbox.write(recipe.submission.file, submission)
    command = ["python", "evaluate.py"]
    if recipe.submission.kind == "csv":
        command += ["--submission_file", recipe.submission.file]
    result = sandbox.exec(command, timeout=recipe.limits.action_seconds)
    return _parse(result, recipe.scoring.metric)


def _parse(result: Result, metric: str) -> float | str:
    if result.timed_out:
        return f"nothing within {result.seconds:.0f} s"
    try:
        printed: Any = json.loads(result.output)
    except ValueError:
        return result.output
    score = printed.get(metric) if isinstance(printed, dict) and len(printed) == 1 else None
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        return result.output
    return float(score)


def _agree(ours: float | str, theirs: float | str) -> bool:
    if isinstance(ours, str) or isinstance(theirs, str):
        return isinstance(ours, str) and isinstance(theirs, str)
    return math.isclose(ours, theirs, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def _show(score: float | str) -> str:
    return f"{score:.12g}" if isinstance(score, float) else repr(" ".join(score.split())[:200])
