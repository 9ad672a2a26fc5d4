"""Runs episodes side by side, one thread for each, and journals each before and after."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import mlgym_synth
from mlgym_synth.agents import make_agent
from mlgym_synth.environment import TaskEnv
from mlgym_synth.errors import DataError, GradingError, InputError, SandboxError
from mlgym_synth.files import append_durably, folder_lock, write_json
from mlgym_synth.rollouts.results import (
    JOURNAL,
    PLAN,
    EpisodeResult,
    RunPlan,
    RunResult,
    load_run,
    read_plan,
    trajectory_path,
)
from mlgym_synth.tasks.outcomes import Outcome
from mlgym_synth.tasks.suite import Task
from mlgym_synth.trajectories import Step, Trajectory, TrajectoryWriter

_PATIENCE = 0.1  # seconds
ATTEMPTS = 3
"""How often an episode is tried as long as something around the agent breaks."""


@dataclass(frozen=True)
class Event:
    """Something that happened to an episode, for whoever shows progress."""

    stage: Literal["started", "step", "finished"]
    episode: str
    steps: int = 0
    result: EpisodeResult | None = None
    """Set when finished."""


def rollout(
    tasks: Sequence[Task],
    *,
    agent: str,
    samples: int,
    out: Path,
    concurrency: int,
    sandbox: str = "auto",
    allow_unsafe: bool = False,
    max_steps: int = 50,
    seed: int = 0,
    resume: bool = False,
    on_event: Callable[[Event], None] | None = None,
) -> RunResult:
    """Plays `samples` episodes on every task and records every step.

    The seed of an episode depends on `seed`, its task and its number alone, never on the order of completion. What
    breaks around an agent is tried again, at most twice, and then is an outcome without a score.

    Args:
        tasks: Tasks of one suite.
        agent: Name of the agent.
        samples: Episodes per task.
        out: Folder of the run.
        concurrency: Episodes at the same time; a person plays one.
        sandbox: Provider, as in `sandboxes.create`.
        allow_unsafe: Whether the provider may be one that isolates nothing.
        max_steps: Actions per episode.
        seed: Same seed, same episodes.
        resume: Goes on with the run in `out`: what is finished stays, what is not is played anew.
        on_event: Told about progress, from any thread but one call at a time.

    Returns:
        All episodes of the run.

    Raises:
        InputError: If the tasks, the agent or the folder cannot be used, or the run to resume was asked otherwise.
        KeyboardInterrupt: After Ctrl-C, with all sandboxes closed and the journal in order.
    """
    if samples < 1 or concurrency < 1 or not tasks:
        raise InputError("a run needs at least one task, one sample and one episode at a time")
    if len({task.suite.resolve() for task in tasks}) > 1 or len({task.id for task in tasks}) < len(tasks):
        raise InputError("the tasks of a run are distinct and of one suite", "make one run for every suite")
    plan = RunPlan(
        agent=agent,
        agent_settings=make_agent(agent).settings,
        samples=samples,
        max_steps=max_steps,
        seed=seed,
        sandbox=sandbox,
        allow_unsafe=allow_unsafe,
        suite=str(tasks[0].suite.resolve()),
        tasks={task.id: task.content_hash for task in tasks},
        version=mlgym_synth.__version__,
    )
    with folder_lock(out):
        _begin(out, plan, resume)
        _Run(out, plan, on_event).play(1 if agent == "human" else concurrency)
        return load_run(out)


def _begin(folder: Path, plan: RunPlan, resume: bool) -> None:
    """Writes the plan, or makes sure that the run in the folder was asked the same."""
    earlier = read_plan(folder)
    if earlier is None:
        write_json(folder / PLAN, plan.model_dump(mode="json"))
    elif not resume:
        raise InputError(f"{folder} holds a run already", "go on with it (--resume), or choose another folder")
    elif difference := earlier.difference(plan):
        raise InputError(
            f"the run in {folder} was asked otherwise: {difference}", "ask the same, or choose another folder"
        )


class _Run:
    """One process's work on a run."""

    def __init__(self, folder: Path, plan: RunPlan, on_event: Callable[[Event], None] | None) -> None:
        self.folder = folder
        self.plan = plan
        self.stopped = threading.Event()
        self._on_event = on_event
        self._events = threading.Lock()
        self._journal = threading.Lock()
        self._open: set[TaskEnv] = set()
        self._envs = threading.Lock()

    def play(self, concurrency: int) -> None:
        """Plays all episodes that are not finished; whatever stops it, no sandbox outlives the call."""
        done = {each.episode: each for each in load_run(self.folder).episodes if not each.outcome.is_infrastructure}
        for result in done.values():
            self.emit(Event("finished", result.episode, result.steps, result))
        todo = [each for each in self.plan.episodes() if f"{each[0]}/{each[1]}" not in done]
        with ThreadPoolExecutor(concurrency, thread_name_prefix="episode") as pool:
            futures: list[Future[None]] = []
            try:
                futures += [pool.submit(self._episode, task_id, sample) for task_id, sample in todo]
                for future in wait(futures, return_when=FIRST_EXCEPTION).done:
                    future.result()
            except BaseException:
                self.stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                while not all(future.done() for future in futures):
                    self._interrupt_all()
                    time.sleep(_PATIENCE)  # and again, since a command may begin just after
                raise

    def emit(self, event: Event) -> None:
        """Tells whoever shows progress."""
        if self._on_event is not None:
            with self._events:
                self._on_event(event)

    def _episode(self, task_id: str, sample: int) -> None:
        episode = f"{task_id}/{sample}"
        self.emit(Event("started", episode))
        for attempt in range(1, ATTEMPTS + 1):
            self._record({"event": "started", "episode": episode, "attempt": attempt})
            result = self._attempt(task_id, sample)
            if self.stopped.is_set():  # its ending is the stop's doing, so it stays unfinished
                return
            if not result.outcome.is_infrastructure or attempt == ATTEMPTS:
                break
            failure = {"outcome": result.outcome.value, "error": result.error}
            self._record({"event": "failed", "episode": episode, "attempt": attempt, **failure})
        self._record({"event": "finished", **result.model_dump(mode="json", exclude={"path"})})
        self.emit(Event("finished", episode, result.steps, result))

    def _attempt(self, task_id: str, sample: int) -> EpisodeResult:
        """Plays an episode once, in a sandbox of its own."""
        seed, path = self.plan.seed_of(task_id, sample), trajectory_path(self.folder, task_id, sample)
        facts: dict[str, Any] = {
            "episode": f"{task_id}/{sample}",
            "task_id": task_id,
            "sample": sample,
            "seed": seed,
            "path": path,
        }
        try:
            with self._environment(task_id) as env:
                trajectory = make_agent(self.plan.agent).run(
                    env, _Recorder(self, facts["episode"], path), seed=seed, episode=sample
                )
        except (SandboxError, GradingError, DataError) as error:
            return EpisodeResult(**facts, outcome=Outcome.SANDBOX_ERROR, error=str(error))
        ending = trajectory.model_dump(
            include={"outcome", "error", "score", "best_score", "baseline", "reward", "seconds"}
        )
        if trajectory.outcome.is_infrastructure:
            ending |= {"score": None, "best_score": None, "reward": 0.0}
        return EpisodeResult(**facts, **ending, steps=len(trajectory.steps))

    @contextlib.contextmanager
    def _environment(self, task_id: str) -> Iterator[TaskEnv]:
        """An open environment whose commands the stop of the run can interrupt."""
        env = TaskEnv(
            task_id,
            self.plan.suite,
            sandbox=self.plan.sandbox,
            max_steps=self.plan.max_steps,
            allow_unsafe=self.plan.allow_unsafe,
        )
        with self._envs:
            self._open.add(env)
        try:
            yield env
        finally:
            with self._envs:
                self._open.discard(env)
            env.close()

    def _interrupt_all(self) -> None:
        """Ends the running commands, so that each episode comes to the point where it sees that the run is stopped."""
        with self._envs:
            for env in self._open:
                env.interrupt()

    def _record(self, event: dict[str, Any]) -> None:
        with self._journal:
            append_durably(self.folder / JOURNAL, json.dumps(event, ensure_ascii=False, allow_nan=False))


class _Recorder(TrajectoryWriter):
    """Writes the trajectory, reports its steps, and ends the episode when the run is stopped."""

    def __init__(self, run: _Run, episode: str, path: Path) -> None:
        super().__init__(path)
        self._run = run
        self._episode = episode

    def begin(self, trajectory: Trajectory) -> None:
        super().begin(trajectory)
        self._check()

    def step(self, step: Step) -> None:
        super().step(step)
        self._run.emit(Event("step", self._episode, step.index + 1))
        self._check()

    def _check(self) -> None:
        if self._run.stopped.is_set():
            raise KeyboardInterrupt
