"""Reads tables of predictions in processes of their own, which are started once and have no labels.

What is hostile in a table costs them time and memory, and not the process that steps environments: while one of its own
threads read tables without pause, 64 environments took 1,300 actions a second instead of 4,700, and 230 while each
table was a megabyte of junk. Here these are 3,000 and 2,500. A table of 1,000 rows takes 1.1 ms, 0.3 ms more than in
a thread.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import queue
import select
import subprocess
import sys
from pathlib import Path
from typing import Literal

import numpy as np

from mlgym_synth.errors import GradingError
from mlgym_synth.metrics import submission
from mlgym_synth.metrics.submission import SubmissionError

SECONDS = 20.0
"""Time to read one table, of which an honest one needs milliseconds."""

_PROCESSES = 2
_KEPT = ("PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH")
"""Variables by which an interpreter may find its modules. No other, such as a key, is theirs to read."""
_SCRIPT = Path(__file__).parent / "files" / "table_reader.py"


class TableReader:
    """Reads the submissions to one task as `metrics.submission.parse_submission` does, whose arguments it takes."""

    def __init__(
        self,
        ids: list[str],
        id_column: str,
        target_column: str,
        kind: Literal["label", "number"],
        labels: list[str],
    ) -> None:
        self._arguments = json.dumps([ids, id_column, target_column, kind, labels]).encode()

    def read(self, content: bytes) -> np.ndarray:
        """The predictions, in the order of the ids. A process that takes too long to read them is killed and replaced.

        Raises:
            SubmissionError: As `parse_submission`, and if it takes too long.
            GradingError: If no process can be started, or one ended.
        """
        answer = _readers.ask(self._arguments, content)
        if answer.startswith(b"\0"):
            raise SubmissionError(answer[1:].decode())
        predicted: np.ndarray = np.load(io.BytesIO(answer), allow_pickle=False)
        return predicted


class _Readers:
    """A few processes for any number of threads. They end with this process."""

    def __init__(self) -> None:
        self._idle: queue.LifoQueue[_Reader | None] = queue.LifoQueue()
        for _ in range(_PROCESSES):
            self._idle.put(None)  # started when it is needed

    def ask(self, *parts: bytes) -> bytes:
        """Has the next idle process answer a request."""
        reader = self._idle.get()
        try:
            if reader is None or reader.ended:
                reader = _Reader()
            return reader.ask(*parts)
        except BaseException:
            if reader is not None:
                reader.kill()
            reader = None
            raise
        finally:
            self._idle.put(reader)


class _Reader:
    """One process."""

    def __init__(self) -> None:
        try:
            self._process = subprocess.Popen(
                [sys.executable, str(_SCRIPT), submission.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**{name: os.environ[name] for name in _KEPT if name in os.environ}, "OPENBLAS_NUM_THREADS": "1"},
                cwd="/",
                process_group=0,  # Ctrl-C in a terminal is not for it
            )
        except OSError as error:
            raise GradingError(f"cannot start a reader of submissions: {error.strerror}") from error
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._answers = self._process.stdin, self._process.stdout
        self._answered = select.poll()
        self._answered.register(self._answers, select.POLLIN)

    @property
    def ended(self) -> bool:
        """Whether it was killed from outside."""
        return self._process.poll() is not None

    def ask(self, *parts: bytes) -> bytes:
        """Sends a request and waits for its answer."""
        try:
            for part in parts:
                self._requests.write(len(part).to_bytes(8, "big") + part)
            self._requests.flush()
            if not self._answered.poll(SECONDS * 1000):
                raise SubmissionError(f"the submission cannot be read within {SECONDS:g} s: write short and plain rows")
            length = self._answers.read(8)
            answer = self._answers.read(int.from_bytes(length, "big"))
        except BrokenPipeError as error:
            raise GradingError("a reader of submissions ended") from error
        if not answer:
            raise GradingError("a reader of submissions ended before it answered")
        return answer

    def kill(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._requests, self._answers):
            with contextlib.suppress(BrokenPipeError):  # of what it has not read
                pipe.close()


_readers = _Readers()


def _renew() -> None:
    global _readers  # a forked child must not talk to its parent's
    _readers = _Readers()


os.register_at_fork(after_in_child=_renew)
