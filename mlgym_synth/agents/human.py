"""A person in the terminal, with the same prompt, commands and observations as every other agent."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import IO

from pydantic import BaseModel, ConfigDict
from rich.console import Console

from mlgym_synth.agents.play import Action, Moves, play
from mlgym_synth.agents.protocol import Environment
from mlgym_synth.tasks.outcomes import Outcome
from mlgym_synth.trajectories import Sink, Trajectory

_HEREDOC = re.compile(r"<<-?\s*(['\"]?)(\w+)\1")


class HumanConfig(BaseModel):
    """Settings of a person: none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class HumanAgent:
    """Reads commands until the episode ends; the end of the input cancels it.

    Args:
        config: Settings.
        commands: Where commands are read from, a line each; here-documents may span several. The terminal if None.
        console: Where observations are shown. The terminal if None.
    """

    name = "human"

    def __init__(
        self, config: HumanConfig | None = None, commands: IO[str] | None = None, console: Console | None = None
    ) -> None:
        self.settings = (config or HumanConfig()).model_dump(mode="json")
        self._lines = iter(commands if commands is not None else sys.stdin)
        self._console = console or Console(highlight=False)

    def run(self, env: Environment, sink: Sink, *, seed: int, episode: int = 0) -> Trajectory:
        """Plays one episode; see `Agent.run`."""
        return play(env, self._moves, sink, agent=self.name, seed=seed, episode=episode)

    def _moves(self, prompt: str) -> Moves:
        observation = prompt
        while True:
            # Observations are hostile: control characters would reach the terminal, markup would be rendered.
            self._console.print(_printable(observation), markup=False)
            self._console.print("[bold green]$[/] ", end="")
            command = _read_command(self._lines)
            if command is None:
                return Outcome.CANCELLED
            observation = yield Action(command)


def _read_command(lines: Iterator[str]) -> str | None:
    """The next command that is not blank, with the here-document it opens; None at the end of the input."""
    for line in lines:
        if not line.strip():
            continue
        command = line.rstrip("\n")
        opened = _HEREDOC.search(command)
        if opened:
            for text in lines:
                command += "\n" + text.rstrip("\n")
                if text.strip() == opened.group(2):
                    break
        return command
    return None


def _printable(text: str) -> str:
    return "".join(char for char in text if char.isprintable() or char in "\n\t")
