"""The provider `bubblewrap`: namespaces of one's own, an unprivileged user, and a root made of read-only parts.

Started by root, the code inside runs as a user id that nobody else has, on the host as well as inside, without a user
namespace. Started by a plain user, bubblewrap makes a user namespace by itself.
"""

from __future__ import annotations

import functools
import os
import platform
import re
import secrets
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping
from pathlib import Path

import psutil

from mlgym_synth.errors import InputError, SandboxError
from mlgym_synth.sandboxes.cgroup import Cgroup, make_cgroup
from mlgym_synth.sandboxes.folder import FolderSandbox
from mlgym_synth.sandboxes.launcher import launch
from mlgym_synth.sandboxes.program import kill_all, wait_for_death
from mlgym_synth.sandboxes.protocol import WORKSPACE, Spec
from mlgym_synth.sandboxes.runtime import MOUNT, build_runtime
from mlgym_synth.sandboxes.session import SCRIPT

HOME = "/home/agent"
TOOLS = "/opt/mlgym-synth/bin"
SOCKET = "/run/mlgym-synth/grader.sock"
_SCRIPT_INSIDE = "/opt/mlgym-synth/shell.bash"
_INSIDE_USER = 1000
_FIRST_USER = 2_000_000_000
_USERS = 100_000_000
_OPEN_FILES = 1024
_HOST_FOLDERS = ("bin", "sbin", "lib32", "lib64", "libx32", "libexec", "include")
_DEBIAN_LIBRARIES = ("*-linux-gnu*", "gcc", "git-core", "locale")
_OWN_FOLDERS = (("/dev/shm", "1777"), ("/tmp", "1777"), (HOME, "0777"))  # noqa: S108  (mount points inside)
_PARENTS = ("/usr", "/usr/lib", "/home", "/opt", "/opt/mlgym-synth", "/run", "/run/mlgym-synth")
_HOST_LINKS = ("bin", "sbin", "lib", "lib32", "lib64", "libx32")


class BubblewrapProgram:
    """A program in namespaces of its own: whatever it starts dies with the first process of its PID namespace."""

    def __init__(self, process: subprocess.Popen[bytes], status: int) -> None:
        self.process = process
        self._status = status
        self._reports = b""
        self._dead = False
        self._lock = threading.Lock()

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
                first = self._first_process()
                # Bubblewrap's outer process ends after the kernel has emptied the namespace, and is waited for.
                kill_all([first if first is not None else self.process.pid], signal.SIGKILL)
            wait_for_death(self.process)
            self._dead = True
            self._read_reports()
            os.close(self._status)

    def broke(self) -> bool:
        """True if the sandbox failed before the program could begin; asked after its end."""
        return b"exit-code" not in self._reports

    def _first_process(self) -> int | None:
        while b"\n" not in self._reports and self._read_reports():
            continue
        found = re.search(rb'"child-pid": *(\d+)', self._reports)
        return int(found[1]) if found else None

    def _read_reports(self) -> bool:
        data = os.read(self._status, 4096)
        self._reports += data
        return bool(data)


class BubblewrapSandbox(FolderSandbox):
    """Sandboxes by bubblewrap. See `protocol.Sandbox`."""

    provider = "bubblewrap"
    isolates = True
    workspace = WORKSPACE
    script = _SCRIPT_INSIDE

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self._program = shutil.which("bwrap")
        if self._program is None:
            raise InputError("bubblewrap is not installed", "install the package bubblewrap")
        self._root = os.geteuid() == 0
        if self._root:
            self._owner = _FIRST_USER + secrets.randbelow(_USERS)
        self._cgroup: Cgroup | None = None

    def _prepare(self) -> None:
        self._cgroup = make_cgroup(f"mlgym-synth-{self._folder.name}", self.spec.limits) if self._root else None
        if self._cgroup is not None:
            assert self._scratch is not None
            self._scratch.record(self._cgroup.folders)
        if self._root:
            self._check_readable()
        if self._root and self.spec.socket is not None:
            # Connecting needs write permission; no other user of the host gets it.
            os.chown(self.spec.socket, self._owner, -1)
        user = self._owner if self._root else _INSIDE_USER
        (self._folder / "empty").mkdir()
        etc = self._folder / "etc"
        (etc / "alternatives").mkdir(parents=True)
        (etc / "passwd").write_text(f"agent:x:{user}:{user}:agent:{HOME}:/bin/bash\n")
        (etc / "group").write_text(f"agent:x:{user}:\n")
        (etc / "hosts").write_text("127.0.0.1 localhost\n")
        (etc / "nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n")
        self._arguments = [*self._user_arguments(), *self._mount_arguments(), "--chdir", WORKSPACE, "--"]
        self._arguments += self._limit_command() + self._user_command()

    def _check_readable(self) -> None:
        for name, source in self.spec.read_only.items():
            for path in (source, *source.rglob("*")):
                needed = 0o005 if path.is_dir() else 0o004
                if path.stat().st_mode & needed != needed:
                    raise InputError(f"read-only item {name!r}: {path} is closed to others", "chmod o+rX it")

    def _release(self) -> None:
        if self._cgroup is not None:
            self._cgroup.remove()

    def _show_read_only(self) -> None:
        # Mount points. Code inside cannot move them: they are busy wherever it could name them.
        for name, source in self.spec.read_only.items():
            place = self._files / name
            if source.is_dir():
                place.mkdir()
            else:
                place.touch()

    def _start(self, command: list[str], environment: Mapping[str, str], stderr: int) -> BubblewrapProgram:
        assert self._program is not None
        reader, writer = os.pipe2(os.O_CLOEXEC)
        try:
            process = launch(
                [*self._enter(), self._program, "--json-status-fd", str(writer), *self._arguments, *command],
                stderr=stderr,
                # Not --clearenv: the environment that bubblewrap itself has can be read inside, in /proc/1.
                environment={**self._environment(), **environment},
                pass_fds=(writer,),
            )
        except OSError as error:
            os.close(reader)
            raise SandboxError(f"cannot start bubblewrap: {error.strerror}") from error
        finally:
            os.close(writer)
        return BubblewrapProgram(process, reader)

    def _enter(self) -> list[str]:
        return self._cgroup.enter() if self._cgroup is not None else []

    def _environment(self) -> dict[str, str]:
        variables = {
            "PATH": f"{TOOLS}:{MOUNT}/bin:/usr/bin:/bin",
            "HOME": HOME,
            "USER": "agent",
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        if any((build_runtime().path / "lib").glob("libpython*")):
            variables["LD_LIBRARY_PATH"] = f"{MOUNT}/lib"
        if self.spec.socket is not None:
            variables["MLGYM_GRADER"] = SOCKET
        return variables

    def _user_arguments(self) -> list[str]:
        arguments = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        arguments += ["--hostname", "sandbox", "--new-session", "--die-with-parent"]
        if self._root:
            return [*arguments, "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]
        arguments += ["--unshare-user", "--uid", str(_INSIDE_USER), "--gid", str(_INSIDE_USER)]
        return [*arguments, "--disable-userns"] if _knows("--disable-userns") else arguments

    def _mount_arguments(self) -> list[str]:
        arguments: list[str] = []
        for folder in _PARENTS:
            # Those that bubblewrap makes by itself are closed to everybody but their owner.
            arguments += ["--perms", "0755", "--dir", folder]
        for shown in _host_folders():
            arguments += _show(shown)
            # The host's own Python packages.
            for python in sorted([*shown.glob("python[0-9]*"), *shown.glob("pypy*")]):
                if python.is_dir() and not python.is_symlink():
                    arguments += ["--ro-bind", str(self._folder / "empty"), str(python)]
        for name in _HOST_LINKS:
            link = Path("/") / name
            if link.is_symlink():
                arguments += ["--symlink", str(link.readlink()), str(link)]
            elif link.is_dir():
                arguments += _show(link)
        size = str(self._disk_bytes)
        arguments += ["--ro-bind", str(self._folder / "etc"), "/etc"]
        if Path("/etc/alternatives").is_dir():
            arguments += _show(Path("/etc/alternatives"))
        arguments += ["--proc", "/proc", "--dev", "/dev"]
        for place, mode in _OWN_FOLDERS:
            arguments += ["--perms", mode, "--size", size, "--tmpfs", place]
        arguments += ["--bind", str(self._files), WORKSPACE]
        for name, source in self.spec.read_only.items():
            arguments += ["--ro-bind", str(source.resolve()), f"{WORKSPACE}/{name}"]
        arguments += ["--ro-bind", str(build_runtime().path), MOUNT, "--ro-bind", SCRIPT, _SCRIPT_INSIDE]
        if self.spec.tools is not None:
            arguments += ["--ro-bind", str(self.spec.tools.resolve()), TOOLS]
        if self.spec.socket is not None:
            arguments += ["--ro-bind", str(self.spec.socket.resolve()), SOCKET]
        return [*arguments, "--remount-ro", "/dev", "--remount-ro", "/"]

    @property
    def unenforced(self) -> str:
        """Which limits a started sandbox cannot enforce here."""
        gaps = ["disk per file, not in total"]
        if self._cgroup is None:
            gaps.append("memory per process, not in total")
            if not (self._root or _counts_processes_per_namespace()):
                gaps.append("processes not limited")
        return "; ".join(gaps)

    def _limit_command(self) -> list[str]:
        command = [_tool("prlimit"), "--core=0", f"--nofile={_OPEN_FILES}", f"--fsize={self._disk_bytes}"]
        if self._root or _counts_processes_per_namespace():
            command.append(f"--nproc={self.spec.limits.processes}")
        if self._cgroup is None:
            command.append(f"--data={self.spec.limits.memory_mb << 20}")
        return command

    def _user_command(self) -> list[str]:
        command = [_tool("setpriv"), "--no-new-privs", "--inh-caps=-all"]
        if self._root:
            user = str(self._owner)
            command += [f"--reuid={user}", f"--regid={user}", "--clear-groups", "--bounding-set=-all"]
        return command


def _counts_processes_per_namespace() -> bool:
    """True where a plain user's process limit counts only processes of the sandbox: from Linux 5.14 on."""
    release = re.match(r"(\d+)\.(\d+)", platform.release())
    return release is not None and (int(release[1]), int(release[2])) >= (5, 14)


def _host_folders() -> list[Path]:
    """Folders of programs and libraries; of Debian's `/usr/lib` a part, as applications there bring Pythons."""
    library = Path("/usr/lib")
    parts = [part for pattern in _DEBIAN_LIBRARIES for part in sorted(library.glob(pattern))]
    debian = any(part.match("*-linux-gnu*") for part in parts)
    folders = [Path("/usr") / name for name in _HOST_FOLDERS] + (parts if debian else [library])
    return [folder for folder in folders if folder.is_dir() and not folder.is_symlink()]


def _show(folder: Path) -> list[str]:
    return ["--ro-bind", str(folder), str(folder)]


def _tool(name: str) -> str:
    for folder in ("/usr/bin", "/bin"):
        if (Path(folder) / name).exists():
            return f"{folder}/{name}"
    raise InputError(f"{name} is not installed", "install the package util-linux")


@functools.cache
def _knows(option: str) -> bool:
    answer = subprocess.run(["bwrap", "--help"], capture_output=True, text=True, check=False)  # noqa: S607  (found on PATH)
    return option in answer.stdout + answer.stderr


def _number_inside(pid: int) -> int:
    """The number of a living process in its innermost PID namespace; 0 if it is dead."""
    try:
        status = Path(f"/proc/{pid}/status").read_bytes()  # a process may call itself by any bytes
    except (FileNotFoundError, ProcessLookupError):
        return 0
    found = re.search(rb"^State:\t[^ZX].*^NSpid:[^\n]*\t(\d+)$", status, re.MULTILINE | re.DOTALL)
    return int(found[1]) if found else 0
