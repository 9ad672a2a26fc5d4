"""A container in which every action is a `docker exec` of its own: what most harnesses do."""

from __future__ import annotations

import subprocess

from rivals.limits import remove_container, run_container
from rivals.subject import Actor, Settings, Stopwatch


class ExecPerAction(Actor):
    """`docker run`, then one `docker exec` per action."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._engine = settings["engine"]
        self._container = run_container(self._engine, settings["image"])

    def run(self, command: str) -> str:
        """The output of a command."""
        words = [self._engine, "exec", self._container, "bash", "-c", command]
        return subprocess.run(words, stdout=subprocess.PIPE, text=True, check=True).stdout

    def reset(self, watch: Stopwatch) -> None:
        """A container is pristine once: another one."""
        with watch:
            self.close()
            self._container = run_container(self._engine, self.settings["image"])
            self.check("echo hi", "hi")

    def close(self) -> None:
        """Removes the container."""
        remove_container(self._engine, self._container)
