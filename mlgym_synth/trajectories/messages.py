"""Trajectories as chat messages, for training and for reading."""

from __future__ import annotations

import re
from typing import Any

from mlgym_synth.trajectories.model import Step, Trajectory

SYSTEM = (
    "You are a machine-learning researcher who works in a Linux shell. "
    "Answer each observation with your thoughts and exactly one bash block, which is run for you."
)


def to_messages(trajectory: Trajectory, system: str = SYSTEM) -> list[dict[str, Any]]:
    """The chat of an episode.

    The chat that the model's endpoint saw is returned where the trajectory holds one. Otherwise it is made of
    the steps: system, prompt, then assistant and user in turn. The last observation, which nobody answered, is
    left out.

    Args:
        trajectory: The episode.
        system: Text of the system message.

    Returns:
        Messages with the keys `role` and `content`, the last one the assistant's if there was a step.
    """
    if trajectory.messages:
        return [dict(message) for message in trajectory.messages]
    messages = [{"role": "system", "content": system}, {"role": "user", "content": trajectory.prompt}]
    for step in trajectory.steps:
        messages.append({"role": "assistant", "content": _answer(step)})
        messages.append({"role": "user", "content": step.observation})
    return messages[:-1] if trajectory.steps else messages


def _answer(step: Step) -> str:
    """Thought and action, fenced by more backticks than the action holds in a row."""
    longest = max(map(len, re.findall("`+", step.action)), default=0)
    fence = "`" * max(3, longest + 1)
    block = f"{fence}bash\n{step.action}\n{fence}"
    return f"{step.thought.strip()}\n\n{block}" if step.thought.strip() else block
