"""The loop that all agents share: it drives the environment, times the steps, tells the sink and types the ending.

An agent is a generator that yields actions and is sent observations, so it decides and does nothing else:

    def policy(prompt):
        observation = yield Action("python baseline.py")
        yield Action("submit")
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import mlgym_synth
from mlgym_synth.agents.protocol import Environment
from mlgym_synth.errors import DataError, GradingError, ModelError, SandboxError
from mlgym_synth.tasks.outcomes import Outcome
from mlgym_synth.trajectories import Sink, Step, Trajectory


@dataclass(frozen=True)
class Action:
    """What an agent does next."""

    command: str
    thought: str = ""
    """Why, in words."""
    info: Mapping[str, Any] = field(default_factory=dict)
    """Small facts about how the action came to be: tokens, cost."""


Moves = Generator[Action, str, Outcome | None]
"""Yields actions, is sent observations. One that returns gives up, with an outcome or as out of steps."""
Policy = Callable[[str], Moves]
"""From the prompt of an episode to its moves."""


def play(
    env: Environment,
    policy: Policy,
    sink: Sink,
    *,
    agent: str,
    seed: int,
    episode: int = 0,
    model: str = "",
) -> Trajectory:
    """Plays one episode from reset to its end; `env` stays open.

    Args:
        env: The task's environment.
        policy: Who decides.
        sink: Told about the episode as it happens.
        agent: Name of the agent.
        seed: Seed of the environment's random numbers.
        episode: Which of the samples with this task and agent it is.
        model: Name of the model behind the agent, if there is one.

    Returns:
        The whole episode. Failures of sandbox, grader, data and model, and Ctrl-C, are outcomes of it.
    """
    began = time.monotonic()
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    state = _State()
    with state.typed_failures():
        state.prompt, state.facts = env.reset(seed=seed)
    header = Trajectory(
        task_id=env.task.id,
        content_hash=env.task.content_hash,
        agent=agent,
        model=model,
        seed=seed,
        episode=episode,
        prompt=state.prompt,
        started_at=started_at,
        provider=env.provider,
        version=mlgym_synth.__version__,
    )
    with state.typed_failures():
        sink.begin(header)
        if state.outcome is Outcome.RUNNING:
            with contextlib.closing(policy(state.prompt)) as moves:
                _take_steps(env, moves, sink, state)
    trajectory = Trajectory(
        **header.model_dump(exclude=_LAST),
        outcome=state.outcome,
        error=state.error,
        score=state.facts.get("score"),
        best_score=state.facts.get("best_score"),
        baseline=state.facts.get("baseline"),
        reward=sum(step.reward for step in state.steps),
        steps=state.steps,
        seconds=time.monotonic() - began,
    )
    sink.end(trajectory)
    return trajectory


_LAST = {"outcome", "error", "score", "best_score", "baseline", "reward", "steps", "seconds"}
"""Fields of a trajectory that are known only when the episode is over."""


@dataclass
class _State:
    """An episode in progress: set by the loop, or by what broke in it."""

    prompt: str = ""
    outcome: Outcome = Outcome.RUNNING
    error: str = ""
    facts: dict[str, Any] = field(default_factory=dict)
    """The environment's `info` after the last step."""
    steps: list[Step] = field(default_factory=list)

    @contextlib.contextmanager
    def typed_failures(self) -> Iterator[None]:
        """Turns what breaks inside into an outcome."""
        try:
            yield
        except KeyboardInterrupt:
            self.outcome = Outcome.CANCELLED
        except ModelError as error:
            self.outcome, self.error = Outcome.MODEL_ERROR, str(error)
        except (SandboxError, GradingError, DataError) as error:
            self.outcome, self.error = Outcome.SANDBOX_ERROR, str(error)


def _take_steps(env: Environment, moves: Moves, sink: Sink, state: _State) -> None:
    """Steps until the environment or the agent ends the episode."""
    last = time.monotonic()
    try:
        action = next(moves)
        while True:
            observation, reward, terminated, truncated, state.facts = env.step(action.command)
            now = time.monotonic()
            step = Step(
                index=len(state.steps),
                action=action.command,
                observation=observation,
                reward=float(reward),
                seconds=now - last,
                thought=action.thought,
                info=dict(action.info),
            )
            last = now
            state.steps.append(step)
            sink.step(step)
            if terminated or truncated:
                state.outcome = Outcome(state.facts["outcome"])
                return
            action = moves.send(observation)
    except StopIteration as stop:
        state.outcome = stop.value or Outcome.MAX_STEPS
