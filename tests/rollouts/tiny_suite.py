"""A suite of two tiny tasks and an agent that plays them in a second. Also a program: one run, to be killed.

python tiny_suite.py <suite> <run> <samples> <pause> [resume]
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlgym_synth.agents import AGENTS, Action, Environment, Moves, play
from mlgym_synth.datasets.prepare import make_data
from mlgym_synth.rollouts import RunResult, rollout
from mlgym_synth.tasks.mlgym_yaml import TaskConfig
from mlgym_synth.tasks.recipe import CsvSubmission, Limits, Recipe, Scoring, Split
from mlgym_synth.tasks.suite import Suite, TaskFiles
from mlgym_synth.trajectories import Sink, Trajectory

IDS = ("tiny-1", "tiny-2")
GUESS = """awk -F, -v seed=$((MLGYM_SEED % 997)) '
    NR == 1 {print "id,target"}
    NR > 1 {print $1 "," ((NR * seed) % 7 < 3 ? "yes" : "no")}
' data/test.csv > submission.csv"""


class Guesser:
    """Submits predictions that its seed decides."""

    name = "guesser"

    def __init__(self, pause: float = 0.0) -> None:
        self.settings = {"pause": pause}

    def run(self, env: Environment, sink: Sink, *, seed: int, episode: int = 0) -> Trajectory:
        def moves(prompt: str) -> Moves:
            yield Action(GUESS)
            yield Action(f"sleep {self.settings['pause']}; validate")
            yield Action("submit")
            return None

        return play(env, moves, sink, agent=self.name, seed=seed, episode=episode)


def make_suite(folder: Path) -> Path:
    """Writes the suite; its tasks differ in their tables."""
    for number, task_id in enumerate(IDS):
        generator = np.random.default_rng(number)
        frame = pd.DataFrame(generator.random((90, 2)).round(6), columns=["x", "y"])
        frame["target"] = np.where(frame.x > frame.y, "yes", "no")
        table = folder.parent / f"{folder.name}-{task_id}.csv"
        frame.to_csv(table, index=False)
        data, _ = make_data(
            f"file/{task_id}",
            {"path": str(table)},
            [],
            "target",
            "label",
            Split(salt="pepper", test_rows=60, public_rows=30),
        )
        recipe = Recipe(
            id=task_id,
            family="tests",
            category="data science",
            author="tests",
            data=data,
            submission=CsvSubmission(target_kind="label", labels=["no", "yes"]),
            scoring=Scoring(metric="accuracy", direction="max", limit=1.0),
            limits=Limits(memory_mb=1024, action_seconds=20.0),
        )
        config = TaskConfig(id=task_id, name="Tiny", description="Say whether x > y.")
        Suite.create(folder, "tiny", "tests").add(TaskFiles(config=config, recipe=recipe, dataset=None))
    return folder


def run(suite: Path, out: Path, samples: int = 2, pause: float = 0.0, **options: Any) -> RunResult:
    """One run of the guesser on both tasks."""
    AGENTS["guesser"] = lambda settings: Guesser(pause, **settings)
    options = {"agent": "guesser", "concurrency": 2, "max_steps": 5, **options}
    return rollout(list(Suite.open(suite)), samples=samples, out=out, **options)


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]), resume="resume" in sys.argv)
