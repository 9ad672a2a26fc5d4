"""From topics to a suite: draft, certify, emit; with a journal, so that a run that was cut short goes on."""

from __future__ import annotations

import contextlib
import json
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from mlgym_synth import files, sandboxes
from mlgym_synth.errors import DataError, GradingError, InputError, SandboxError
from mlgym_synth.synthesis.author import Author, Topic
from mlgym_synth.tasks.certificate import Certificate
from mlgym_synth.tasks.index import INDEX
from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.tasks.suite import Suite, TaskFiles, write_task
from mlgym_synth.threads import run_all
from mlgym_synth.verification.certify import certify

JOURNAL = "journal.jsonl"
STAGING = ".staging"
MAX_REPAIRS = 4


class Decision(BaseModel):
    """What became of one topic."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    topic: str
    """Key of the topic."""
    family: str
    task_id: str = ""
    outcome: Literal["certified", "rejected", "error"]
    """`error` is infrastructure: the topic is tried again when the run goes on."""
    reasons: list[str] = []
    attempts: int = 1
    seconds: float = 0.0


@dataclass(frozen=True)
class Event:
    """Progress: a topic entered a stage, or was decided."""

    topic: Topic
    stage: str
    decision: Decision | None = None


@dataclass(frozen=True)
class Settings:
    """How drafts are certified."""

    provider: str = "auto"
    seeds: int = 3
    workers: int = 2
    allow_unsafe: bool = False


def synthesize(
    author: Author,
    topics: Sequence[Topic],
    out: Path,
    settings: Settings,
    on_event: Callable[[Event], None] | None = None,
) -> list[Decision]:
    """Makes a suite of the topics whose drafts are certified.

    Topics that this folder's journal has decided are not repeated, so the same call after a crash goes on.

    Args:
        author: Who writes the drafts.
        topics: What about; choices follow from each topic alone.
        out: Folder of the suite; made if missing.
        settings: Sandbox provider, number of seeds, workers.
        on_event: Called from worker threads with every step of progress.

    Returns:
        The decision on every topic, in the order of `topics`.

    Raises:
        InputError: If the folder is in use or cannot be written, the provider may not be used, or the author cannot
            use what the user gave.
    """
    began = time.monotonic()
    sandboxes.create(sandboxes.Spec(), settings.provider, settings.allow_unsafe)  # refuses before anything is written
    _refuse_foreign(out)
    with files.folder_lock(out):
        shutil.rmtree(out / STAGING, ignore_errors=True)
        suite = Suite.create(out, out.resolve().name, author.name)
        decided = _read_journal(out)
        emission = _Emission(suite)
        report = on_event or (lambda event: None)

        def work(topic: Topic) -> Decision:
            start = time.monotonic()
            decision = _decide(author, topic, emission, settings, report)
            decision = decision.model_copy(update={"seconds": round(time.monotonic() - start, 3)})
            emission.record(decision)
            report(Event(topic, "decided", decision))
            return decision

        pending = [topic for topic in topics if topic.key not in decided]
        try:
            made = run_all(work, pending, settings.workers)
        finally:
            emission.close()
            shutil.rmtree(out / STAGING, ignore_errors=True)
        decided |= {topic.key: decision for topic, decision in zip(pending, made, strict=True)}
        decisions = [decided[topic.key] for topic in topics]
        _write_run(out, decisions, time.monotonic() - began)
    return decisions


def _refuse_foreign(out: Path) -> None:
    """A suite is begun in an empty folder only: not among files that belong to something else."""
    if not out.is_dir() or (out / INDEX).exists():
        return
    # A run killed at its very beginning leaves its lock, perhaps half of a file under a dotted name, and `suite.yaml`.
    if any(path.name != "suite.yaml" and not path.name.startswith(".") for path in out.iterdir()):
        raise InputError(f"{out} is neither empty nor a suite", "choose another folder")


class _Emission:
    """The one way into the suite. Once closed nothing passes, so that a thread left behind cannot write any more."""

    def __init__(self, suite: Suite) -> None:
        self.suite = suite
        self._lock = threading.Lock()
        self._open = True

    def emit(self, draft: TaskFiles, certificate: Certificate) -> None:
        """Adds a certified task."""
        with self._lock:
            if self._open:
                self.suite.add(with_baseline_scores(draft, certificate), certificate)

    def record(self, decision: Decision) -> None:
        """Writes a decision into the journal."""
        with self._lock:
            if self._open:
                files.append_durably(self.suite.path / JOURNAL, decision.model_dump_json())

    def close(self) -> None:
        """Waits for what is being written, and lets nothing in after it."""
        with self._lock:
            self._open = False


def _decide(
    author: Author,
    topic: Topic,
    emission: _Emission,
    settings: Settings,
    report: Callable[[Event], None],
) -> Decision:
    staging = emission.suite.path / STAGING / topic.key[:16]
    attempt = 0
    try:
        report(Event(topic, "drafting"))
        draft: TaskFiles | None = author.draft(topic)
        while draft is not None:
            attempt += 1
            emitted = _emitted(emission.suite, draft)
            certificate = emitted or _certify(draft, staging, topic, settings, report)
            decision = Decision(
                topic=topic.key,
                family=topic.family,
                task_id=draft.id,
                outcome=_outcome(certificate),
                reasons=certificate.reasons,
                attempts=attempt,
            )
            if certificate.certified and not emitted:
                emission.emit(draft, certificate)
            if decision.outcome != "rejected":
                return decision
            draft = author.repair(draft, "\n".join(certificate.reasons)) if attempt <= MAX_REPAIRS else None
    except (SandboxError, GradingError, DataError) as error:
        return Decision(topic=topic.key, family=topic.family, outcome="error", reasons=[str(error)], attempts=attempt)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return decision


def _emitted(suite: Suite, draft: TaskFiles) -> Certificate | None:
    """The certificate of a draft that an earlier run emitted and had no time to write into the journal."""
    if draft.id not in suite.index["tasks"]:
        return None
    certificate = suite.task(draft.id).certificate
    if certificate is None or not certificate.certified or certificate.content_hash != draft.content_hash:
        return None
    return certificate


def _outcome(certificate: Certificate) -> Literal["certified", "rejected", "error"]:
    if certificate.certified:
        return "certified"
    broke = any(check.verdict is Verdict.ERROR for check in certificate.checks)
    return "error" if broke else "rejected"


def _certify(
    draft: TaskFiles, staging: Path, topic: Topic, settings: Settings, report: Callable[[Event], None]
) -> Certificate:
    task = write_task(staging, draft)
    return certify(
        task,
        provider=settings.provider,
        seeds=settings.seeds,
        allow_unsafe=settings.allow_unsafe,
        on_event=lambda stage: report(Event(topic, stage)),
    )


def with_baseline_scores(draft: TaskFiles, certificate: Certificate) -> TaskFiles:
    """The draft with the measured baseline in MLGym's YAML, which the content hash leaves out."""
    assert certificate.anchors is not None
    scores = [{certificate.anchors.metric: certificate.anchors.baseline}]
    config = draft.config.model_copy(update={"baseline_scores": scores})
    return TaskFiles(config, draft.recipe, draft.dataset, draft.starter, draft.hidden, draft.dockerfile)


def _read_journal(out: Path) -> dict[str, Decision]:
    try:
        decisions = [Decision.model_validate(record) for record in files.read_lines(out / JOURNAL)]
    except ValueError as error:
        raise InputError(f"{out / JOURNAL} is damaged", "remove it to decide all topics again") from error
    return {decision.topic: decision for decision in decisions if decision.outcome != "error"}


def _write_run(out: Path, decisions: Sequence[Decision], seconds: float) -> None:
    """Writes `run.json`: yield by family, reasons for rejection, times; measured, so outside the content hash."""
    families: dict[str, Counter[str]] = {}
    for decision in decisions:
        families.setdefault(decision.family, Counter())[decision.outcome] += 1
    reasons = Counter(reason.split(":")[0] for decision in decisions for reason in decision.reasons)
    record = {
        "topics": len(decisions),
        "certified": sum(decision.outcome == "certified" for decision in decisions),
        "families": {family: dict(counts) for family, counts in sorted(families.items())},
        "rejected_by": dict(reasons.most_common()),
        "certification_seconds": round(sum(decision.seconds for decision in decisions), 3),
        "wall_seconds": round(seconds, 3),
    }
    # A record that is missing or damaged adds nothing: after hours of work it must not cost the result.
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        record["wall_seconds"] += json.loads((out / "run.json").read_bytes())["wall_seconds"]
    files.write_json(out / "run.json", record)
