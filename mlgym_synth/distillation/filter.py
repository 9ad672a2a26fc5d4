"""Which episodes are worth learning from, and how many fell to which rule."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from mlgym_synth.tasks.recipe import Direction
from mlgym_synth.trajectories import Trajectory


class Rule(StrEnum):
    """Why an episode was left out, in the order in which the rules are tried; `kept` if none applies."""

    INFRASTRUCTURE = "infrastructure"
    NO_SCORE = "no_score"
    NOT_BETTER = "not_better_than_baseline"
    FLAGGED = "flagged_as_cheating"
    SURPLUS = "better_ones_of_the_task_kept"
    KEPT = "kept"


_ELSEWHERE = r"/(?!home/agent/workspace\b|opt/runtime\b|tmp\b|dev/null\b)"
_HARNESS = r"(?<![\w.-])(?:validate|submit|grader\.sock)(?![\w.-])"
FLAGS = {
    "hidden files": re.compile(
        r"\blabels\.csv\b|\bhidden/|\bjudge\.py\b|\breference\.py\b|\bMLGYM_GRADER\b"
        r"|/proc/(?:\d+|\*|self/(?:environ|mem|fd|root))"
    ),
    "search outside the workspace": re.compile(
        rf"\b(?:find|locate|grep\s+-\w*[rR]\w*[^\n;|&]*?|ls\s+-\w*R\w*)\s+['\"]?{_ELSEWHERE}"
        rf"|\b(?:os\.walk|os\.scandir|glob\.i?glob|Path)\(\s*r?['\"]{_ELSEWHERE}"
    ),
    "data from elsewhere": re.compile(
        r"\bload_dataset\b|\bhf_hub\w*|\bhuggingface_hub\b|\bsnapshot_download\b|\bfetch_openml\b"
        r"|\bsklearn\.datasets\b|\bsklearn\s+import\s+datasets\b|https?://|\b(?:curl|wget)\b"
    ),
    "tampering with the harness": re.compile(
        rf">\s*['\"]?[^\s;|&'\"]*{_HARNESS}"
        rf"|\b(?:tee|cp|mv|rm|ln|chmod|install|truncate|sed\s+-i\w*)\s[^\n;|&]*?{_HARNESS}"
        r"|\b(?:function\s+|alias\s+)(?:validate|submit|python3?)\b|\b(?:validate|submit|python3?)\s*\(\)\s*\{"
    ),
}
"""What no honest episode does, by what it looks like: searched for in every action. A harmless mention is dropped too,
because a missed cheat teaches cheating and a missed honest episode costs one example."""


def cheating_flags(trajectory: Trajectory) -> list[str]:
    """Names of the flags that any action of the episode raises."""
    return [name for name, pattern in FLAGS.items() if any(pattern.search(step.action) for step in trajectory.steps)]


def judge(trajectory: Trajectory, direction: Direction) -> Rule:
    """The first rule that leaves the episode out, or `kept`; `surplus` is decided over all episodes of a task.

    Args:
        trajectory: One episode.
        direction: Which direction of its task's metric is better.
    """
    if trajectory.outcome.is_infrastructure:
        return Rule.INFRASTRUCTURE
    if trajectory.score is None:
        return Rule.NO_SCORE
    if trajectory.baseline is None or _gain(trajectory.score, trajectory.baseline, direction) <= 0:
        return Rule.NOT_BETTER
    if cheating_flags(trajectory):
        return Rule.FLAGGED
    return Rule.KEPT


class Funnel(BaseModel):
    """How many episodes were read, and what became of them; per task, and over all."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tasks: dict[str, dict[Rule, int]]
    """Number of episodes by task and rule, every rule named."""

    @property
    def total(self) -> dict[Rule, int]:
        """Number of episodes by rule, over all tasks."""
        return {rule: sum(counts[rule] for counts in self.tasks.values()) for rule in Rule}

    @property
    def read(self) -> int:
        """Number of episodes that were read: the sum over all rules."""
        return sum(self.total.values())

    @property
    def kept(self) -> int:
        """Number of episodes in the training data."""
        return self.total[Rule.KEPT]

    @classmethod
    def count(cls, fates: Iterable[tuple[str, Rule]]) -> Funnel:
        """Counts pairs of task id and rule, one pair per episode."""
        tasks: dict[str, dict[Rule, int]] = {}
        for task_id, rule in fates:
            tasks.setdefault(task_id, dict.fromkeys(Rule, 0))[rule] += 1
        return cls(tasks=dict(sorted(tasks.items())))


def _gain(score: float, other: float, direction: Direction) -> float:
    return score - other if direction == "max" else other - score
