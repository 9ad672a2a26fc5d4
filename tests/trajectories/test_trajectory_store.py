"""Trajectory files: round trip over all of Unicode, interruption at any byte, damage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlgym_synth.errors import InputError
from mlgym_synth.tasks.outcomes import Outcome
from mlgym_synth.trajectories import Step, Trajectory, TrajectoryWriter, read_trajectory

ANY_TEXT = st.text(st.characters(), max_size=40)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANY_TEXT, inner, max_size=3),
    max_leaves=6,
)
INFOS = st.dictionaries(ANY_TEXT, JSON_VALUES, max_size=3)


@st.composite
def trajectories(draw: st.DrawFn) -> Trajectory:
    steps = [
        Step(
            index=index,
            action=draw(ANY_TEXT),
            observation=draw(ANY_TEXT),
            reward=draw(NUMBERS),
            seconds=draw(NUMBERS),
            thought=draw(ANY_TEXT),
            info=draw(INFOS),
        )
        for index in range(draw(st.integers(0, 4)))
    ]
    return Trajectory(
        task_id="t",
        content_hash="0" * 64,
        agent="reference",
        seed=draw(st.integers(0, 2**31)),
        prompt=draw(ANY_TEXT),
        outcome=draw(st.sampled_from(Outcome)),
        score=draw(st.none() | NUMBERS),
        best_score=draw(st.none() | NUMBERS),
        baseline=draw(st.none() | NUMBERS),
        reward=draw(NUMBERS),
        steps=steps,
        messages=draw(st.lists(INFOS, max_size=2)),
        started_at="2026-01-01T00:00:00Z",
        seconds=draw(NUMBERS),
        provider="bubblewrap",
        version="0.1.0",
    )


def written(path: Path, trajectory: Trajectory) -> Path:
    writer = TrajectoryWriter(path)
    writer.begin(trajectory)
    for step in trajectory.steps:
        writer.step(step)
    writer.end(trajectory)
    return path


def example(**fields: Any) -> Trajectory:
    steps = [Step(index=i, action=f"echo {i}", observation=f"{i}\n", reward=0.0, seconds=0.1) for i in range(3)]
    given_fields = {
        "task_id": "t",
        "content_hash": "0",
        "agent": "a",
        "seed": 0,
        "started_at": "",
        "steps": steps,
    }
    return Trajectory(**{**given_fields, **fields})


@given(trajectory=trajectories())
@settings(max_examples=60, deadline=None)
def test_what_is_read_is_what_was_written(trajectory: Trajectory, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("trajectory") / "a" / "one.jsonl"
    assert read_trajectory(written(path, trajectory)) == trajectory


def test_lone_surrogates_are_replaced_and_pairs_joined() -> None:
    step = Step(
        index=0,
        action="\ud83d\ude00",
        observation="a\udc80b",
        reward=0,
        seconds=0,
        info={"\ud800": ["\ud800"]},
    )
    assert step.action == "\N{GRINNING FACE}"
    assert step.observation == "a\N{REPLACEMENT CHARACTER}b"
    assert step.info == {"\N{REPLACEMENT CHARACTER}": ["\N{REPLACEMENT CHARACTER}"]}


def test_a_file_cut_at_any_byte_is_a_running_trajectory_with_the_whole_steps(tmp_path: Path) -> None:
    trajectory = example(outcome=Outcome.SUBMITTED, score=0.5, prompt="é")
    content = written(tmp_path / "whole.jsonl", trajectory).read_bytes()
    header = content.index(b"\n") + 1
    cut = tmp_path / "cut.jsonl"
    for size in range(header, len(content)):
        cut.write_bytes(content[:size])
        read = read_trajectory(cut)
        assert read.outcome is Outcome.RUNNING
        assert read.score is None
        assert read.steps == trajectory.steps[: content[:size].count(b"\n") - 1]


def test_steps_are_on_disk_as_they_happen(tmp_path: Path) -> None:
    trajectory, path = example(), tmp_path / "one.jsonl"
    writer = TrajectoryWriter(path)
    writer.begin(trajectory)
    for count, step in enumerate(trajectory.steps, 1):
        writer.step(step)
        assert len(read_trajectory(path).steps) == count


def test_a_second_attempt_replaces_the_first(tmp_path: Path) -> None:
    path = written(tmp_path / "one.jsonl", example())
    TrajectoryWriter(path).begin(example(agent="second"))
    assert read_trajectory(path).agent == "second"
    assert read_trajectory(path).steps == []


@pytest.mark.parametrize(
    "damage",
    [
        lambda lines: lines[1:],
        lambda lines: [lines[0], "not json", *lines[1:]],
        lambda lines: [lines[0], lines[-1], lines[1]],
        lambda lines: [lines[0], json.dumps([1]), *lines[1:]],
        lambda lines: [lines[0].replace("mlgym-synth-1", "another-format"), *lines[1:]],
        lambda lines: [],
        lambda lines: [lines[0], json.dumps({"kind": "step", "index": 0, "reward": "NaN"})],
    ],
)
def test_a_damaged_file_is_an_input_error_that_names_it(tmp_path: Path, damage: Any) -> None:
    path = written(tmp_path / "one.jsonl", example())
    lines = damage(path.read_text(encoding="utf-8").splitlines())
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    with pytest.raises(InputError, match=r"one\.jsonl is not a trajectory"):
        read_trajectory(path)


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot read"):
        read_trajectory(tmp_path / "none.jsonl")


def test_scores_are_finite() -> None:
    with pytest.raises(ValueError, match="finite"):
        example(score=float("nan"))
