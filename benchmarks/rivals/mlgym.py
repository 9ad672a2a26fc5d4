"""MLGym itself, unmodified, on the same task in the same image."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import Any

from rivals.subject import Actor, Missing, Settings, Stopwatch

_TOOLS = ("validate.sh", "submit.sh")


class Environment(Actor):
    """`gym.make` and `reset` of MLGym."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._root = Path(settings["mlgym_root"])
        if not (self._root / "run.py").is_file():
            raise Missing(f"MLGYM_ROOT={self._root} is no checkout of MLGym")
        self._environment = self._make()
        self._environment.reset()
        self._add_tools()

    def _make(self) -> Any:
        os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
        sys.path.insert(0, str(self._root))
        gymnasium: Any = importlib.import_module("gymnasium")
        environment = importlib.import_module("mlgym.environment.env")
        arguments = environment.EnvironmentArguments(
            image_name=self.settings["image"],
            task_config_path=self.settings["mlgym_task"],
            container_type="docker",
            max_steps=1_000_000,
        )
        name = f"mlgym/{arguments.task.id}"
        if name not in gymnasium.registry:
            importlib.import_module("mlgym.environment.registration").register_task(arguments)
        return gymnasium.make(name, devices=["cpu_0"]).unwrapped

    def _add_tools(self) -> None:
        """What MLGym's agent does before its first step."""
        contents = {name: (self._root / "tools" / name).read_text() for name in _TOOLS}
        self._environment.add_commands(
            [{"name": name, "contents": text, "type": "source_file"} for name, text in contents.items()]
        )

    def run(self, command: str) -> str:
        """The output of a command."""
        observation: str | None = self._environment.step(command)[0]
        return observation or ""

    def reset(self, watch: Stopwatch) -> None:
        """The first reset of a new environment, since a second one fails."""
        self._environment.close()
        self._environment = self._make()
        with watch:
            self._environment.reset()
            self.check("echo hi", "hi")
        self._add_tools()

    def validate(self, watch: Stopwatch) -> None:
        """The agent's `validate`."""
        self.run("cp sample_submission.csv submission.csv")
        with watch:
            output = self.run("validate")
        if "Evaluation Score" not in output:
            raise RuntimeError(f"validate printed {output!r}")

    def submit(self, watch: Stopwatch) -> None:
        """The agent's `submit`, which ends the episode."""
        self._environment.close()
        self._environment = self._make()
        self._environment.reset()
        self._add_tools()
        self.run("cp sample_submission.csv submission.csv")
        with watch:
            _, _, done, information = self._environment.step("submit")
        if not done or not information["score"]:
            raise RuntimeError(f"submit gave {information!r}")

    def close(self) -> None:
        """Removes the container."""
        self._environment.close()
