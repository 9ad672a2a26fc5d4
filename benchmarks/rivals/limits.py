"""What this machine allows at best: each limit as the smallest program that shows it."""

from __future__ import annotations

import csv
import io
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from rivals.subject import Actor, Missing, Settings, Stopwatch, Subject

_BUBBLEWRAP = "bwrap --unshare-pid --unshare-net --unshare-ipc --unshare-uts --die-with-parent --new-session"
_MOUNTS = "--proc /proc --dev /dev --tmpfs /tmp --ro-bind /usr /usr"
_PARTS = ("/bin", "/lib", "/lib64", "/etc/alternatives", "/etc/ld.so.cache")
_BASH = ("bash", "--noprofile", "--norc")
_CLIENT = """
import _socket, posix, sys
grader = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
grader.connect(sys.argv[1])
rights = posix.open(sys.argv[2], posix.O_RDONLY).to_bytes(4, sys.byteorder)
grader.sendmsg([b"x"], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
sys.stdout.write(grader.recv(99).decode())
"""


def _show(paths: Iterable[str]) -> list[str]:
    """Those of the host's folders, files and links that are there."""
    return [word for path in paths if Path(path).exists() for word in ("--ro-bind", path, path)]


class PipedBash(Actor):
    """A bash that reads commands from a pipe and prints an end marker after each one's output."""

    command: tuple[str, ...] = _BASH

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        if shutil.which(self.command[0]) is None:
            raise Missing(f"{self.command[0]} is not installed")
        self.shell = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        assert self.shell.stdin is not None
        assert self.shell.stdout is not None
        self.stdin, self.stdout = self.shell.stdin, self.shell.stdout

    def send(self, command: str) -> None:
        """Writes a command."""
        self.stdin.write(f"{command}; echo END\n".encode())

    def receive(self) -> str:
        """Reads a command's output."""
        output = b""
        while not output.endswith(b"END\n"):
            data = self.stdout.read(1 << 16)
            if not data:
                raise RuntimeError(f"{self.command[0]} ended with {self.shell.wait()}")
            output += data
        return output[:-4].decode()

    def run(self, command: str) -> str:
        """The output of a command."""
        self.send(command)
        return self.receive()

    def close(self) -> None:
        """Ends the shell."""
        self.stdin.close()
        self.shell.wait()
        self.stdout.close()

    @classmethod
    def together(cls, settings: Settings, count: int, seconds: float) -> tuple[int, float, str]:
        """All from one thread and one poll: who has answered gets its next command."""
        shells = {shell.stdout.fileno(): shell for shell in (cls(settings) for _ in range(count))}
        poll = select.poll()
        for number, shell in shells.items():
            poll.register(number, select.POLLIN)
            shell.check("echo hi", "hi")
        done, began = 0, time.perf_counter()
        for shell in shells.values():
            shell.send("echo hi")
        while time.perf_counter() < began + seconds:
            for number, _ in poll.poll():
                shells[number].receive()
                shells[number].send("echo hi")
                done += 1
        taken = time.perf_counter() - began
        for shell in shells.values():
            shell.receive()
            shell.close()
        return done, taken, "one poll"


class BubblewrapBash(PipedBash):
    """The same bash in namespaces of its own, over the host's read-only programs."""

    command = (*_BUBBLEWRAP.split(), *_MOUNTS.split(), *_show(_PARTS), *_BASH)

    def reset(self, watch: Stopwatch) -> None:
        """A new one: what is pristine costs at least that."""
        self.start(watch)


class EngineBash(Actor):
    """The same bash in a running container, over the pipes of one `docker exec -i`."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self.container = settings.get("container", "") or run_container(settings["engine"], settings["image"])
        self._owned = "container" not in settings
        command = (settings["engine"], "exec", "-i", self.container, *_BASH)
        self._bash = type("ExecutedBash", (PipedBash,), {"command": command})(settings)

    def run(self, command: str) -> str:
        """The output of a command."""
        output: str = self._bash.run(command)
        return output

    def start(self, watch: Stopwatch) -> None:
        """Another bash in the running container, and its first answer."""
        with watch:
            another = EngineBash({**self.settings, "container": self.container})
            another.check("echo hi", "hi")
        another.close()

    def reset(self, watch: Stopwatch) -> None:
        """The same: a session in a container that is kept costs at least that."""
        self.start(watch)

    def close(self) -> None:
        """Ends the shell, and the container with the first one."""
        self._bash.close()
        if self._owned:
            remove_container(self.settings["engine"], self.container)


def run_container(engine: str, image: str) -> str:
    """Starts a container that does nothing for an hour.

    Returns:
        Its id.

    Raises:
        Missing: If the engine, or the image, is not here.
    """
    if shutil.which(engine) is None:
        raise Missing(f"{engine} is not installed")
    command = [engine, "run", "-d", "--rm", "--network", "none", "--entrypoint", "sleep", image, "3600"]
    found = subprocess.run([engine, "image", "inspect", image], capture_output=True, text=True, check=False)
    if found.returncode != 0:
        raise Missing(" ".join(found.stderr.split()) or f"{engine} has no image {image}")
    started = subprocess.run(command, capture_output=True, text=True, check=False)
    if started.returncode != 0:
        raise Missing(" ".join(started.stderr.split()))
    return started.stdout.strip()


def remove_container(engine: str, container: str) -> None:
    """Removes a container."""
    subprocess.run([engine, "rm", "-f", container], capture_output=True, check=False)


class ForkedBash(Subject):
    """fork and exec of a bash that does nothing."""

    def __init__(self, settings: Settings) -> None: ...

    def start(self, watch: Stopwatch) -> None:
        """One bash."""
        with watch:
            subprocess.run(["bash", "-c", ":"], check=True)


class PipeRoundTrip(Subject):
    """Three bytes through `cat` and back."""

    def __init__(self, settings: Settings) -> None:
        self._cat = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)

    def echo(self, watch: Stopwatch) -> None:
        """One round trip."""
        assert self._cat.stdin is not None
        assert self._cat.stdout is not None
        with watch:
            self._cat.stdin.write(b"hi\n")
            self._cat.stdout.read(3)

    def close(self) -> None:
        """Ends `cat`."""
        self._cat.communicate()


class PythonClient(Subject):
    """A Python without site, and the one module that a client of the grader cannot do without."""

    def __init__(self, settings: Settings) -> None: ...

    def validate(self, watch: Stopwatch) -> None:
        """One start to end."""
        with watch:
            subprocess.run([sys.executable, "-I", "-S", "-c", "import _socket"], check=True)


class ForkedGrader(Subject):
    """A grader that was forked with the labels in memory, and gets a submission as a file descriptor."""

    def __init__(self, settings: Settings) -> None:
        self._submission = settings["submission"]
        self._folder = tempfile.TemporaryDirectory(prefix="limit-")
        self.path = str(Path(self._folder.name) / "grader.sock")
        self._labels = read_labels(Path(settings["labels"]))
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(self.path)
            listener.listen()
            self._grader = os.fork()
            if self._grader == 0:
                self._serve(listener)

    def _serve(self, listener: socket.socket) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while True:
            connection, _ = listener.accept()
            with connection:
                _, (descriptor,), _, _ = socket.recv_fds(connection, 1, 1)
                with os.fdopen(descriptor, "rb") as stream:
                    score = self._score(stream.read())
                connection.sendall(str(score).encode())

    def _score(self, submission: bytes) -> float:
        rows = csv.reader(io.StringIO(submission.decode()))
        next(rows)
        predicted = {row[0]: row[1] for row in rows}
        return sum(predicted[row] == value for row, value in self._labels) / len(self._labels)

    def validate(self, watch: Stopwatch) -> None:
        """One submission, handed in by a process that is there already."""
        with watch, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as grader:
            grader.connect(self.path)
            descriptor = os.open(self._submission, os.O_RDONLY)
            socket.send_fds(grader, [b"x"], [descriptor])
            os.close(descriptor)
            score = float(grader.recv(99))
        check_score(score)

    def close(self) -> None:
        """Ends the grader."""
        os.kill(self._grader, signal.SIGKILL)
        os.waitpid(self._grader, 0)
        self._folder.cleanup()


class ForkedGraderWithClient(ForkedGrader):
    """The same grader, asked by a Python without site: both limits together."""

    def validate(self, watch: Stopwatch) -> None:
        """One submission, handed in by a process that is started for it."""
        command = [sys.executable, "-I", "-S", "-c", _CLIENT, self.path, self._submission]
        with watch:
            score = float(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
        check_score(score)

    def submit(self, watch: Stopwatch) -> None:
        """The same."""
        self.validate(watch)


def read_labels(path: Path) -> list[tuple[str, str]]:
    """Ids and targets of a `labels.csv`."""
    with path.open(newline="") as stream:
        return [(row[0], row[1]) for row in list(csv.reader(stream))[1:]]


def check_score(score: float) -> None:
    """All-equal predictions of two labels are right about half the time."""
    if not 0.3 < score < 0.7:
        raise RuntimeError(f"the grader says {score}")
