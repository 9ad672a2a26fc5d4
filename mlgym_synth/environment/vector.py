"""Many environments of one task that step together, in one process and with one thread for each.

The work is done in the sandboxes, and a thread waits for one of them. On two cores 64 environments take about 6,000
`echo hi` a second so, at 95 µs of this process's time each. Waiting for all with one epoll halves these; it is not
faster where other work wants the cores too, and would cut every command in halves down to the shell's pipes.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space

from mlgym_synth.environment.env import TaskEnv
from mlgym_synth.environment.pool import WarmPool
from mlgym_synth.environment.space import Text
from mlgym_synth.errors import InputError, SandboxError
from mlgym_synth.tasks.suite import Suite

_SPARE = 4
"""Workplaces beyond those in use, at most: what an episode that ends by itself finds ready."""
_PATIENCE = 0.1  # seconds

Batch = tuple[tuple[str, ...], np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]


class _Step(NamedTuple):
    """What one environment has to say after a step."""

    observation: str
    reward: float
    terminated: bool
    truncated: bool
    info: dict[str, Any]
    final: dict[str, Any]
    """With `AutoresetMode.SAME_STEP`, the last observation and info of the episode that has just ended."""


class TaskVectorEnv(VectorEnv[tuple[str, ...], Sequence[str], np.ndarray]):
    """Environments of one task, each in a sandbox of its own, as one vector environment.

    Sandboxes are started and made pristine in the background, so that a reset takes one that is ready. What breaks
    around one environment truncates its episode and none else; its next autoreset has a new sandbox.
    Observations are tuples of texts; everything else is as in `gymnasium.vector.SyncVectorEnv` over `TaskEnv`.

    Args:
        task_id: Id of a task of the suite.
        suite: The suite's folder.
        num_envs: How many environments.
        sandbox: Sandbox provider, as in `sandboxes.create`.
        max_steps: Commands in an episode.
        allow_unsafe: Whether the provider may be one that isolates nothing.
        autoreset_mode: When an environment whose episode has ended begins another.

    Raises:
        InputError: If there is no such suite or task, or the provider may not be used.

    Example:
        >>> envs = gymnasium.make_vec("mlgym-synth/<id>", num_envs=64)  # doctest: +SKIP
        >>> observations, infos = envs.reset(seed=0)  # doctest: +SKIP
        >>> observations, rewards, terminations, truncations, infos = envs.step(("ls",) * 64)  # doctest: +SKIP
    """

    def __init__(
        self,
        task_id: str,
        suite: str | Path,
        num_envs: int = 1,
        sandbox: str = "auto",
        max_steps: int = 50,
        allow_unsafe: bool = False,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
    ) -> None:
        if num_envs < 1:
            raise InputError(f"num_envs is {num_envs}", "ask for at least one environment")
        self.num_envs = num_envs
        self._indices = range(num_envs)
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {"autoreset_mode": self.autoreset_mode}
        self.single_action_space = self.single_observation_space = Text()
        self.action_space = batch_space(self.single_action_space, num_envs)
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        size = num_envs + min(num_envs, _SPARE)
        self._pool = WarmPool(Suite.open(suite).task(task_id), size, sandbox, allow_unsafe)
        self.envs = tuple(
            TaskEnv(task_id, suite, sandbox, max_steps, allow_unsafe, pool=self._pool) for _ in range(num_envs)
        )
        """The environments; whoever closes one of them alone gives its sandbox back."""
        self._observations = [""] * num_envs
        self._threads = ThreadPoolExecutor(num_envs, "environments")
        self._turn = threading.RLock()
        """Held during a reset or a step."""
        self._closing = False
        self._steppable = False
        """True if the environments can be stepped: not before the first reset, nor after what cut a step off."""
        self._pool.start()

    @property  # type: ignore[misc]  # without a setter, as in SyncVectorEnv
    def np_random(self) -> tuple[np.random.Generator, ...]:  # type: ignore[override]  # as SyncVectorEnv has it
        """The environments' generators of random numbers."""
        return tuple(env.np_random for env in self.envs)

    @property
    def np_random_seed(self) -> tuple[int | None, ...]:  # type: ignore[override]  # as SyncVectorEnv has it
        """The seeds of these generators."""
        return tuple(env.np_random_seed for env in self.envs)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[tuple[str, ...], dict[str, Any]]:
        """Begins episodes.

        Args:
            seed: One for each environment; an integer stands for itself and those that follow it.
            options: `reset_mask`, if there: a boolean array, shape (num_envs,), that names which environments to reset.

        Returns:
            The latest observation of every environment, and the infos of those that were reset.

        Raises:
            ValueError: If the seeds or the mask do not fit.
            DataError: If the task's data cannot be prepared.
            SandboxError: If no sandbox can be had.
            ClosedEnvironmentError: If this environment is closed.
        """
        seeds = self._seeds(seed)
        chosen = self._chosen(options)
        with self._exclusively():
            if not self._steppable and len(chosen) < self.num_envs:
                raise ResetNeeded("all environments have to be reset first: leave reset_mask out")
            resets = {index: self._threads.submit(self.envs[index].reset, seed=seeds[index]) for index in chosen}
            infos: dict[str, Any] = {}
            with self._cut_off(resets):
                for index, begun in resets.items():
                    self._observations[index], info = begun.result()
                    infos = self._add_info(infos, info, index)
            return tuple(self._observations), infos

    def step(self, actions: Sequence[str]) -> Batch:
        """Runs a command in each environment, all at the same time.

        Args:
            actions: One bash text for each environment; that of an environment which begins an episode is ignored.

        Returns:
            Observations, rewards (float64), terminations and truncations, each of shape (num_envs,), and infos.

        Raises:
            ValueError: If there are not as many actions as environments.
            TypeError: If an action is no string.
            ResetNeeded: If `reset` has to come first.
            ClosedEnvironmentError: If this environment is closed.
        """
        if len(actions) != self.num_envs:
            raise ValueError(f"{len(actions)} actions for {self.num_envs} environments")
        with self._exclusively():
            ended = {index for index, env in enumerate(self.envs) if not env.running}
            if not self._steppable or (ended and self.autoreset_mode is AutoresetMode.DISABLED):
                raise ResetNeeded("no episode is under way: call reset() first")
            for index, action in enumerate(actions):
                if index not in ended and not isinstance(action, str):
                    raise TypeError(f"action {index} is a {type(action).__name__}, not a string of bash")
            steps: dict[int, Future[_Step]] = {}
            with self._cut_off(steps):
                for index, action in enumerate(actions):
                    work = (self._begin_episode, index) if index in ended else (self._take_step, index, action)
                    steps[index] = self._threads.submit(*work)
                return self._batch([step.result() for step in steps.values()])

    def _take_step(self, index: int, action: str) -> _Step:
        env = self.envs[index]
        observation, reward, terminated, truncated, info = env.step(action)
        if self.autoreset_mode is not AutoresetMode.SAME_STEP or env.running:
            return _Step(observation, reward, terminated, truncated, info, {})
        begun = self._begin_episode(index)
        final = {"final_obs": observation, "final_info": info}
        return _Step(begun.observation, reward, terminated, truncated, begun.info, final)

    def _begin_episode(self, index: int) -> _Step:
        """An autoreset; one that fails is a truncated episode, and is tried again at the next step."""
        env = self.envs[index]
        try:
            observation, info = env.reset()
        except SandboxError as error:
            return _Step(*env.fail(error), {})
        return _Step(observation, 0.0, False, False, info, {})

    def _batch(self, steps: list[_Step]) -> Batch:
        infos: dict[str, Any] = {}
        for index, step in enumerate(steps):
            infos = self._add_info(self._add_info(infos, step.final, index), step.info, index)
        self._observations = [step.observation for step in steps]
        rewards = np.array([step.reward for step in steps], np.float64)
        terminations = np.array([step.terminated for step in steps], np.bool_)
        truncations = np.array([step.truncated for step in steps], np.bool_)
        return tuple(self._observations), rewards, terminations, truncations, infos

    @contextlib.contextmanager
    def _exclusively(self) -> Iterator[None]:
        with self._turn:
            if self._closing:
                raise ClosedEnvironmentError("this environment is closed: make another one")
            yield

    @contextlib.contextmanager
    def _cut_off(self, begun: Mapping[int, Future[Any]]) -> Iterator[None]:
        """Where an exception, an interrupt among them, leaves nothing running that was begun."""
        self._steppable = False
        try:
            yield
        except BaseException:
            self._interrupt()
            while wait(begun.values(), timeout=_PATIENCE).not_done:
                self._interrupt()  # again, since a command may begin just after
            raise
        self._steppable = True

    def _interrupt(self) -> None:
        for env in self.envs:
            env.interrupt()

    def close_extras(self, **kwargs: Any) -> None:
        """Ends all sandboxes. Idempotent, from any thread, also during a step, whose commands are ended."""
        self._closing = True
        while not self._turn.acquire(timeout=_PATIENCE):
            self._interrupt()
        try:
            self._threads.shutdown()
            self._pool.close()
        finally:
            self._turn.release()

    def _seeds(self, seed: int | Sequence[int | None] | None) -> Sequence[int | None]:
        if seed is None:
            return [None] * self.num_envs
        seeds = [seed + index for index in self._indices] if isinstance(seed, int) else seed
        if len(seeds) != self.num_envs:
            raise ValueError(f"{len(seeds)} seeds for {self.num_envs} environments")
        return seeds

    def _chosen(self, options: dict[str, Any] | None) -> Sequence[int]:
        mask = (options or {}).get("reset_mask")
        if mask is None:
            return self._indices
        fits = isinstance(mask, np.ndarray) and mask.dtype == np.bool_ and mask.shape == (self.num_envs,)
        if not fits or not mask.any():
            raise ValueError(f"reset_mask is no boolean array of shape ({self.num_envs},) that names an environment")
        return [int(index) for index in np.flatnonzero(mask)]
