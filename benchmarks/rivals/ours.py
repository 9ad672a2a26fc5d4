"""What this project offers: a session in a sandbox, and a Gymnasium environment over it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import gymnasium

from mlgym_synth.datasets.prepare import prepare
from mlgym_synth.errors import MlgymSynthError
from mlgym_synth.sandboxes import Sandbox, Session, Spec, create
from mlgym_synth.tasks.registration import NAMESPACE, register_suite
from mlgym_synth.tasks.suite import Suite
from rivals.subject import Actor, Missing, Settings, Stopwatch

_MANY = 10**9


class SandboxSession(Actor):
    """A shell in a sandbox, with the files of the task and no grader."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        task = Suite.open(settings["suite"]).task(settings["task"])
        spec = Spec(files=task.workspace, read_only={"data": prepare(task.recipe).public}, limits=task.recipe.limits)
        try:
            self._sandbox: Sandbox = create(spec, settings["provider"], allow_unsafe=True)
            self._sandbox.start()
            self._session: Session = self._sandbox.open_session()
        except MlgymSynthError as error:
            raise Missing(str(error)) from error

    def run(self, command: str) -> str:
        """The output of a command."""
        return self._session.run(command).output

    def reset(self, watch: Stopwatch) -> None:
        """A pristine workspace and a new shell, after an agent has left files and a process behind."""
        self.run("mkdir -p left; echo 1 > left/over; sleep 100 &")
        with watch:
            self._sandbox.reset()
            self._session = self._sandbox.open_session()
            self.check("ls left 2>/dev/null; echo hi", "hi")

    def close(self) -> None:
        """Ends the sandbox."""
        self._sandbox.stop()


class Environment(Actor):
    """`gym.make`, as a user calls it."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        name = register(settings)
        try:
            self._environment = gymnasium.make(name, **_options(settings))
            self._environment.reset(seed=0)
        except MlgymSynthError as error:
            raise Missing(str(error)) from error

    def run(self, command: str) -> str:
        """The output of a command."""
        observation: str = self._environment.step(command)[0]
        return observation

    def reset(self, watch: Stopwatch) -> None:
        """As with the sandbox."""
        self.run("mkdir -p left; echo 1 > left/over; sleep 100 &")
        with watch:
            self._environment.reset()
            self.check("ls left 2>/dev/null; echo hi", "hi")

    def validate(self, watch: Stopwatch) -> None:
        """The agent's `validate`."""
        self.run("cp sample_submission.csv submission.csv")
        with watch:
            output = self.run("validate")
        if "on the public part: 0." not in output:
            raise RuntimeError(f"validate printed {output!r}")

    def submit(self, watch: Stopwatch) -> None:
        """The agent's `submit`, which ends the episode and is scored on the private part."""
        self._environment.reset()
        self.run("cp sample_submission.csv submission.csv")
        with watch:
            _, _, terminated, _, information = self._environment.step("submit")
        if not terminated or information["score"] is None:
            raise RuntimeError(f"submit gave {information!r}")
        self._environment.reset()

    def close(self) -> None:
        """Ends the environment."""
        self._environment.close()


class VectorEnvironment:
    """`gym.make_vec`: many environments that step together, in one process.

    Args:
        settings: As for `Environment`.
        count: How many.
    """

    def __init__(self, settings: Settings, count: int) -> None:
        name = register(settings)
        self._count = count
        self._environments: Any = gymnasium.make_vec(name, num_envs=count, **_options(settings))
        self._environments.reset(seed=0)
        self.step()

    def step(self) -> None:
        """One action in each."""
        observations = self._environments.step(["echo hi"] * self._count)[0]
        answered = sum(observation.strip() == "hi" for observation in observations)
        if answered != self._count:
            raise RuntimeError(f"{answered} of {self._count} answered: {set(observations)!r}")

    def step_for(self, seconds: float) -> tuple[int, float, str]:
        """Like `Actor.together`."""
        done, began = 0, time.perf_counter()
        while (taken := time.perf_counter() - began) < seconds:
            self.step()
            done += self._count
        return done, taken, "make_vec"

    def close(self) -> None:
        """Ends all."""
        self._environments.close()


def register(settings: Settings) -> str:
    """Registers the benchmark's task with Gymnasium and returns its id there."""
    name = f"{NAMESPACE}/{settings['task']}"
    if name not in gymnasium.registry:
        register_suite(Path(settings["suite"]))
    return name


def can_step_together(settings: Settings) -> bool:
    """Whether the task has a vector environment of its own."""
    return gymnasium.spec(register(settings)).vector_entry_point is not None


def _options(settings: Settings) -> dict[str, Any]:
    return {"sandbox": settings["provider"], "max_steps": _MANY, "allow_unsafe": settings["provider"] == "process"}
