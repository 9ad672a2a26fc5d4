"""The one interface through which everything is measured."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

OPERATIONS = ("start", "reset", "echo", "true", "validate", "submit")
"""In the order in which they are measured. A subject has those that it defines."""

Settings = Mapping[str, str]
"""Paths and names that a subject needs: see `environment.py`."""


class Missing(Exception):  # noqa: N818  (no error: a subject that cannot be measured here, and why)
    """What a subject needs is not on this machine."""


class Stopwatch:
    """Keeps how long each `with` block took, in seconds."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._began = 0.0

    def __enter__(self) -> None:
        self._began = time.perf_counter()

    def __exit__(self, *exception: object) -> None:
        self.seconds.append(time.perf_counter() - self._began)


class Subject:
    """Something measured. Every operation is a method that takes the stopwatch and uses it once."""

    def close(self) -> None:
        """Leaves nothing behind."""


class Actor(Subject, ABC):
    """A subject that runs shell commands; made ready to run them by its constructor.

    Args:
        settings: What it needs.

    Raises:
        Missing: If something that it needs is not here.
    """

    @abstractmethod
    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    @abstractmethod
    def run(self, command: str) -> str:
        """The output of a command."""

    def start(self, watch: Stopwatch) -> None:
        """From nothing to the answer to the first action."""
        with watch:
            another = type(self)(self.settings)
            another.check("echo hi", "hi")
        another.close()

    def echo(self, watch: Stopwatch) -> None:
        """One action that the shell does by itself."""
        with watch:
            self.check("echo hi", "hi")

    def true(self, watch: Stopwatch) -> None:
        """One action that starts a process."""
        with watch:
            self.check("/bin/true", "")

    def check(self, command: str, expected: str) -> None:
        """Runs a command; whoever answers wrongly is not fast but broken."""
        output = self.run(command)
        if output.strip() != expected:
            raise RuntimeError(f"{command!r} printed {output!r}")

    @classmethod
    def together(cls, settings: Settings, count: int, seconds: float) -> tuple[int, float, str]:
        """Lets many act at a time, each from a thread of its own.

        Returns:
            Actions done, the seconds that they took, and how it was done.
        """
        crowd = cls.crowd(settings, count)
        deadline = time.perf_counter() + seconds

        def act(actor: Actor) -> int:
            done = 0
            while time.perf_counter() < deadline:
                actor.check("echo hi", "hi")
                done += 1
            return done

        try:
            with ThreadPoolExecutor(count) as pool:
                began = time.perf_counter()
                done = sum(pool.map(act, crowd))
                return done, time.perf_counter() - began, "threads"
        finally:
            for actor in crowd:
                actor.close()

    @classmethod
    def crowd(cls, settings: Settings, count: int) -> list[Actor]:
        """Makes many that live at the same time; each has answered once."""
        actors: list[Actor] = []
        for _ in range(count):
            actor = cls(settings)
            actors.append(actor)
            actor.check("echo hi", "hi")
        return actors
