"""Programs in a running container: started by the engine, talked to over kernel pipes, ended by the host."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import select
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mlgym_synth.errors import SandboxError
from mlgym_synth.sandboxes.engine import EngineName, Execution
from mlgym_synth.sandboxes.layout import OWN_FOLDERS
from mlgym_synth.sandboxes.program import kill_all
from mlgym_synth.sandboxes.protocol import WORKSPACE

if TYPE_CHECKING:
    from docker import APIClient

PIPES = "/run/mlgym-synth/pipes"
"""Where the container sees the folder of named pipes."""

_LEFT = f"/usr/bin/find {' '.join(OWN_FOLDERS)} -mindepth 1 -maxdepth 1 ! -path {WORKSPACE}"
_CLEAN = f"{_LEFT} -type d -exec /bin/chmod -R u+rwX {{}} + && {_LEFT} -exec /bin/rm -rf {{}} +"
_GROUPS = Path("/sys/fs/cgroup")
_BEGIN_SECONDS = 30.0
_DEATH_SECONDS = 5.0
_WAIT_SECONDS = 0.001
_ROUNDS = 20
"""How often killing may find new processes before the container may not have more."""


@dataclass
class Container:
    """A running container, as its host sees it."""

    engine: EngineName
    api: APIClient
    id: str
    first: int
    """Host's process id of the container's first process, which outlives all programs."""
    group: Path
    """Folder of its control group."""
    account: tuple[int, int]
    """User and group of its programs."""
    pipes: Path
    """Host's folder that is bound at `PIPES`."""
    stale: bool = False
    """True if the next program is to remove first what the agent has left outside the workspace."""
    programs: list[ContainerProgram] = field(default_factory=list)
    """Those that were not killed yet."""
    lock: threading.RLock = field(default_factory=threading.RLock)
    """Held while a program starts, and while processes are ended: what has half begun belongs to no program yet."""

    def start(self, command: Sequence[str], variables: Mapping[str, str], stderr: int) -> ContainerProgram:
        """Starts a program in the workspace.

        Args:
            command: Program and arguments.
            variables: Its whole environment.
            stderr: As in `subprocess.Popen`.

        Raises:
            SandboxError: If the engine cannot start it.
        """
        name = secrets.token_hex(8)
        target = {subprocess.PIPE: f"{PIPES}/{name}.err", subprocess.STDOUT: "&1", subprocess.DEVNULL: "/dev/null"}
        # Stdin last: when it gets its reader, the other pipes have their writers.
        script = f'exec >{PIPES}/{name}.out 2>{target[stderr]} <{PIPES}/{name}.in; exec "$@"'
        if self.stale:
            script = f"{_CLEAN} || exit; {script}"
        # Not by the engine: the image's own variables would be there too.
        words = ["/usr/bin/env", "-i", *(f"{key}={value}" for key, value in variables.items())]
        words += ["/bin/sh", "-c", script, "sh", *command]
        with self.lock, contextlib.ExitStack() as names, contextlib.ExitStack() as opened:
            stdin = self._make_pipe(f"{name}.in", names)
            stdout = opened.enter_context(read_pipe(self._make_pipe(f"{name}.out", names)))
            errors = None
            if stderr == subprocess.PIPE:
                errors = opened.enter_context(read_pipe(self._make_pipe(f"{name}.err", names)))
            execution = Execution(self.engine, self.api, self.id, words, "{}:{}".format(*self.account))
            opened.callback(execution.close)
            try:
                end = os.pidfd_open(execution.pid)
            except ProcessLookupError as error:  # it waits for us to open its stdin, unless it was killed
                raise SandboxError(f"{self.engine}: a program ended before it began") from error
            opened.callback(os.close, end)
            writer = opened.enter_context(write_pipe(stdin, end))
            opened.pop_all()
            program = ContainerProgram(self, ContainerProcess(execution, end, writer, stdout, errors))
            self.programs.append(program)
            self.stale = False
            return program

    def _make_pipe(self, name: str, names: contextlib.ExitStack) -> Path:
        path = self.pipes / name
        os.mkfifo(path, 0o600)
        names.callback(path.unlink)
        if os.geteuid() == 0:
            os.chown(path, *self.account)
        return path

    def parents(self) -> dict[int, int]:
        """The processes inside but for the first one, each with its parent; host's process ids."""
        found = {}
        for line in _lines(self.group / "cgroup.procs"):
            if int(line) == self.first:
                continue
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                # A process may call itself by any bytes, parentheses among them.
                found[int(line)] = int(Path(f"/proc/{line}/stat").read_bytes().rpartition(b")")[2].split()[1])
        return found

    def end(self, choose: Callable[[], list[int]]) -> None:
        """Kills processes until none of the chosen lives. The lock is held.

        Args:
            choose: Says which of those that live now are to die.

        Raises:
            SandboxError: If one does not die, which a process in uninterruptible sleep may do.
        """
        seen: set[int] = set()
        rounds = 0
        deadline = time.monotonic() + _DEATH_SECONDS
        with contextlib.ExitStack() as sterile:
            while pids := choose():
                kill_all(pids)
                if not seen.issuperset(pids):
                    seen.update(pids)
                    rounds += 1
                    if rounds == _ROUNDS:  # a fork bomb can be faster than we are
                        sterile.enter_context(self._without_births())
                if time.monotonic() > deadline:
                    raise SandboxError(
                        f"process {pids[0]} cannot be killed", "the host is in trouble: see its kernel log"
                    )
                time.sleep(_WAIT_SECONDS)

    def end_all(self) -> None:
        """Kills all processes but the first, and has the next program begin in clean folders.

        Raises:
            SandboxError: As `end`.
        """
        with self.lock:
            self.end(lambda: list(self.parents()))
            self.stale = True

    @contextlib.contextmanager
    def _without_births(self) -> Iterator[None]:
        limit = self.group / "pids.max"
        before = "\n".join(_lines(limit))
        # Where the group is another user's, the bomb is outrun, or the deadline passes.
        with contextlib.suppress(OSError):
            limit.write_text("0")
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                limit.write_text(before)


def find_group(container: str, first: int) -> Path | None:
    """Finds the control group of a container by its first process.

    Args:
        container: Full id of the container, which is part of the group's name.
        first: Host's process id of its first process.

    Returns:
        The folder; None if that process is not on this machine, or has no group of its own.
    """
    folders = []
    for line in _lines(Path(f"/proc/{first}/cgroup")):
        _, controllers, path = line.split(":", 2)
        for root in (_GROUPS / controllers.removeprefix("name="), _GROUPS / "unified"):
            folder = root / path.lstrip("/")
            if container in path and (folder / "cgroup.procs").exists():
                folders.append(folder)
    # Version 1 has a group for each controller, with the same processes.
    return max(folders, key=lambda folder: (folder / "pids.max").exists(), default=None)


class ContainerProcess:
    """A process that the engine started, by the host's numbers and pipes. See `program.Process`."""

    def __init__(
        self, execution: Execution, end: int, stdin: IO[bytes], stdout: IO[bytes], stderr: IO[bytes] | None
    ) -> None:
        self.pid = execution.pid
        self.stdin = stdin
        self.stdout = stdout
        self.stderr = stderr
        self.lost = False
        """True if the engine does not know how it ended."""
        self._execution = execution
        self._end = end
        self._returncode: int | None = None
        self._lock = threading.Lock()

    def ended(self) -> bool:
        """True if it ended; does not ask the engine how."""
        with self._lock:
            if self._end >= 0 and has_ended(self._end):
                os.close(self._end)
                self._end = -1
            return self._end < 0

    @property
    def returncode(self) -> int | None:
        """How it ended; None if it runs."""
        return self.poll()

    def poll(self) -> int | None:
        """Returns how it ended; None if it runs."""
        if self._returncode is None and self.ended():
            status = self._execution.exit_code()
            self.lost = status is None
            self._returncode = -signal.SIGKILL if status is None else status
        return self._returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for its end. See `program.Process`."""
        deadline = time.monotonic() + (timeout if timeout is not None else float("inf"))
        while (status := self.poll()) is None:
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0.0)
            time.sleep(_WAIT_SECONDS)
        return status

    def close(self) -> None:
        """Forgets what the engine would still say. Idempotent."""
        self._execution.close()


class ContainerProgram:
    """A program in a container that others may share; what detached itself from its parents belongs to all of them."""

    def __init__(self, container: Container, process: ContainerProcess) -> None:
        self.process = process
        self._container = container
        self._dead = False

    def _others(self) -> list[int]:
        """Processes inside besides the program, without other programs and their children."""
        parents = self._container.parents()
        spared = {program.process.pid for program in self._container.programs if program is not self}
        return [pid for pid in parents if pid != self.process.pid and spared.isdisjoint(_line_of(pid, parents))]

    def _all(self) -> list[int]:
        # The program first: a shell would tell of the death of its child.
        return ([] if self.process.ended() else [self.process.pid]) + self._others()

    def sweep(self, number: int) -> int:
        """Sends a signal to the program, and kills all that it started."""
        with self._container.lock:
            # The signal first: a shell acts on it when its child dies, before it goes on.
            if not self.process.ended():
                kill_all([self.process.pid], number)
            others = self._others()
            kill_all(others)
        return len(others)

    def kill(self) -> None:
        """Kills the program and all that it started, and waits until they are dead. Idempotent, from any thread."""
        with self._container.lock:
            if not self._dead:
                self._container.end(self._all)
                self._container.programs.remove(self)
                self.process.close()
                self._dead = True

    def broke(self) -> bool:
        """True if the container ended before or with the program; asked after its end."""
        return self.process.poll() is not None and self.process.lost


def read_pipe(path: Path) -> IO[bytes]:
    """Opens a named pipe for reading, though nobody writes to it yet."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    os.set_blocking(handle, True)
    return os.fdopen(handle, "rb", buffering=0)


def write_pipe(path: Path, end: int) -> IO[bytes]:
    """Opens a named pipe for writing once somebody reads from it.

    Args:
        path: The pipe.
        end: A pidfd of the process that is to read.

    Raises:
        SandboxError: If that process ends, or does not begin to read.
    """
    deadline = time.monotonic() + _BEGIN_SECONDS
    while True:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if has_ended(end) or time.monotonic() > deadline:
                raise SandboxError("a container's process did not begin", "see the engine's log") from error
            time.sleep(_WAIT_SECONDS)
        else:
            os.set_blocking(handle, True)
            return os.fdopen(handle, "wb", buffering=0)


def has_ended(end: int) -> bool:
    """True if the process of a pidfd has ended."""
    poll = select.poll()
    poll.register(end, select.POLLIN)
    return bool(poll.poll(0))


def _line_of(pid: int, parents: Mapping[int, int]) -> Iterator[int]:
    """A process, its parent, the parent's parent and so on, as far as they are known."""
    while pid in parents:
        yield pid
        pid = parents[pid]


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except OSError:  # the kernel answers variously where a process or a group has just gone
        return []
