"""A program under bubblewrap: held back until its limits are set, ended with all it started."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import threading
from pathlib import Path

import psutil

from mlgym_synth.errors import SandboxError
from mlgym_synth.sandboxes.program import kill_all

_DEATH_SECONDS = 5.0


class BubblewrapProgram:
    """A program in namespaces of its own: whatever it starts dies with the first process of its PID namespace.

    Args:
        process: Bubblewrap's outer process.
        status: Descriptor of its reports (`--json-status-fd`), which this object closes.
    """

    def __init__(self, process: subprocess.Popen[bytes], status: int) -> None:
        self.process = process
        self._status = status
        self._reports = b""
        self._dead = False
        self._lock = threading.Lock()
        while b"\n" not in self._reports and self._read_reports():
            continue
        found = re.search(rb'"child-pid": *(\d+)', self._reports)
        self.first = int(found[1]) if found else None
        """The host's number of the first process in the namespace; None if bubblewrap failed to make one."""

    def _read_reports(self) -> bool:
        data = os.read(self._status, 4096)
        self._reports += data
        return bool(data)

    def sweep(self, number: int) -> int:
        """Sends a signal to the program, and kills all that it started."""
        try:
            inside = psutil.Process(self.process.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return 0
        # Inside, 1 is bubblewrap's own reaper and 2 the program.
        numbers = {child.pid: _number_inside(child.pid) for child in inside}
        others = [pid for pid, inner in numbers.items() if inner > 2]
        # The signal first: a shell acts on it when its child dies, before it goes on.
        kill_all([pid for pid, inner in numbers.items() if inner == 2], number)
        kill_all(others)
        return len(others)

    def kill(self) -> None:
        """Kills the program and all that it started, and waits until they are dead. Idempotent."""
        with self._lock:
            if self._dead:
                return
            if self.process.poll() is None:
                kill_all([self.first if self.first is not None else self.process.pid], signal.SIGKILL)
            self._wait()
            self._dead = True
            os.close(self._status)

    def _wait(self) -> None:
        """Waits for the end of the reports. It is the end of bubblewrap, which waits until its namespace is empty."""
        end = select.poll()
        end.register(self._status, select.POLLIN)
        while end.poll(_DEATH_SECONDS * 1000):
            if not self._read_reports():
                self.process.wait()
                return
        raise SandboxError(f"process {self.process.pid} cannot be killed", "the host is in trouble: see its kernel log")

    def broke(self) -> bool:
        """True if the sandbox failed before the program could begin; asked after its end."""
        return b"exit-code" not in self._reports


def _number_inside(pid: int) -> int:
    """The number of a living process in its innermost PID namespace; 0 if it is dead."""
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()  # a process may call itself by any bytes
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(rb"^State:\t[^ZX].*^NSpid:[^\n]*\t(\d+)$", status, re.MULTILINE | re.DOTALL)
    return int(found[1]) if found else 0
