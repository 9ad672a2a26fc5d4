"""The reference agent on tasks of the templates, in a real sandbox."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from mlgym_synth.agents import ReferenceAgent, ReferenceConfig
from mlgym_synth.environment import TaskEnv
from mlgym_synth.environment.grader import Grader
from mlgym_synth.synthesis.templates.author import family_named
from mlgym_synth.tasks.outcomes import Outcome
from mlgym_synth.tasks.suite import Suite, Task
from mlgym_synth.trajectories import Trajectory, TrajectoryWriter, read_trajectory


def play(folder: Path, family: str, seconds: float) -> tuple[Task, Trajectory, list[float]]:
    """One episode on a task of a family; the scores are those that the agent saw, in order."""
    chosen = family_named(family)
    files = chosen.draft("task", chosen.knobs(random.Random(0)), "salt")
    task = Suite.create(folder / "suite", "tests", "tests").add(files)
    env = TaskEnv(task.id, task.suite)
    try:
        agent = ReferenceAgent(ReferenceConfig(search_seconds=seconds))
        trajectory = agent.run(env, TrajectoryWriter(folder / "trajectory.jsonl"), seed=0)
    finally:
        env.close()
    seen = [re.search(r"public part: (\S+)", step.observation) for step in trajectory.steps]
    return task, trajectory, [float(found[1]) for found in seen if found]


@pytest.mark.isolated
def test_beats_the_baseline_on_a_table(tmp_path: Path) -> None:
    _, trajectory, scores = play(tmp_path, "text-classification", 5)
    assert trajectory.outcome is Outcome.SUBMITTED
    assert trajectory.score is not None
    baseline, *searched = scores
    assert max(searched) > baseline, "the direction is max"
    best = scores.index(max(scores)) + 1
    assert trajectory.steps[-1].action == f"cp candidate-{best}.csv submission.csv && submit"
    assert read_trajectory(tmp_path / "trajectory.jsonl") == trajectory


@pytest.mark.isolated
def test_beats_the_baseline_on_a_code_task(tmp_path: Path) -> None:
    task, trajectory, scores = play(tmp_path, "repeated-game", 5)
    assert trajectory.outcome is Outcome.SUBMITTED
    starter = task.workspace[task.recipe.submission.file]
    assert scores[-1] > Grader(task).evaluate(starter, "public").score, "the direction is max"
    assert trajectory.score is not None
