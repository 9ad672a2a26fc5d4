"""Chat messages of trajectories."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from mlgym_synth.trajectories import Step, Trajectory, to_messages


def trajectory(*steps: Step, **fields: object) -> Trajectory:
    return Trajectory.model_validate(
        {
            "task_id": "t",
            "content_hash": "0",
            "agent": "a",
            "seed": 0,
            "started_at": "",
            "prompt": "the task",
            "steps": list(steps),
            **fields,
        }
    )


def step(index: int, action: str, thought: str = "") -> Step:
    return Step(index=index, action=action, observation=f"seen {index}", reward=0, seconds=0, thought=thought)


def test_roles_alternate_and_the_assistant_has_the_last_word() -> None:
    messages = to_messages(trajectory(step(0, "ls", "I look."), step(1, "submit")), system="be brief")
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user", "assistant"]
    assert messages[0]["content"] == "be brief"
    assert messages[1]["content"] == "the task"
    assert messages[2]["content"] == "I look.\n\n```bash\nls\n```"
    assert messages[3]["content"] == "seen 0"
    assert messages[4]["content"] == "```bash\nsubmit\n```"


def test_an_episode_without_steps_is_its_prompt() -> None:
    assert [message["role"] for message in to_messages(trajectory())] == ["system", "user"]


def test_the_chat_that_the_model_saw_is_preferred() -> None:
    chat = [{"role": "user", "content": "x"}, {"role": "assistant", "content": "y", "reasoning_content": "z"}]
    assert to_messages(trajectory(step(0, "ls"), messages=chat)) == chat


@given(action=st.text(st.sampled_from("`a\n~ "), max_size=30))
def test_the_action_can_be_cut_out_of_the_block(action: str) -> None:
    content = to_messages(trajectory(step(0, action, "thinking")))[-1]["content"]
    found = re.search(r"^(`{3,})bash\n(.*)\n\1$", content, re.DOTALL | re.MULTILINE)
    assert found is not None
    assert found[2] == action
