"""Fixtures that write small suites and runs by hand, for the rooms that read them."""

import json

import pytest

from mlgym_synth.files import append_durably, write_json
from mlgym_synth.rollouts import RunPlan, load_run
from mlgym_synth.rollouts.results import trajectory_path
from mlgym_synth.tasks.certificate import Anchors, Certificate, Check
from mlgym_synth.tasks.mlgym_yaml import TaskConfig
from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.tasks.recipe import CodeSubmission, Recipe, Scoring
from mlgym_synth.tasks.suite import Suite, TaskFiles
from mlgym_synth.trajectories import Step, Trajectory, TrajectoryWriter


@pytest.fixture
def add_task():
    """Adds a certified code task to a suite; `anchors` are floor, baseline and reference, or None."""

    def add(suite: Suite, task_id, anchors=(0.0, 0.4, 0.8), direction="max", description="Do well.", detail=""):
        files = TaskFiles(
            config=TaskConfig(id=task_id, name=task_id, description=description.replace("{", "{{").replace("}", "}}")),
            recipe=Recipe(
                id=task_id,
                family="toy",
                category="games",
                author="test",
                submission=CodeSubmission(file="policy.py", functions=["act"]),
                scoring=Scoring(metric="payoff", direction=direction),
            ),
            dataset=None,
            starter={"policy.py": b"def act():\n    return 0\n"},
        )
        certificate = anchors and Certificate(
            task_id=task_id,
            content_hash=files.content_hash,
            certified=True,
            provisional=False,
            provider="bubblewrap",
            runtime="0" * 16,
            seeds=3,
            anchors=Anchors(
                metric="payoff", direction=direction, floor=anchors[0], baseline=anchors[1], reference=anchors[2]
            ),
            checks=[Check(name="determinism", verdict=Verdict.PASS, detail=detail)],
        )
        return suite.add(files, certificate)

    return add


@pytest.fixture
def make_run(tmp_path):
    """Writes a run folder from how its episodes ended: fields of the trajectory by task id, an episode each."""

    def make(suite: Suite, endings, name="run", agent="reference"):
        folder = tmp_path / name
        tasks = {task_id: suite.task(task_id).content_hash for task_id in endings}
        plan = RunPlan(
            agent=agent,
            agent_settings={},
            samples=max((len(each) for each in endings.values()), default=1),
            max_steps=50,
            seed=0,
            sandbox="auto",
            allow_unsafe=False,
            suite=str(suite.path),
            tasks=tasks,
            version="0.1.0",
        )
        write_json(folder / "run.json", plan.model_dump(mode="json"))
        for task_id, episodes in endings.items():
            for sample, fields in enumerate(episodes):
                trajectory = _trajectory(task_id, tasks[task_id], agent, sample, **fields)
                if not trajectory.outcome.is_infrastructure:
                    writer = TrajectoryWriter(trajectory_path(folder, task_id, sample))
                    writer.begin(trajectory)
                    for step in trajectory.steps:
                        writer.step(step)
                    writer.end(trajectory)
                facts = trajectory.model_dump(
                    mode="json",
                    include={"task_id", "seed", "outcome", "score", "best_score", "baseline", "reward", "seconds"},
                )
                facts |= {"episode": f"{task_id}/{sample}", "sample": sample, "steps": len(trajectory.steps)}
                append_durably(folder / "journal.jsonl", json.dumps({"event": "finished", **facts}))
        return load_run(folder)

    return make


def _trajectory(task_id, content_hash, agent, sample, actions=("ls",), text="", **fields):
    values = {"outcome": "submitted", "score": 0.6, "best_score": 0.7, "baseline": 0.4, "reward": 0.75}
    steps = [
        Step(index=index, action=action, observation=text, thought=text, reward=0.0, seconds=1.0)
        for index, action in enumerate(actions)
    ]
    return Trajectory(
        task_id=task_id,
        content_hash=content_hash,
        agent=agent,
        seed=sample,
        episode=sample,
        steps=steps,
        prompt=text,
        started_at="2026-01-01T00:00:00Z",
        **{**values, **fields},
    )
