"""What a run achieved: one row per task, and AUP of the agent against the baseline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mlgym_synth.evaluation.aup import Profiles, is_better, performance_profiles
from mlgym_synth.rollouts import EpisodeResult, RunResult, load_run
from mlgym_synth.tasks.recipe import Direction
from mlgym_synth.tasks.suite import Suite, Task

AGENT = "agent"
BASELINE = "baseline"


@dataclass(frozen=True)
class TaskResult:
    """One task of a run. Scores are private scores; those of infrastructure failures do not count."""

    task: str
    family: str
    metric: str
    direction: Direction
    floor: float | None
    """None, like `baseline` and `reference`, where the task as it was played is not certified."""
    baseline: float | None
    reference: float | None
    best: float | None
    """Best of all validated and submitted scores of all episodes: MLGym's best attempt."""
    last: float | None
    """Best of the episodes' final scores: MLGym's last attempt."""
    mean_reward: float | None
    """Over the episodes that count; None if there is none."""
    episodes: int
    """How many episodes count."""
    infrastructure: int
    """How many episodes ended in an infrastructure failure, and are in no other number."""
    outcomes: dict[str, int]
    """How often the episodes, all of them, ended which way."""

    @property
    def beats_baseline(self) -> bool:
        """True if the best attempt is strictly better than the baseline."""
        return (
            self.best is not None and self.baseline is not None and is_better(self.best, self.baseline, self.direction)
        )


@dataclass(frozen=True)
class Evaluation:
    """A run in numbers."""

    agent: str
    suite: str
    rows: list[TaskResult]
    profiles: Profiles | None
    """Of the agent and the baseline over the tasks that have a certificate and an episode that counts; None if
    there is no such task."""

    @property
    def aup(self) -> dict[str, dict[str, float]]:
        """AUP by variant (`best`, `last`) and method (`agent`, `baseline`); empty without profiles."""
        return self.profiles.areas if self.profiles else {}

    @property
    def mean_reward(self) -> float | None:
        """Mean over the tasks of their mean rewards, so that every task weighs the same."""
        rewards = [row.mean_reward for row in self.rows if row.mean_reward is not None]
        return sum(rewards) / len(rewards) if rewards else None

    @property
    def outcomes(self) -> dict[str, int]:
        """How often the episodes of all tasks ended which way, most frequent first."""
        total: Counter[str] = Counter()
        for row in self.rows:
            total.update(row.outcomes)
        return dict(total.most_common())

    def to_mapping(self) -> dict[str, Any]:
        """All numbers as plain JSON values; profiles as the grid and the curves."""
        profiles = self.profiles and {
            "tau": self.profiles.tau.tolist(),
            "curves": {
                variant: {method: curve.tolist() for method, curve in curves.items()}
                for variant, curves in self.profiles.curves.items()
            },
        }
        return {
            "agent": self.agent,
            "suite": self.suite,
            "aup": self.aup,
            "mean_reward": self.mean_reward,
            "outcomes": self.outcomes,
            "tasks": [asdict(row) for row in self.rows],
            "profiles": profiles,
        }


def evaluate(run_folder: Path | str) -> Evaluation:
    """Evaluates the finished episodes of a run.

    Args:
        run_folder: The folder that `rollout` wrote.

    Returns:
        One row per task that has a finished episode, in the order of the run's plan.

    Raises:
        InputError: If the folder holds no run, or the run's suite or one of its tasks is gone.
    """
    return tabulate(load_run(run_folder))


def tabulate(run: RunResult) -> Evaluation:
    """Evaluates a run that has been read; see `evaluate`."""
    suite = Suite.open(run.suite)
    episodes: dict[str, list[EpisodeResult]] = {}
    for episode in run.episodes:
        episodes.setdefault(episode.task_id, []).append(episode)
    rows = [
        _row(suite.task(task_id), content_hash, episodes[task_id])
        for task_id, content_hash in run.plan.tasks.items()
        if task_id in episodes
    ]
    return Evaluation(run.agent, str(suite.index["name"]), rows, _profiles(rows))


def _row(task: Task, content_hash: str, episodes: Sequence[EpisodeResult]) -> TaskResult:
    """The row of one task; `content_hash` is that of the task on which the episodes were played."""
    scoring = task.recipe.scoring
    certificate = task.certificate
    proved = certificate is not None and certificate.certified and certificate.content_hash == content_hash
    anchors = certificate.anchors if certificate and proved else None
    counted = [episode for episode in episodes if not episode.outcome.is_infrastructure]
    finals = [episode.score for episode in counted]
    attempts = [*finals, *(episode.best_score for episode in counted)]
    return TaskResult(
        task=task.id,
        family=task.recipe.family,
        metric=scoring.metric,
        direction=scoring.direction,
        floor=anchors.floor if anchors else None,
        baseline=anchors.baseline if anchors else None,
        reference=anchors.reference if anchors else None,
        best=_best(attempts, scoring.direction),
        last=_best(finals, scoring.direction),
        mean_reward=sum(episode.reward for episode in counted) / len(counted) if counted else None,
        episodes=len(counted),
        infrastructure=len(episodes) - len(counted),
        outcomes=dict(Counter(episode.outcome.value for episode in episodes).most_common()),
    )


def _best(scores: Iterable[float | None], direction: Direction) -> float | None:
    known = [score for score in scores if score is not None]
    if not known:
        return None
    return max(known) if direction == "max" else min(known)


def _profiles(rows: Sequence[TaskResult]) -> Profiles | None:
    pool = [row for row in rows if row.baseline is not None and row.episodes]
    if not pool:
        return None
    baseline = {row.task: row.baseline for row in pool}
    best = {AGENT: {row.task: row.best for row in pool}, BASELINE: baseline}
    last = {AGENT: {row.task: row.last for row in pool}, BASELINE: baseline}
    return performance_profiles({"best": best, "last": last}, {row.task: row.direction for row in pool})
