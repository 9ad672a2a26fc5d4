"""A run on disk: what was asked, and how its episodes ended. Data only.

<run>/run.json                            the plan
<run>/journal.jsonl                       what was begun and how it ended, a line per event
<run>/trajectories/<task id>/<n>.jsonl    one file per episode
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from mlgym_synth.errors import InputError
from mlgym_synth.files import read_lines, sha256
from mlgym_synth.tasks.outcomes import Outcome

PLAN = "run.json"
JOURNAL = "journal.jsonl"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class RunPlan(_Strict):
    """What was asked: all that decides the episodes of a run. Concurrency does not, so it is not here."""

    agent: str
    agent_settings: dict[str, Any]
    samples: int
    max_steps: int
    seed: int
    sandbox: str
    allow_unsafe: bool
    suite: str
    """Absolute path of the suite's folder."""
    tasks: dict[str, str]
    """Content hash of every task, by id."""
    version: str
    """Version of mlgym-synth."""

    def episodes(self) -> Iterator[tuple[str, int]]:
        """Task id and sample number of all episodes, the first sample of every task before the second of any."""
        return ((task_id, sample) for sample in range(self.samples) for task_id in self.tasks)

    def seed_of(self, task_id: str, sample: int) -> int:
        """The seed of one episode, in [0, 2**31), which does not depend on any other episode."""
        return int(sha256(f"{self.seed}\0{task_id}\0{sample}".encode())[:8], 16) >> 1

    def difference(self, other: RunPlan) -> str:
        """Names the first field in which two plans differ, with both values; empty if they are equal.

        A suite that was moved is the same suite as long as its tasks have the same content.
        """
        for name in type(self).model_fields:
            mine, others = getattr(self, name), getattr(other, name)
            if name == "tasks" and mine != others:
                changed = sorted(key for key in mine.keys() | others.keys() if mine.get(key) != others.get(key))
                return f"other tasks, or tasks that changed: {', '.join(changed[:3])}"
            if name != "suite" and mine != others:
                return f"{name} was {mine!r} and is {others!r}"
        return ""


class EpisodeResult(_Strict):
    """How one episode ended."""

    episode: str
    """`<task id>/<sample>`."""
    task_id: str
    sample: int
    seed: int
    outcome: Outcome
    error: str = ""
    """What broke, for infrastructure failures."""
    score: float | None = None
    """Private score of what was submitted."""
    best_score: float | None = None
    """Best private score of anything that was validated or submitted."""
    baseline: float | None = None
    reward: float = 0.0
    steps: int = 0
    seconds: float = 0.0
    path: Path
    """The trajectory's file."""


@dataclass(frozen=True)
class RunResult:
    """A run and the episodes that are finished."""

    folder: Path
    plan: RunPlan
    episodes: list[EpisodeResult]
    """In the order of the plan: by sample, then by task."""

    @property
    def agent(self) -> str:
        """Name of the agent."""
        return self.plan.agent

    @property
    def suite(self) -> Path:
        """The suite's folder."""
        return Path(self.plan.suite)


def trajectory_path(folder: Path, task_id: str, sample: int) -> Path:
    """Where the trajectory of an episode lies."""
    return folder / "trajectories" / task_id / f"{sample}.jsonl"


def read_plan(folder: Path) -> RunPlan | None:
    """Reads what was asked of a run; None if there is no run in the folder.

    Raises:
        InputError: If `run.json` is damaged, or of another kind of run.
    """
    path = folder / PLAN
    if not path.is_file():
        return None
    try:
        return RunPlan.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise InputError(f"{path} does not describe a rollout", "choose another folder") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "check the path") from error


def load_run(folder: Path | str) -> RunResult:
    """Reads a run, finished or not.

    Raises:
        InputError: If the folder holds no run, or its files are damaged.
    """
    folder = Path(folder)
    plan = read_plan(folder)
    if plan is None:
        raise InputError(f"{folder} is not a run: it has no {PLAN}", "name a folder made by rollout")
    try:
        found = {
            record["episode"]: _result(folder, record)
            for record in read_lines(folder / JOURNAL)
            if record["event"] == "finished"
        }
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{folder / JOURNAL} is damaged", "restore it, or run again in another folder") from error
    names = [f"{task_id}/{sample}" for task_id, sample in plan.episodes()]
    return RunResult(folder, plan, [found[name] for name in names if name in found])


def _result(folder: Path, record: Mapping[str, Any]) -> EpisodeResult:
    fields = {key: value for key, value in record.items() if key in EpisodeResult.model_fields}
    path = trajectory_path(folder, record["task_id"], record["sample"])
    return EpisodeResult.model_validate({**fields, "path": path})
