"""What an agent is, and what `play` needs to know of an environment."""

from __future__ import annotations

from typing import Any, Protocol

from mlgym_synth.tasks.suite import Task
from mlgym_synth.trajectories import Sink, Trajectory


class Environment(Protocol):
    """The part of `TaskEnv` that an episode uses."""

    task: Task

    @property
    def provider(self) -> str:
        """Name of the sandbox provider in use; empty before the first reset."""

    def reset(self, *, seed: int | None = None) -> tuple[str, dict[str, Any]]:
        """Begins an episode; returns the task's text and the facts so far."""

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Runs a command; returns observation, reward, terminated, truncated and the facts so far."""


class Agent(Protocol):
    """Who acts on a task."""

    name: str
    settings: dict[str, Any]
    """What tells it from others of its name; recorded with every run."""

    def run(self, env: Environment, sink: Sink, *, seed: int, episode: int = 0) -> Trajectory:
        """Plays one episode to its end; `env` stays open.

        Args:
            env: The task's environment; it is reset first.
            sink: Told about the episode as it happens.
            seed: Decides the environment's random numbers and the agent's own.
            episode: Which of the samples with this task and agent it is.

        Returns:
            The whole episode. What broke around the agent is an outcome of it, not an exception.
        """
