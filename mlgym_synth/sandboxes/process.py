"""The provider `process`: the same shell in a temporary folder. It isolates nothing, and says so."""

from __future__ import annotations

import os
import secrets
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import psutil

from mlgym_synth.errors import SandboxError
from mlgym_synth.sandboxes.folder import FolderSandbox
from mlgym_synth.sandboxes.layout import OPEN_FILES, variables
from mlgym_synth.sandboxes.program import kill_all, wait_for_death
from mlgym_synth.sandboxes.protocol import Spec
from mlgym_synth.sandboxes.scratch import empty_folder
from mlgym_synth.sandboxes.session import SCRIPT

_MARK = "MLGYM_SANDBOX"
_LIMITS = 'ulimit -c 0; ulimit -n "$1"; ulimit -f "$2"; ulimit -d "$3"; shift 3; exec "$@"'


class MarkedProgram:
    """A program whose descendants are found by parentage, and by a variable that they inherit when detached."""

    def __init__(self, process: subprocess.Popen[bytes], mark: str) -> None:
        self.process = process
        self._mark = f"{_MARK}={mark}".encode()
        self._dead = False
        self._lock = threading.Lock()

    def _descendants(self) -> list[int]:
        found = set()
        if self.process.poll() is None:
            children = psutil.Process(self.process.pid).children(recursive=True)
            found = {child.pid for child in children if _lives(child)}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if self._mark in (folder / "environ").read_bytes().split(b"\0"):
                    found.add(int(folder.name))
            except (PermissionError, FileNotFoundError, ProcessLookupError):
                continue
        return sorted(found - {self.process.pid})

    def sweep(self, number: int) -> int:
        """Sends a signal to the program, and kills all that it started."""
        others = self._descendants()
        if self.process.poll() is None:
            kill_all([self.process.pid], number)
        kill_all(others)
        return len(others)

    def kill(self) -> None:
        """Kills the program and all that it started, as far as they can be found. Idempotent."""
        with self._lock:
            if self._dead:
                return
            if self.process.poll() is None:
                kill_all([self.process.pid])
            wait_for_death(self.process)
            for _ in range(100):
                pids = self._descendants()
                if not pids:
                    break
                kill_all(pids, signal.SIGKILL)
            self._dead = True

    def broke(self) -> bool:
        """Nothing stands between the host and the program that could break."""
        return False


class ProcessSandbox(FolderSandbox):
    """Runs code as this user, in a folder of its own. See `protocol.Sandbox`."""

    provider = "process"
    isolates = False
    script = SCRIPT
    unenforced = "memory per process and disk per file, not in total; processes and processors not limited"

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.workspace = ""

    def _make_workspace(self) -> bool:
        self._files.mkdir(mode=0o755)
        return False  # data is copied into it, and is not to count

    def _prepare(self) -> None:
        self.workspace = str(self._files)
        for name in ("home", "tmp", "bin"):
            (self._folder / name).mkdir()
        for name in ("python", "python3"):
            # Not a link: an interpreter finds its virtual environment by the path that it was called by.
            wrapper = self._folder / "bin" / name
            wrapper.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
            wrapper.chmod(0o755)

    def _release(self) -> None:
        self.workspace = ""

    def _clear(self) -> None:
        super()._clear()
        for name in ("home", "tmp"):
            empty_folder(self._folder / name)

    @property
    def _mount_points(self) -> frozenset[str]:
        return frozenset()  # copies, which code inside may have changed

    def _show_read_only(self) -> None:
        for name, source in self.spec.read_only.items():
            place = self._files / name
            if source.is_dir():
                shutil.copytree(source, place)
            else:
                shutil.copyfile(source, place)
            for path in (*place.rglob("*"), place):
                path.chmod(0o555 if path.is_dir() else 0o444)

    def _start(self, command: list[str], environment: Mapping[str, str], stderr: int) -> MarkedProgram:
        mark = secrets.token_hex(16)
        limits = self.spec.limits
        sizes = [str(OPEN_FILES), str(limits.disk_mb << 11), str(limits.memory_mb << 10)]
        try:
            process = subprocess.Popen(
                ["/bin/sh", "-c", _LIMITS, "sh", *sizes, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                bufsize=0,
                cwd=self._files,
                env={**self._environment(), **environment, _MARK: mark},
                start_new_session=True,
            )
        except OSError as error:
            raise SandboxError(f"cannot start a process: {error.strerror}") from error
        return MarkedProgram(process, mark)

    def _environment(self) -> dict[str, str]:
        tools = [str(self.spec.tools)] if self.spec.tools is not None else []
        python = [str(self._folder / "bin"), str(Path(sys.executable).parent)]
        found = {
            **variables(self.spec),
            "PATH": os.pathsep.join([*tools, *python, "/usr/bin", "/bin"]),
            "HOME": str(self._folder / "home"),
            "TMPDIR": str(self._folder / "tmp"),
        }
        if self.spec.socket is not None:
            found["MLGYM_GRADER"] = str(self.spec.socket)
        return found


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False
