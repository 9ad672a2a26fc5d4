"""All checks of a task, assembled into its certificate."""

from __future__ import annotations

import time
from collections.abc import Callable

from mlgym_synth.environment.grader import Evaluation, Grader
from mlgym_synth.errors import DataError, GradingError, InputError, SandboxError
from mlgym_synth.sandboxes import create
from mlgym_synth.sandboxes.protocol import Spec
from mlgym_synth.sandboxes.runtime import build_runtime
from mlgym_synth.tasks.certificate import Anchors, Certificate, Check, Control, Gap
from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.tasks.suite import Task
from mlgym_synth.verification.adversaries import adversarial_submissions, check_adversaries, check_disguise
from mlgym_synth.verification.controls import check_controls, check_refusals, code_controls, csv_controls
from mlgym_synth.verification.decontamination import check_decontamination
from mlgym_synth.verification.headroom import measure_headroom
from mlgym_synth.verification.isolation import check_isolation, check_labels
from mlgym_synth.verification.parity import check_parity, malformed
from mlgym_synth.verification.repeatability import check_repeatability
from mlgym_synth.verification.scoring import Scorer
from mlgym_synth.verification.solutions import NAMES, Name, Run, check_runs, run_solutions
from mlgym_synth.verification.static import check_static, importable_modules

OnEvent = Callable[[str], None]


def certify(
    task: Task,
    provider: str = "auto",
    seeds: int = 3,
    allow_unsafe: bool = False,
    on_event: OnEvent | None = None,
) -> Certificate:
    """Runs all checks of a task. A bad task is a certificate that says so, never an exception.

    Checks whose grounds are missing, because an earlier one failed, are left out, and so is whether the grader repeats
    itself and agrees with `evaluate.py` where there is nothing to gain on the task.

    Args:
        task: The task; its files are read and not changed.
        provider: Sandbox provider, `auto` for the first that isolates.
        seeds: How often baseline and reference are run.
        allow_unsafe: Whether a provider that isolates nothing may be used; the certificate is then provisional.
        on_event: Called with the name of each stage as it begins.

    Returns:
        The certificate; equal tasks give equal anchors, gaps and verdicts.

    Raises:
        InputError: If there is no such provider, it isolates nothing and that is not allowed, or there is no seed.
    """
    if seeds < 1:
        raise InputError(f"{seeds} seeds cannot be run", "use at least 1")
    began = time.monotonic()
    certification = _Certification(task, provider, seeds, allow_unsafe, on_event or (lambda stage: None))
    certification.run()
    checks = certification.checks
    passed = all(check.verdict in (Verdict.PASS, Verdict.SKIPPED) for check in checks)
    return Certificate(
        task_id=task.id,
        content_hash=certification.content_hash,
        certified=passed and certification.anchors is not None,
        provisional=not certification.isolates,
        provider=certification.provider,
        runtime=certification.runtime,
        seeds=seeds,
        anchors=certification.anchors,
        gaps=certification.gaps,
        controls=certification.controls,
        checks=checks,
        seconds=round(time.monotonic() - began, 3),
    )


class _Certification:
    """The checks of one task in their order, and what they have shown so far."""

    def __init__(self, task: Task, provider: str, seeds: int, allow_unsafe: bool, on_event: OnEvent) -> None:
        self.task = task
        self.provider = provider
        self.seeds = seeds
        self.allow_unsafe = allow_unsafe
        self.on_event = on_event
        self.isolates = False
        self.content_hash = ""
        self.runtime = ""
        self.runs: list[Run] = []
        self.solutions: dict[str, list[Evaluation]] = {name: [] for name in NAMES}
        self.trivial: dict[str, list[Evaluation]] = {}
        self.constant = b""
        self.anchors: Anchors | None = None
        self.gaps: list[Gap] = []
        self.controls: list[Control] = []
        self.checks: list[Check] = []

    def run(self) -> None:
        """Runs the stages; each only if what it builds on is there, the slowest only where it can still matter."""
        grounds = {"yaml": self._read, "sandbox": self._sandbox, "static": self._static, "data": self._data}
        if not all(self._stage(name, stage) for name, stage in grounds.items()):
            return
        self._stage("decontamination", self._decontamination)
        self._stage("labels", self._labels)
        self._stage("isolation", self._isolation)
        self._stage("solutions", self._solutions)
        self._stage("controls", self._controls)
        if all(self.solutions.values()) and self.trivial and self._stage("headroom", self._headroom):
            self._stage("adversaries", self._adversaries)
            self._stage("repeatability", self._repeatability)
            self._stage("parity", self._parity)

    def _stage(self, name: str, stage: Callable[[], list[Check]]) -> bool:
        """Runs one stage; what broke around the task becomes an error, what broke in it a failure.

        The judge of a task is part of the task here: where it breaks, the grader says GradingError.
        """
        self.on_event(name)
        try:
            checks = stage()
        except GradingError as error:
            checks = [Check(name=name, verdict=Verdict.FAIL, detail=str(error))]
        except (SandboxError, DataError) as error:
            checks = [Check(name=name, verdict=Verdict.ERROR, detail=str(error))]
        self.checks += checks
        return all(check.verdict in (Verdict.PASS, Verdict.SKIPPED) for check in checks)

    def _read(self) -> list[Check]:
        try:
            self.content_hash = self.task.content_hash
        except InputError as error:
            return [Check(name="yaml", verdict=Verdict.FAIL, detail=str(error))]
        return []

    def _sandbox(self) -> list[Check]:
        sandbox = create(Spec(), self.provider, self.allow_unsafe)
        self.provider, self.isolates = sandbox.provider, sandbox.isolates
        runtime = build_runtime()
        self.runtime, self.modules = runtime.fingerprint, importable_modules(runtime.path)
        return []

    def _static(self) -> list[Check]:
        return check_static(self.task, self.modules)

    def _data(self) -> list[Check]:
        try:
            grader = Grader(self.task, self.provider, self.allow_unsafe)
        except InputError as error:
            return [Check(name="data", verdict=Verdict.FAIL, detail=str(error))]
        self.scorer = Scorer(grader)
        self.prepared = grader.prepared
        self.public = None if self.prepared is None else self.prepared.public
        detail = "no data set" if self.prepared is None else "prepared, with the recipe's hashes"
        return [Check(name="data", verdict=Verdict.PASS, detail=detail)]

    def _decontamination(self) -> list[Check]:
        return [check_decontamination(self.task, self.public)]

    def _labels(self) -> list[Check]:
        return [check_labels(self.task, self.prepared)]

    def _isolation(self) -> list[Check]:
        return [check_isolation(self.task, self.public, self.provider, self.allow_unsafe)]

    def _solutions(self) -> list[Check]:
        self.runs = run_solutions(self.task, self.public, self.seeds, self.provider, self.allow_unsafe)
        return [self._solution(name, [run for run in self.runs if run.name == name]) for name in NAMES]

    def _solution(self, name: Name, runs: list[Run]) -> Check:
        check = check_runs(name, runs)
        refusal = check.detail
        if check.verdict is Verdict.PASS:
            self.solutions[name], refusal = self.scorer.evaluate_all(run.submission for run in runs)
            if refusal:
                check = Check(name=name, verdict=Verdict.FAIL, detail=f"its submission is refused: {refusal}")
        self._record(name, self.solutions[name], refusal, sum(run.seconds for run in runs))
        return check

    def _controls(self) -> list[Check]:
        if self.prepared is None or self.public is None:
            submissions = code_controls(self.task)
        else:
            submissions = csv_controls(self.task, self.public, self.prepared.labels().ids, self.seeds)
        errors = {}
        for name, contents in submissions.items():
            began = time.monotonic()
            evaluations, errors[name] = self.scorer.evaluate_all(contents)
            self._record(name, evaluations, errors[name], time.monotonic() - began)
            if evaluations:
                self.trivial[name] = evaluations
        self.constant = next(iter(submissions.values()))[0]
        return [check_refusals(self.scorer.grader, self.task), check_controls(errors)]

    def _headroom(self) -> list[Check]:
        baseline, reference = self.solutions["baseline"], self.solutions["reference"]
        headroom = measure_headroom(self.trivial, baseline, reference, self.task.recipe.scoring)
        self.anchors, self.gaps = headroom.anchors, headroom.gaps
        return headroom.checks

    def _adversaries(self) -> list[Check]:
        if self.prepared is None or self.public is None:
            return []  # a code submission is called, and sees no rows that could be joined or ordered
        assert self.anchors is not None
        labels = self.prepared.labels()
        submissions = adversarial_submissions(self.task, self.public)
        scores = {name: self.scorer.evaluate(content).score for name, content in submissions.items()}
        return [
            check_adversaries(scores, self.anchors),
            check_disguise(self.task, self.public, dict(zip(labels.ids, labels.targets, strict=True))),
        ]

    def _repeatability(self) -> list[Check]:
        return [check_repeatability(self.scorer, self._first("reference"), {"a control": self.constant})]

    def _parity(self) -> list[Check]:
        submissions = {
            "baseline": self._first("baseline"),
            "reference": self._first("reference"),
            "constant": self.constant,
            **malformed(self.task, self.constant),
        }
        return [check_parity(self.task, self.prepared, self.scorer, submissions, self.provider, self.allow_unsafe)]

    def _first(self, name: Name) -> bytes:
        return next(run.submission for run in self.runs if run.name == name)

    def _record(self, name: str, evaluations: list[Evaluation], error: str, seconds: float) -> None:
        scores = [evaluation.score for evaluation in evaluations]
        self.controls.append(Control(name=name, scores=scores, error=error, seconds=round(seconds, 3)))
