"""A program in a sandbox with everything that it started, and how its output is kept within bounds."""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Protocol

from mlgym_synth.errors import SandboxError
from mlgym_synth.sandboxes.protocol import Result

_CHUNK = 1 << 20


class Process(Protocol):
    """A process of the host, as `subprocess.Popen` has it; it need not be this process's child."""

    pid: int
    """Its number on the host."""

    @property
    def stdin(self) -> IO[bytes] | None:
        """Unbuffered, and written without blocking by `Channel`."""

    @property
    def stdout(self) -> IO[bytes] | None:
        """Unbuffered, and read without blocking by `Channel`."""

    @property
    def stderr(self) -> IO[bytes] | None:
        """None if it was joined to stdout, or is discarded."""

    @property
    def returncode(self) -> int | None:
        """How it ended, negative or above 128 for a signal; None if it runs, or was not asked for yet."""

    def poll(self) -> int | None:
        """Returns how it ended; None if it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end.

        Raises:
            subprocess.TimeoutExpired: If it still runs after `timeout` seconds.
        """


class Program(Protocol):
    """A running program. Its descendants are found by the provider, however they were detached."""

    @property
    def process(self) -> Process:
        """The host's process; ends when the program ends."""

    def sweep(self, number: int) -> int:
        """Sends a signal to the program, and kills all that it started.

        Returns:
            How many living processes it had started.
        """

    def kill(self) -> None:
        """Kills the program and all that it started, and waits until they are dead. Idempotent, from any thread."""

    def broke(self) -> bool:
        """True if the sandbox failed, and not the program; asked after its end."""


class Launch(Protocol):
    """Starts a program in a sandbox."""

    def __call__(
        self, command: list[str], *, environment: dict[str, str] | None = None, stderr: int = subprocess.PIPE
    ) -> Program:
        """Starts `command` in the workspace with stdin and stdout as pipes.

        Args:
            command: Program and arguments.
            environment: Variables besides those of the sandbox.
            stderr: As in `subprocess.Popen`.

        Raises:
            SandboxError: If the sandbox is not running, or its machinery cannot be started.
        """


class Capture:
    """The head and the tail of a stream of any length, in bounded memory."""

    def __init__(self, limit: int) -> None:
        self._head_size = limit // 2
        self._tail_size = limit - self._head_size
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0

    def add(self, data: bytes) -> None:
        """Appends bytes."""
        room = self._head_size - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        excess = len(self._tail) - self._tail_size
        if excess > 0:
            del self._tail[:excess]
            self._left_out += excess

    @property
    def truncated(self) -> bool:
        """True if bytes were left out."""
        return self._left_out > 0

    def text(self) -> str:
        """The stream as UTF-8 with replacement; a line in the middle says how many bytes were left out."""
        if not self.truncated:
            return (self._head + self._tail).decode(errors="replace")
        note = f"\n[{self._left_out} bytes left out]\n"
        return self._head.decode(errors="replace") + note + self._tail.decode(errors="replace")


@dataclass
class _Stream:
    """One end of a pipe: bytes that still have to be written, or a function that takes those that were read."""

    pipe: IO[bytes]
    take: Callable[[bytes], None] | None = None
    pending: bytes = b""


class Channel:
    """Feeds and drains the pipes of a program without blocking, until a condition, its end or a deadline."""

    def __init__(self, program: Program, limit: int) -> None:
        self.program = program
        self._limit = limit
        process = program.process
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin = _Stream(process.stdin)
        self.output = Capture(limit)
        self._streams = {process.stdout.fileno(): _Stream(process.stdout, self._collect)}
        os.set_blocking(process.stdin.fileno(), False)
        os.set_blocking(process.stdout.fileno(), False)
        with contextlib.suppress(OSError):  # a larger pipe is faster; a busy host may refuse it
            fcntl.fcntl(process.stdout.fileno(), fcntl.F_SETPIPE_SZ, _CHUNK)
        self._poll = select.poll()
        self._poll.register(process.stdout, select.POLLIN)
        try:
            self._end = os.pidfd_open(process.pid)
        except ProcessLookupError:  # a child of somebody else, who has seen its end before us
            self._end = os.eventfd(1)
        self._poll.register(self._end, select.POLLIN)

    def _collect(self, data: bytes) -> None:
        self.output.add(data)

    def listen(self, pipe: IO[bytes], take: Callable[[bytes], None]) -> None:
        """Hands what arrives on another pipe to `take`."""
        os.set_blocking(pipe.fileno(), False)
        self._streams[pipe.fileno()] = _Stream(pipe, take)
        self._poll.register(pipe, select.POLLIN)

    def restart_output(self) -> None:
        """Begins a new capture; what a background process has written since the last one belongs to it."""
        self.output = Capture(self._limit)

    def send(self, data: bytes) -> None:
        """Writes to the program's stdin what fits now; `run_until` writes the rest."""
        self._stdin.pending = data
        self._write()

    def _write(self) -> None:
        stdin = self._stdin
        try:
            while stdin.pending:
                stdin.pending = stdin.pending[os.write(stdin.pipe.fileno(), stdin.pending) :]
        except BlockingIOError:
            self._poll.register(stdin.pipe, select.POLLOUT)
            return
        except BrokenPipeError:
            stdin.pending = b""
        self._forget(stdin.pipe)

    def run_until(self, done: Callable[[], bool], deadline: float) -> bool:
        """Moves bytes until `done`, or the program has ended, or the deadline (of `time.monotonic`) has passed.

        Returns:
            False if the deadline passed.
        """
        while not done():
            wait = deadline - time.monotonic()
            if wait <= 0:
                return False
            ready = [handle for handle, _ in self._poll.poll(wait * 1000)]
            for handle in ready:
                if handle in self._streams:
                    self._read(handle)
                elif handle != self._end:
                    self._write()
            if self._end in ready:
                break
        for handle in list(self._streams):
            self._drain(handle)
        return True

    def _read(self, handle: int) -> None:
        stream = self._streams[handle]
        try:
            data = os.read(handle, _CHUNK)
        except BlockingIOError:  # code inside can open its end for reading too, and was faster
            return
        assert stream.take is not None
        if data:
            stream.take(data)
        else:
            del self._streams[handle]
            self._forget(stream.pipe)

    def _drain(self, handle: int) -> None:
        """Takes what lies in a pipe now; a writer in the background cannot keep us here."""
        waiting = struct.unpack("i", fcntl.ioctl(handle, termios.FIONREAD, b"\0" * 4))[0]
        if waiting:
            with contextlib.suppress(BlockingIOError):  # as in _read
                data = os.read(handle, waiting)
                take = self._streams[handle].take
                assert take is not None
                take(data)

    def close_stdin(self) -> bool:
        """Closes the program's stdin once all is written. Returns True if it is closed."""
        if not self._stdin.pending and not self._stdin.pipe.closed:
            self._stdin.pipe.close()
        return self._stdin.pipe.closed

    def _forget(self, pipe: IO[bytes]) -> None:
        with contextlib.suppress(KeyError):
            self._poll.unregister(pipe)

    def close(self) -> None:
        """Kills the program and closes its pipes. Idempotent."""
        self.program.kill()
        process = self.program.process
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        if self._end >= 0:
            os.close(self._end)
            self._end = -1


def run_program(program: Program, stdin: bytes, timeout: float, limit: int) -> Result:
    """Runs a program, started with stderr joined to stdout, to its end.

    Args:
        program: The program.
        stdin: What it reads.
        timeout: Seconds until it is killed.
        limit: Bytes of output that are kept.

    Raises:
        SandboxError: If the sandbox failed, and not the program.
    """
    started = time.monotonic()
    channel = Channel(program, limit)
    try:
        channel.send(stdin)
        ended = channel.run_until(channel.close_stdin, started + timeout)
        if ended:
            ended = channel.run_until(lambda: False, started + timeout)
        status = _exit_code(program.process) if ended else None
        program.kill()
        if ended and program.broke():
            detail = channel.output.text()
            raise SandboxError(f"the sandbox could not run a program: {detail}", "see mlgym-synth doctor")
        return Result(
            exit_code=status,
            output=channel.output.text(),
            timed_out=not ended,
            truncated=channel.output.truncated,
            seconds=time.monotonic() - started,
        )
    finally:
        channel.close()


def _exit_code(process: Process) -> int:
    status = process.wait()
    return status if status >= 0 else 128 - status


def kill_all(pids: list[int], number: int = signal.SIGKILL) -> None:
    """Sends a signal to processes; those that are gone already do not matter."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def wait_for_death(process: Process, seconds: float = 5.0) -> None:
    """Waits for a process that has been killed.

    Raises:
        SandboxError: If it does not die, which a process in uninterruptible sleep may do.
    """
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired as error:
        raise SandboxError(
            f"process {process.pid} cannot be killed", "the host is in trouble: see its kernel log"
        ) from error
