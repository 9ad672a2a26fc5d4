"""mini-swe-agent's environments. They have no reset and keep no shell: each action is a new process."""

from __future__ import annotations

import importlib
from typing import Any

from rivals.limits import remove_container, run_container
from rivals.subject import Actor, Settings


class _Mini(Actor):
    module: str
    name: str

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        environment = getattr(importlib.import_module(f"minisweagent.environments.{self.module}"), self.name)
        self._environment: Any = environment(**self._options())

    def _options(self) -> dict[str, Any]:
        return {}

    def run(self, command: str) -> str:
        """The output of a command."""
        output: str = self._environment.execute({"command": command})["output"]
        return output


class Local(_Mini):
    """`LocalEnvironment`: a subprocess on the host."""

    module, name = "local", "LocalEnvironment"


class Bubblewrap(_Mini):
    """`BubblewrapEnvironment` as it comes: the host's network and environment are visible inside."""

    module, name = "extra.bubblewrap", "BubblewrapEnvironment"

    def close(self) -> None:
        """Removes the working folder."""
        self._environment.cleanup()


class Docker(_Mini):
    """`DockerEnvironment`."""

    module, name = "docker", "DockerEnvironment"

    def __init__(self, settings: Settings) -> None:
        remove_container("docker", run_container("docker", settings["image"]))  # or a reason why not
        super().__init__(settings)

    def _options(self) -> dict[str, Any]:
        return {"image": self.settings["image"], "run_args": ["--rm", "--network", "none"]}

    def close(self) -> None:
        """Removes the container; its own cleanup needs ten seconds in the background."""
        remove_container("docker", self._environment.container_id)
        self._environment.container_id = None
