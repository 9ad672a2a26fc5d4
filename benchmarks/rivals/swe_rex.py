"""SWE-ReX's local runtime: a bash behind a pseudo-terminal, driven by pexpect. It isolates nothing."""

from __future__ import annotations

import asyncio
import importlib

from rivals.subject import Actor, Settings


class LocalSession(Actor):
    """A session as SWE-agent uses it: with the exit code of every action (`check="silent"`)."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._types = importlib.import_module("swerex.runtime.abstract")
        runtime = importlib.import_module("swerex.runtime.local").LocalRuntime
        self._loop = asyncio.new_event_loop()
        self._runtime = runtime()
        self._loop.run_until_complete(self._runtime.create_session(self._types.CreateBashSessionRequest()))

    def run(self, command: str) -> str:
        """The output of a command."""
        action = self._types.BashAction(command=command, check="silent", timeout=60)
        output: str = self._loop.run_until_complete(self._runtime.run_in_session(action)).output
        return output

    def close(self) -> None:
        """Ends the session."""
        self._loop.run_until_complete(self._runtime.close())
        self._loop.close()
