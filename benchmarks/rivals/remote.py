"""The benchmark's end of a subject's process."""

from __future__ import annotations

import json
import os
import select
import subprocess
import tempfile
from pathlib import Path
from typing import IO, Any

from rivals.serve import load
from rivals.subject import OPERATIONS, Missing, Settings

_PACKAGES = Path(__file__).resolve().parents[1]
_PATIENCE = 300.0
"""Seconds until a subject that does not answer is given up."""


class Remote:
    """A subject in a process of its own.

    Args:
        name: What the tables call it.
        python: Its interpreter; empty if none was named.
        target: `module:class`.
        settings: What it needs.
    """

    def __init__(self, name: str, python: str, target: str, settings: Settings) -> None:
        self.name = name
        self.target = target
        self.settings = settings
        self.python = python
        self.operations = [operation for operation in OPERATIONS if hasattr(load(target), operation)]
        self.missing = ""
        """Why it cannot be measured here."""
        self._process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Makes it ready, or says in `missing` why that cannot be."""
        if not self.python:
            self.missing = "no interpreter that has it was named"
            return
        try:
            self._process = _spawn(self.python, "rivals.serve", self.target, json.dumps(dict(self.settings)))
            self._answer()
        except (Missing, OSError) as error:
            self.missing = str(error)
            self.close()

    def measure(self, operation: str, times: int, seconds: float) -> list[float]:
        """Durations in seconds of up to `times` repetitions.

        Raises:
            Missing: If it failed.
        """
        assert self._process is not None
        assert self._process.stdin is not None
        request = {"operation": operation, "times": times, "seconds": seconds}
        print(json.dumps(request), file=self._process.stdin, flush=True)
        durations: list[float] = self._answer()["seconds"]
        return durations

    def _answer(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        answer = _read(self._process.stdout, _PATIENCE)
        if "missing" in answer:
            raise Missing(answer["missing"])
        return answer

    def crowd(self, operation: str, count: int, seconds: float) -> dict[str, Any]:
        """`together` or `alive` in a fresh process.

        Raises:
            Missing: If it failed.
        """
        if not self.python:
            raise Missing("no interpreter that has it was named")
        arguments = [operation, self.target, json.dumps(dict(self.settings)), str(count), str(seconds)]
        process = _spawn(self.python, "rivals.crowd", *arguments)
        assert process.stdout is not None
        try:
            answer = _read(process.stdout, 2 * _PATIENCE)
        finally:
            _end(process)
        if "missing" in answer:
            raise Missing(answer["missing"])
        return answer

    def close(self) -> None:
        """Ends the process. Idempotent."""
        if self._process is not None:
            _end(self._process)
            self._process = None


def _spawn(python: str, module: str, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [python, "-m", module, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=tempfile.TemporaryFile(),
        text=True,
        cwd=tempfile.gettempdir(),
        env=_environment(),
    )


def _environment() -> dict[str, str]:
    quiet = {"MSWEA_SILENT_STARTUP": "1", "SWE_REX_LOG_STREAM_LEVEL": "CRITICAL"}
    packages = os.pathsep.join(filter(None, [str(_PACKAGES), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, **quiet, "MSWEA_GLOBAL_CONFIG_DIR": tempfile.gettempdir(), "PYTHONPATH": packages}


def _read(answers: IO[str], patience: float) -> dict[str, Any]:
    if not select.select([answers], [], [], patience)[0]:
        raise Missing(f"no answer in {patience:g} s")
    line = answers.readline()
    if not line:
        raise Missing("its process ended")
    answer: dict[str, Any] = json.loads(line)
    return answer


def _end(process: subprocess.Popen[str]) -> None:
    """Lets it clean up, which it does when its stdin ends."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    process.stdout.close()
