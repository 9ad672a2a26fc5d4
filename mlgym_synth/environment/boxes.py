"""Scores a code submission: judge and submission in two boxes without each other's files, the grader between them.

Both speak JSON lines over stdin and stdout. A score can come from the judge's box alone; whatever the submission does
with its own process, it can only give answers or get an error message.
"""

from __future__ import annotations

import fcntl
import functools
import json
import os
import select
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np

from mlgym_synth.errors import GradingError
from mlgym_synth.metrics.submission import SubmissionError
from mlgym_synth.sandboxes import create
from mlgym_synth.sandboxes.protocol import Pipe, Spec
from mlgym_synth.tasks.recipe import CodeSubmission, Limits, Recipe
from mlgym_synth.tasks.suite import TaskFiles

LARGEST_CODE = 1 << 20
LARGEST_FRAME = 4 << 20
"""Bytes of one line; JSON can take thirty times its size in memory once it is parsed."""
SHARE_OF_ACTION = 0.5
"""Time for one evaluation as a share of an action's, so that a `validate` within an action lives to tell."""

_CHUNK = 1 << 20
_DRIVERS = Path(__file__).parent / "files"


def judge_code(
    files: TaskFiles, submission: bytes, part: Literal["public", "private"], provider: str, allow_unsafe: bool
) -> np.ndarray:
    """Has the task's judge score a code submission.

    Args:
        files: The task.
        submission: Source of the submission. Hostile.
        part: Which of the judge's cases.
        provider: Where both boxes are, as in `sandboxes.create`.
        allow_unsafe: Whether that may be a provider that isolates nothing.

    Returns:
        One score for every case, shape (cases,).

    Raises:
        SubmissionError: If the submission fails, takes too long, or answers what the judge calls illegal.
        GradingError: If the judge fails.
        SandboxError: If a box breaks.
    """
    shape, limits = files.recipe.submission, files.recipe.limits
    assert isinstance(shape, CodeSubmission)
    if len(submission) > LARGEST_CODE:
        raise SubmissionError(f"your {shape.file} has more than {LARGEST_CODE} bytes")
    if "judge.py" not in files.hidden:
        raise GradingError(f"task {files.id} has no judge.py", "restore the suite folder")
    judge_files = {"judge.py": files.hidden["judge.py"], "judge_driver.py": _driver("judge_driver.py")}
    player_files = {shape.file: submission, "player_driver.py": _driver("player_driver.py")}
    judge_command = ["python", "judge_driver.py", "judge.py", part]
    player_command = ["python", "player_driver.py", shape.file, *shape.functions]
    box = functools.partial(_box, recipe=files.recipe, provider=provider, allow_unsafe=allow_unsafe)
    with ExitStack() as boxes, ThreadPoolExecutor(2) as threads:  # which start at the same time
        judge = threads.submit(boxes.enter_context, box(judge_files, judge_command))
        player = threads.submit(boxes.enter_context, box(player_files, player_command))
        line = player.result()
        return _relay(_Judge(judge.result(), limits, line), _Player(line, shape, limits))


def _relay(judge: _Judge, player: _Player) -> np.ndarray:
    player.load()
    frame = judge.exchange(b"")
    while "call" in frame:
        frame = judge.exchange(player.call(frame["call"], frame["arguments"]))
    if "illegal" in frame:
        raise SubmissionError(f"your submission {_one_line(frame['illegal'])}")
    if not frame.get("scores"):
        raise GradingError(f"the judge failed: {_one_line(frame.get('broken', 'it gave no scores'))}")
    return np.array(frame["scores"], dtype=np.float64)


class _Judge:
    """The judge's side. It is ours, so what goes wrong here is a GradingError."""

    def __init__(self, line: _Line, limits: Limits, player: _Line) -> None:
        self._line = line
        self._total = self._seconds = limits.action_seconds * SHARE_OF_ACTION
        self._player = player

    def exchange(self, answer: bytes) -> dict[str, Any]:
        """Sends the submission's answer to the last call; returns the next call, or how the judging ended."""
        began = time.monotonic()
        try:
            frame: dict[str, Any] = json.loads(self._line.exchange(answer, self._seconds))
        except _LateError as error:
            self._blame(error)
        except (_NoAnswerError, ValueError) as error:
            raise GradingError(f"the judge {error}") from error
        self._seconds -= time.monotonic() - began
        return frame

    def _blame(self, error: _LateError) -> NoReturn:
        """Finds out whether the judge is slow, or kept from its processors by what the submission has left running."""
        self._player.close()
        try:
            self._line.exchange(b"", self._total)
        except _NoAnswerError:
            raise GradingError(f"the judge {error}") from error
        raise SubmissionError("your submission left work running that took the judge's time") from error


class _Player:
    """The submission's side. What goes wrong here is a SubmissionError that tells its author so."""

    def __init__(self, line: _Line, shape: CodeSubmission, limits: Limits) -> None:
        self._line = line
        self._shape = shape
        self._total = self._seconds = limits.action_seconds * SHARE_OF_ACTION

    def load(self) -> None:
        """Waits until the file is imported and has the functions it has to define."""
        self._exchange(b"", "its import")

    def call(self, function: str, arguments: list[Any]) -> bytes:
        """Calls `function` once for each of `arguments`; returns the frame that answers the judge."""
        if function not in self._shape.functions:
            raise GradingError(f"the judge calls {function!r}, which the recipe does not name", "mend judge.py")
        try:
            request = _encode({"call": function, "arguments": arguments})
        except ValueError as error:
            raise GradingError(f"the judge calls {function!r} with what is not JSON: {error}") from error
        frame = self._exchange(request, function)
        results = frame.get("results")
        if not isinstance(results, list) or len(results) != len(arguments):
            raise SubmissionError(f"your {self._shape.file} wrote to the pipe of its answers")
        return _encode({"results": results})

    def _exchange(self, request: bytes, what: str) -> dict[str, Any]:
        began = time.monotonic()
        try:
            frame = json.loads(self._line.exchange(request, min(self._shape.call_seconds, self._seconds)))
            _encode(frame)  # NaN and infinity, which JSON has not but Python reads, are refused
        except _NoAnswerError as error:
            times = f"{self._shape.call_seconds:g} s a call, {self._total:g} s in all"
            raise SubmissionError(f"your {self._shape.file} {error} ({what}; {times})") from error
        except (ValueError, RecursionError) as error:
            raise SubmissionError(f"your {self._shape.file} answered no JSON ({what})") from error
        self._seconds -= time.monotonic() - began
        if not isinstance(frame, dict):
            raise SubmissionError(f"your {self._shape.file} wrote to the pipe of its answers")
        if "error" in frame:
            raise SubmissionError(f"your {self._shape.file} failed ({what}): {_one_line(frame['error'])}")
        return frame


class _NoAnswerError(Exception):
    """No answer came; the text goes on from who was asked. Whose fault that is depends on the side."""


class _LateError(_NoAnswerError):
    """No answer came in time."""


class _Line:
    """A pipe on which each line is answered by one line in time, or never again."""

    def __init__(self, pipe: Pipe) -> None:
        self.close = pipe.close
        self._input, self._output = pipe.stdin.fileno(), pipe.stdout.fileno()
        self._received = bytearray()
        for descriptor in (self._input, self._output):
            os.set_blocking(descriptor, False)
        for descriptor in (self._input, self._output):
            with suppress(OSError):  # fewer turns of writing and reading; a busy host may refuse
                fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _CHUNK)

    def exchange(self, request: bytes, seconds: float) -> bytes:
        """Writes a line, unless it is empty, and reads one.

        Raises:
            _NoAnswerError: If the process took longer than `seconds`, ended, or wrote too long a line.
        """
        deadline = time.monotonic() + seconds
        unsent = memoryview(request)
        while unsent:
            _wait(self._input, select.POLLOUT, deadline)
            try:
                unsent = unsent[os.write(self._input, unsent) :]
            except BrokenPipeError as error:
                raise _NoAnswerError("ended before it answered") from error
        searched = 0
        while (end := self._received.find(b"\n", searched)) < 0:
            searched = len(self._received)
            if searched > LARGEST_FRAME:
                raise _NoAnswerError(f"answered with more than {LARGEST_FRAME} bytes")
            _wait(self._output, select.POLLIN, deadline)
            try:
                chunk = os.read(self._output, _CHUNK)
            except BlockingIOError:  # the process can open its end for reading too, and was faster
                continue
            if not chunk:
                raise _NoAnswerError("ended before it answered")
            self._received += chunk
        answer = bytes(self._received[:end])
        del self._received[: end + 1]
        return answer


def _wait(descriptor: int, event: int, deadline: float) -> None:
    poll = select.poll()
    poll.register(descriptor, event)
    left = deadline - time.monotonic()
    if left <= 0 or not poll.poll(left * 1000):
        raise _LateError("ran longer than its time limit")


@contextmanager
def _box(
    files: Mapping[str, bytes], command: list[str], recipe: Recipe, provider: str, allow_unsafe: bool
) -> Iterator[_Line]:
    environment = {"MLGYM_SEED": "0", "PYTHONHASHSEED": "0"}  # equal submissions get equal scores
    spec = Spec(files=files, environment=environment, limits=recipe.limits, image=recipe.image)
    with create(spec, provider, allow_unsafe) as sandbox:
        pipe = sandbox.spawn(command)
        try:
            yield _Line(pipe)
        finally:
            pipe.close()


def _driver(name: str) -> bytes:
    return (_DRIVERS / name).read_bytes()


def _encode(frame: dict[str, Any]) -> bytes:
    return json.dumps(frame, allow_nan=False).encode() + b"\n"


def _one_line(message: object) -> str:
    return " ".join(str(message).split())[:600]
