"""The certificate: measured evidence that a task is sound, bound to the task's content hash."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from mlgym_synth.errors import InputError
from mlgym_synth.files import write_json
from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.tasks.recipe import Direction

REWARD_RANGE = (-1.0, 2.0)
NO_SUBMISSION_COST = 0.1


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Anchors(_Strict):
    """The three measured scores between which a reward is linear, on the private part of the test set."""

    metric: str
    direction: Direction
    floor: float
    """What knowing nothing can score: the best of the trivial controls, each with three of its standard errors."""
    baseline: float
    reference: float

    def reward(self, score: float | None) -> float:
        """Reward of a scored submission: 0 at the floor, 1 at the reference, linear, clipped to [-1, 2].

        Args:
            score: The private score, or None where nothing was submitted.
        """
        if score is None:
            return -NO_SUBMISSION_COST
        low, high = REWARD_RANGE
        return min(high, max(low, (score - self.floor) / (self.reference - self.floor)))


class Gap(_Strict):
    """Distance between two anchors in the better direction, with its bootstrap interval."""

    name: Literal["floor to baseline", "baseline to reference"]
    mean: float
    low: float
    """2.5 % quantile over resampled test rows and seeds."""
    high: float


class Control(_Strict):
    """One control that was run: its scores, one per seed, on the private part."""

    name: str
    scores: list[float] = []
    error: str = ""
    seconds: float = 0.0


class Check(_Strict):
    """One check and how it ended."""

    name: str
    verdict: Verdict
    detail: str = ""


class Certificate(_Strict):
    """Evidence about one task."""

    schema_version: Literal[1] = 1
    task_id: str
    content_hash: str
    certified: bool
    """True if no check failed, ended in an error or timed out."""
    provisional: bool
    """True if the checks ran where nothing isolates, so that isolation is not proved."""
    provider: str
    """Sandbox provider in which the checks ran."""
    runtime: str
    """Fingerprint of the Python that agents and controls saw."""
    seeds: int
    anchors: Anchors | None = None
    """None if the controls did not yield all three scores."""
    gaps: list[Gap] = []
    controls: list[Control] = []
    checks: list[Check]
    seconds: float = 0.0

    @property
    def reasons(self) -> list[str]:
        """Why the task is not certified: one line for every check that did not pass."""
        return [
            f"{check.name}: {check.verdict}: {check.detail}"
            for check in self.checks
            if check.verdict not in (Verdict.PASS, Verdict.SKIPPED)
        ]

    def write(self, path: Path) -> None:
        """Writes the certificate atomically."""
        write_json(path, self.model_dump(mode="json"))

    @classmethod
    def read(cls, path: Path) -> Certificate:
        """Reads a certificate.

        Raises:
            InputError: If the file cannot be read or is damaged.
        """
        try:
            return cls.model_validate_json(path.read_bytes())
        except OSError as error:
            raise InputError(f"cannot read {path}: {error.strerror}", "check the path") from error
        except ValueError as error:
            raise InputError(f"{path} is not a certificate", "run mlgym-synth verify again") from error

    def summary(self) -> dict[str, Any]:
        """The few numbers that listings show."""
        anchors = self.anchors.model_dump() if self.anchors else {}
        return {"certified": self.certified, "provisional": self.provisional, **anchors}
