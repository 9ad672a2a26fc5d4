"""The loop between an agent and an environment, on an environment that needs no sandbox."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from mlgym_synth.agents import Action, HumanAgent, Moves, ReferenceAgent, make_agent, play
from mlgym_synth.errors import DataError, GradingError, InputError, ModelError, SandboxError
from mlgym_synth.tasks.mlgym_yaml import TaskConfig
from mlgym_synth.tasks.outcomes import Outcome
from mlgym_synth.tasks.recipe import CodeSubmission, Recipe, Scoring
from mlgym_synth.tasks.suite import Task, TaskFiles, write_task
from mlgym_synth.trajectories import Sink, TrajectoryWriter, read_trajectory

SCORE = "payoff on the public part: {} (higher is better)\nvalidations left: 9\n"


class Echo:
    """An environment that repeats commands; `submit` ends the episode, `fail:<name>` raises what it was given."""

    provider = "echo"

    def __init__(self, task: Task, failures: dict[str, BaseException] | None = None, max_steps: int = 5) -> None:
        self.task = task
        self.failures = failures or {}
        self.max_steps = max_steps

    def reset(self, *, seed: int | None = None) -> tuple[str, dict[str, Any]]:
        self.steps = 0
        if "reset" in self.failures:
            raise self.failures["reset"]
        return f"Repeat. The seed is {seed}.", {
            "outcome": "running",
            "score": None,
            "best_score": None,
            "baseline": 0.5,
        }

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        self.steps += 1
        if action in self.failures:
            raise self.failures[action]
        submitted, late = action == "submit", self.steps >= self.max_steps
        facts: dict[str, Any] = {"outcome": "running", "score": None, "best_score": None, "baseline": 0.5}
        if submitted or late:
            facts |= {"outcome": "submitted" if submitted else "max_steps", "score": 0.75, "best_score": 0.875}
        return f"> {action}", 1.5 if submitted else 0.0, submitted, late and not submitted, facts


@pytest.fixture
def task(tmp_path: Path) -> Task:
    recipe = Recipe(
        id="echo",
        family="tests",
        category="games",
        author="tests",
        submission=CodeSubmission(file="policy.py", functions=["act"]),
        scoring=Scoring(metric="payoff", direction="max"),
    )
    config = TaskConfig(id="echo", name="Echo", description="Repeat.")
    return write_task(tmp_path / "suite", TaskFiles(config=config, recipe=recipe, dataset=None))


@pytest.fixture
def sink(tmp_path: Path) -> TrajectoryWriter:
    return TrajectoryWriter(tmp_path / "trajectory.jsonl")


def commands(*texts: str) -> Any:
    def policy(prompt: str) -> Moves:
        for text in texts:
            yield Action(text, thought=f"so {text}", info={"tokens": 3})
        return None

    return policy


def test_a_submitted_episode_is_whole_and_on_disk(task: Task, sink: TrajectoryWriter) -> None:
    trajectory = play(Echo(task), commands("ls", "submit", "never"), sink, agent="a", seed=4, episode=2, model="m")
    assert read_trajectory(sink.path) == trajectory
    assert trajectory.prompt == "Repeat. The seed is 4."
    assert [(step.index, step.action, step.observation) for step in trajectory.steps] == [
        (0, "ls", "> ls"),
        (1, "submit", "> submit"),
    ]
    assert (trajectory.outcome, trajectory.score, trajectory.best_score) == (Outcome.SUBMITTED, 0.75, 0.875)
    assert (trajectory.baseline, trajectory.reward) == (0.5, 1.5)
    assert (trajectory.agent, trajectory.model, trajectory.seed, trajectory.episode) == ("a", "m", 4, 2)
    assert (trajectory.content_hash, trajectory.provider) == (task.content_hash, "echo")
    assert trajectory.steps[0].thought == "so ls"
    assert trajectory.steps[0].info == {"tokens": 3}
    assert 0 <= sum(step.seconds for step in trajectory.steps) <= trajectory.seconds


def test_observations_are_sent_to_the_agent(task: Task, sink: TrajectoryWriter) -> None:
    seen = []

    def policy(prompt: str) -> Moves:
        seen.append(prompt)
        seen.append((yield Action("one")))
        seen.append((yield Action("submit")))
        return None

    play(Echo(task), policy, sink, agent="a", seed=0)
    assert seen == ["Repeat. The seed is 0.", "> one"]


def test_a_truncated_episode(task: Task, sink: TrajectoryWriter) -> None:
    trajectory = play(Echo(task, max_steps=2), commands("a", "b", "c"), sink, agent="a", seed=0)
    assert (trajectory.outcome, trajectory.score, len(trajectory.steps)) == (Outcome.MAX_STEPS, 0.75, 2)


@pytest.mark.parametrize("outcome", [None, Outcome.MAX_COST, Outcome.FORMAT_ERROR])
def test_an_agent_that_gives_up(task: Task, sink: TrajectoryWriter, outcome: Outcome | None) -> None:
    def policy(prompt: str) -> Moves:
        yield Action("ls")
        return outcome

    trajectory = play(Echo(task), policy, sink, agent="a", seed=0)
    assert trajectory.outcome is (outcome or Outcome.MAX_STEPS)
    assert trajectory.score is None
    assert len(trajectory.steps) == 1


@pytest.mark.parametrize(
    ("failure", "outcome"),
    [
        (SandboxError("gone"), Outcome.SANDBOX_ERROR),
        (GradingError("gone"), Outcome.SANDBOX_ERROR),
        (DataError("gone"), Outcome.SANDBOX_ERROR),
        (ModelError("gone"), Outcome.MODEL_ERROR),
        (KeyboardInterrupt(), Outcome.CANCELLED),
    ],
)
@pytest.mark.parametrize("where", ["reset", "boom"])
def test_what_breaks_is_an_outcome(
    task: Task, sink: TrajectoryWriter, where: str, failure: BaseException, outcome: Outcome
) -> None:
    trajectory = play(Echo(task, {where: failure}), commands("ls", "boom", "submit"), sink, agent="a", seed=0)
    assert trajectory.outcome is outcome
    assert trajectory.outcome.is_infrastructure
    assert trajectory.error == str(failure)
    assert trajectory.score is None
    assert [step.action for step in trajectory.steps] == (["ls"] if where == "boom" else [])
    assert read_trajectory(sink.path) == trajectory


def test_what_the_user_did_wrong_is_raised(task: Task, sink: TrajectoryWriter) -> None:
    with pytest.raises(InputError, match="unusable"):
        play(Echo(task, {"reset": InputError("unusable")}), commands("ls"), sink, agent="a", seed=0)


def test_the_policy_is_closed_when_the_episode_ends(task: Task, sink: TrajectoryWriter) -> None:
    closed = []

    def policy(prompt: str) -> Moves:
        try:
            while True:
                yield Action("submit")
        finally:
            closed.append(True)

    play(Echo(task), policy, sink, agent="a", seed=0)
    assert closed == [True]


class Graded(Echo):
    """An echo whose `validate` gives the scores of a script and counts what is handed in."""

    def __init__(self, task: Task, prompt: str, scores: list[str]) -> None:
        super().__init__(task, max_steps=50)
        self.prompt = prompt
        self.scores = iter(scores)

    def reset(self, *, seed: int | None = None) -> tuple[str, dict[str, Any]]:
        return self.prompt, super().reset(seed=seed)[1]

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        observation, *rest = super().step("submit" if action.endswith("submit") else action)
        return (next(self.scores) if action == "validate" else observation, *rest)  # type: ignore[return-value]


TABLE = "The metric is `rmse`, and lower\nis better.\n- Your submission is the file submission.csv in that directory."
CODE = "The metric is `payoff`, and higher is better.\n- Your submission is the file policy.py in that directory."


@pytest.mark.parametrize(
    ("prompt", "scores", "last"),
    [
        (TABLE, ["3", "1", "2"], "cp candidate-2.csv submission.csv && submit"),
        (TABLE, ["3", "1", "1e-3"], "cp candidate-3.csv submission.csv && submit"),
        (TABLE, ["3", "oops", "4"], "cp candidate-1.csv submission.csv && submit"),
        (CODE, ["-3"], "cp candidate-1.py policy.py && submit"),
        (CODE, ["oops"], "submit"),
        ("Nothing to be understood.", ["1", "2", "3"], "cp candidate-3.csv submission.csv && submit"),
    ],
)
def test_the_reference_agent_submits_what_validated_best(
    task: Task, sink: TrajectoryWriter, prompt: str, scores: list[str], last: str
) -> None:
    answers = [score if score == "oops" else SCORE.format(score) for score in scores]
    trajectory = ReferenceAgent().run(Graded(task, prompt, answers), sink, seed=0)
    assert trajectory.outcome is Outcome.SUBMITTED
    assert trajectory.steps[-1].action == last
    assert 6 <= len(trajectory.steps) <= 9
    search = next(step.action for step in trajectory.steps if step.action.startswith("python search"))
    assert ("--metric rmse" if "rmse" in prompt else "--direction max" if prompt is CODE else "accuracy") in search


def human(text: str) -> tuple[HumanAgent, io.StringIO]:
    shown = io.StringIO()
    return HumanAgent(commands=io.StringIO(text), console=Console(file=shown, width=80)), shown


def test_a_person_sees_the_prompt_and_types_commands(task: Task, sink: Sink) -> None:
    agent, shown = human("ls [bold]\n\ncat > a <<'EOF'\none\n\ntwo\nEOF\nsubmit\n")
    trajectory = agent.run(Echo(task), sink, seed=1)
    assert [step.action for step in trajectory.steps] == ["ls [bold]", "cat > a <<'EOF'\none\n\ntwo\nEOF", "submit"]
    assert trajectory.outcome is Outcome.SUBMITTED
    assert "The seed is 1." in shown.getvalue()
    assert "> ls [bold]" in shown.getvalue()


def test_a_person_who_leaves_cancels(task: Task, sink: Sink) -> None:
    agent, _ = human("ls\n")
    assert agent.run(Echo(task), sink, seed=0).outcome is Outcome.CANCELLED


def test_a_terminal_is_not_sent_control_characters(task: Task, sink: Sink) -> None:
    agent, shown = human("\x1b]0;title\x07\x9b31m\n")
    agent.run(Echo(task), sink, seed=0)
    assert not {"\x1b", "\x07", "\x9b"} & set(shown.getvalue())


def test_agents_by_name(tmp_path: Path) -> None:
    assert make_agent("reference").name == "reference"
    assert make_agent("human").settings == {}
    with pytest.raises(InputError, match="did you mean reference"):
        make_agent("refrence")
    settings = tmp_path / "agent.yaml"
    settings.write_text("search_seconds: 1\nblend: false\n")
    assert make_agent("reference", settings).settings == {"search_seconds": 1.0, "blend": False}


@pytest.mark.parametrize(
    "text", ["search_seconds: \x80", "search_seconds: 0", "serch_seconds: 1", "[1]", "a: b: c", "blend: perhaps"]
)
def test_bad_settings_are_named(tmp_path: Path, text: str) -> None:
    settings = tmp_path / "agent.yaml"
    settings.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"agent\.yaml"):
        make_agent("reference", settings)
