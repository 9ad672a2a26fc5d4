"""Runs the baseline and the reference, once per seed, the way an agent would run them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mlgym_synth.sandboxes import create
from mlgym_synth.sandboxes.protocol import Result, Sandbox, Spec
from mlgym_synth.tasks.certificate import Check
from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.tasks.suite import Task
from mlgym_synth.verification.static import imported_modules

RUNNER = Path(__file__).parent / "files" / "fork_runner.py"
START_SECONDS = 60.0
"""Allowance for importing the libraries, on top of the runs' own limits."""
OUTPUT_KB = 256
"""The runner's report has to arrive whole, however little of a command an agent may see."""

Name = Literal["baseline", "reference"]
NAMES: tuple[Name, Name] = ("baseline", "reference")


@dataclass(frozen=True)
class Run:
    """One run of a solution, and the submission it left."""

    name: Name
    seed: int
    submission: bytes = b""
    seconds: float = 0.0
    error: str = ""
    """Why there is no submission; empty if there is one."""
    timed_out: bool = False


def run_solutions(task: Task, data: Path | None, seeds: int, provider: str, allow_unsafe: bool) -> list[Run]:
    """Runs baseline and reference of a task, or reads them where the submission is a file of code.

    Args:
        task: The task.
        data: Folder with `train.csv` and `test.csv`; None where the submission is code.
        seeds: Number of runs of each script; code is scored by deterministic judges, so once.
        provider: Sandbox provider.
        allow_unsafe: Whether a provider that isolates nothing may be used.

    Returns:
        All runs, those of the baseline first.

    Raises:
        SandboxError: If the sandbox failed, which is no failure of the scripts.
    """
    submission = task.recipe.submission
    if submission.kind == "code":
        return [
            Run("baseline", 0, task.files.starter[submission.file]),
            Run("reference", 0, task.files.hidden["reference.py"]),
        ]
    assert data is not None, "a task with a table of predictions has data"
    scripts = {"baseline": task.files.starter["baseline.py"], "reference": task.files.hidden["reference.py"]}
    runs = [(name, seed) for name in NAMES for seed in range(seeds)]
    files: dict[str, bytes] = {}
    for name, seed in runs:
        folder = f"{name}-{seed}"
        files |= {f"{folder}/{path}": content for path, content in task.workspace.items()}
        files[f"{folder}/{name}.py"] = scripts[name]
    limits = task.recipe.limits.model_copy(update={"output_kb": OUTPUT_KB})
    spec = Spec(files=files, read_only={"data": data}, environment={"PYTHONHASHSEED": "0"}, limits=limits)
    order = {
        "preload": sorted(set().union(*map(imported_modules, scripts.values()))),
        "shared": ["data"],
        "seconds": limits.action_seconds,
        "runs": [{"folder": f"{name}-{seed}", "script": f"{name}.py", "seed": seed} for name, seed in runs],
    }
    with create(spec, provider, allow_unsafe) as sandbox:
        result = sandbox.exec(
            ["python", "-c", RUNNER.read_text(encoding="utf-8")],
            stdin=json.dumps(order).encode(),
            timeout=START_SECONDS + len(runs) * limits.action_seconds,
        )
        reports = _reports(result, len(runs))
        return [
            _run(sandbox, name, seed, submission.file, report)
            for (name, seed), report in zip(runs, reports, strict=True)
        ]


def check_runs(name: Name, runs: Sequence[Run]) -> Check:
    """Whether all runs of a solution left a submission in time."""
    mine = [run for run in runs if run.name == name]
    for run in mine:
        if run.error:
            verdict = Verdict.TIMEOUT if run.timed_out else Verdict.FAIL
            return Check(name=name, verdict=verdict, detail=f"seed {run.seed}: {run.error}")
    slowest = max(run.seconds for run in mine)
    return Check(name=name, verdict=Verdict.PASS, detail=f"{len(mine)} runs, the slowest {slowest:.1f} s")


def _reports(result: Result, expected: int) -> list[dict[str, Any]]:
    """One report for every run; a script that took the runner down with it leaves its own and later ones out."""
    reports = [report for report in map(_report, result.output.splitlines()) if report]
    lost = {
        "exit_code": None,
        "timed_out": result.timed_out,
        "seconds": result.seconds,
        "output": "the process that ran it ended too",
    }
    return [*reports, *[lost] * expected][:expected]


def _report(line: str) -> dict[str, Any] | None:
    """A line of the runner's; None for anything else, as a script that meddles with its pipe could write."""
    try:
        report = json.loads(line)
    except (ValueError, RecursionError):
        return None
    types = {"exit_code": int, "timed_out": bool, "seconds": float, "output": str}
    fits = isinstance(report, dict) and all(isinstance(report.get(key), kind) for key, kind in types.items())
    return report if fits else None


def _run(sandbox: Sandbox, name: Name, seed: int, file: str, report: dict[str, Any]) -> Run:
    seconds = report["seconds"]
    if report["timed_out"]:
        return Run(name, seed, seconds=seconds, error=f"stopped after {seconds:.0f} s", timed_out=True)
    if report["exit_code"] != 0:
        last = " ".join(report["output"].strip().splitlines()[-1:])
        return Run(name, seed, seconds=seconds, error=f"exit code {report['exit_code']}: {last[:300]}")
    try:
        return Run(name, seed, sandbox.read(f"{name}-{seed}/{file}"), seconds)
    except (FileNotFoundError, ValueError) as error:
        return Run(name, seed, seconds=seconds, error=f"left no usable {file}: {error}")
