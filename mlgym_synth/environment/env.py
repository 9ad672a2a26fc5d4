"""The Gymnasium environment: one agent, one task, shell commands in, their output out."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import gymnasium
from gymnasium.error import ResetNeeded

from mlgym_synth.environment.instructions import instructions
from mlgym_synth.environment.pool import WarmPool
from mlgym_synth.environment.space import Text
from mlgym_synth.environment.workplace import Workplace
from mlgym_synth.errors import GradingError, InputError, MlgymSynthError, SandboxError
from mlgym_synth.sandboxes.protocol import Result
from mlgym_synth.tasks.outcomes import Outcome
from mlgym_synth.tasks.suite import Suite

_LOG = logging.getLogger(__name__)
_SEEDS = 2**31
_SHORTEST = 0.1
"""Seconds that a command gets at least, so that none is left without a limit."""


class TaskEnv(gymnasium.Env[str, str]):
    """A task as an environment.

    An episode terminates when a submission is taken. It is truncated at `max_steps`, at the task's time limit, or when
    the sandbox or the grader breaks. Only the last step has a reward, by the anchors of the task's certificate.
    `info` always has the keys `outcome`, `score` and `best_score` (private scores, None before the end), `baseline`
    (None without a certificate) and `step`.

    Args:
        task_id: Id of a task of the suite.
        suite: The suite's folder.
        sandbox: Sandbox provider, as in `sandboxes.create`.
        max_steps: Commands in an episode.
        allow_unsafe: Whether the provider may be one that isolates nothing.
        render_mode: There is none.
        pool: Where to take workplaces from, which others may share; a workplace of its own if None.

    Raises:
        InputError: If there is no such suite or task, or the provider may not be used.

    Example:
        >>> env = gymnasium.make("mlgym-synth/<id>")  # doctest: +SKIP
        >>> observation, info = env.reset(seed=0)  # doctest: +SKIP
        >>> observation, reward, terminated, truncated, info = env.step("validate")  # doctest: +SKIP
    """

    def __init__(
        self,
        task_id: str,
        suite: str | Path,
        sandbox: str = "auto",
        max_steps: int = 50,
        allow_unsafe: bool = False,
        render_mode: None = None,
        pool: WarmPool | None = None,
    ) -> None:
        if max_steps < 1:
            raise InputError(f"max_steps is {max_steps}", "allow at least one step")
        if sandbox == "process" and not allow_unsafe:
            raise InputError(
                "the process sandbox isolates nothing: an agent's commands would run on this machine",
                "use sandbox='auto', or allow_unsafe=True if you trust the agent",
            )
        self.task = pool.task if pool is not None else Suite.open(suite).task(task_id)
        self.max_steps = max_steps
        self.render_mode = render_mode
        self.action_space = Text()
        self.observation_space = Text()
        self._sandbox = sandbox
        self._allow_unsafe = allow_unsafe
        self._pool = pool
        self._workplace: Workplace | None = None
        self._outcome: Outcome | None = None
        """How the episode ended, `running` until then; None before the first reset."""

    @property
    def provider(self) -> str:
        """Name of the sandbox provider in use; empty while there is no sandbox."""
        return self._workplace.sandbox.provider if self._workplace else ""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[str, dict[str, Any]]:
        """Begins an episode in a pristine workspace; the first one prepares the data and makes the sandbox.

        Args:
            seed: Seeds the environment's generator, from which `MLGYM_SEED` in the shell is drawn.
            options: There are none.

        Returns:
            The task's text with how to work on it, and `info`.

        Raises:
            InputError: If the task's files are damaged.
            DataError: If its data cannot be prepared.
            SandboxError: If no sandbox can be had.
        """
        super().reset(seed=seed)
        self._outcome = None
        self._step = 0
        try:
            self._workplace = self._pristine_workplace()
            self._workplace.begin(int(self.np_random.integers(_SEEDS)))
        except SandboxError:
            self.close()
            raise
        self._outcome = Outcome.RUNNING
        self._deadline = time.monotonic() + self.task.recipe.limits.episode_seconds
        return instructions(self.task, self._workplace.sandbox.workspace, self.max_steps), self._info()

    def _pristine_workplace(self) -> Workplace:
        used, self._workplace = self._workplace, None
        if self._pool is None:
            return used or Workplace(self.task, self._sandbox, self._allow_unsafe)
        if used is not None:
            self._pool.give_back(used)
        return self._pool.take()

    def step(self, action: str) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """Runs a command in the shell.

        Args:
            action: Any bash text, of several lines too.

        Returns:
            What it printed, the reward, whether a submission was taken, whether a limit was reached, and `info`.

        Raises:
            TypeError: If the action is no string.
            ResetNeeded: If no episode is under way.
        """
        if not isinstance(action, str):
            raise TypeError(f"an action is a string of bash, not {type(action).__name__}")
        if self._workplace is None or not self.running:
            raise ResetNeeded("no episode is under way: call reset() first")
        self._step += 1
        left = self._deadline - time.monotonic()
        try:
            seconds = max(_SHORTEST, min(left, self.task.recipe.limits.action_seconds))
            result = self._workplace.run(action, seconds)
            self._outcome = self._outcome_now()
            if self._outcome is Outcome.RUNNING:
                return _observation(result), 0.0, False, False, self._info()
            # What the agent left running could slow the judge until it fails, and so avoid a score.
            self._workplace.end_session()
            settlement = self._workplace.grading.settle(self._workplace.submission)
        except (SandboxError, GradingError) as error:
            return self.fail(error)
        anchors = self._workplace.anchors
        reward = anchors.reward(settlement.score) if anchors else 0.0
        submitted = self._outcome is Outcome.SUBMITTED
        info = self._info() | {"score": settlement.score, "best_score": settlement.best}
        return _observation(result), reward, submitted, not submitted, info

    @property
    def running(self) -> bool:
        """True while an episode is under way."""
        return self._workplace is not None and self._outcome is Outcome.RUNNING

    def interrupt(self) -> None:
        """Kills the running command, so that `step` returns at once. May be called by any thread."""
        workplace = self._workplace
        if workplace is not None:
            workplace.interrupt()

    def close(self) -> None:
        """Ends the sandbox and all it runs, or gives it back to the pool. Idempotent; a later reset has a new one."""
        workplace, self._workplace = self._workplace, None
        if workplace is None:
            return
        if self._pool is None:
            workplace.close()
        else:
            self._pool.give_back(workplace)

    def fail(self, error: MlgymSynthError) -> tuple[str, float, bool, bool, dict[str, Any]]:
        """The step in which something around the agent broke: no score, no reward; the next reset begins anew."""
        _LOG.warning("%s: %s", self.task.id, error)
        self._outcome = Outcome.SANDBOX_ERROR
        info = self._info()
        try:
            self.close()
        except SandboxError as another:
            _LOG.warning("%s: %s", self.task.id, another)
        return "[the sandbox failed]\n", 0.0, False, True, info

    def _outcome_now(self) -> Outcome:
        assert self._workplace is not None
        if self._workplace.grading.submitted:
            return Outcome.SUBMITTED
        if time.monotonic() >= self._deadline:
            return Outcome.TIMEOUT
        return Outcome.MAX_STEPS if self._step >= self.max_steps else Outcome.RUNNING

    def _info(self) -> dict[str, Any]:
        anchors = self._workplace.anchors if self._workplace else None
        return {
            "outcome": str(self._outcome),
            "score": None,
            "baseline": anchors.baseline if anchors else None,
            "best_score": None,
            "step": self._step,
        }


def _observation(result: Result) -> str:
    """What a command printed, and in brackets what an agent cannot see from that."""
    notes = []
    if result.timed_out:
        notes.append("the command ran out of time and was stopped")
    elif result.exit_code:
        notes.append(f"exit code {result.exit_code}")
    if result.shell_lost:
        notes.append("the shell ended, a new one has begun")
    if not notes:
        return result.output
    newline = "\n" if result.output and not result.output.endswith("\n") else ""
    return f"{result.output}{newline}[{'; '.join(notes)}]\n"
