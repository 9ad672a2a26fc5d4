"""The provider `bubblewrap`: namespaces of one's own, an unprivileged user, and a root made of read-only parts.

Started by root, the code inside runs as a user id that nobody else has, on the host as well as inside, without a user
namespace. Started by a plain user, bubblewrap makes a user namespace by itself.
"""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
import resource
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from mlgym_synth.errors import InputError, SandboxError
from mlgym_synth.sandboxes.bubblewrap_program import BubblewrapProgram
from mlgym_synth.sandboxes.bubblewrap_root import make_root
from mlgym_synth.sandboxes.cgroup import Cgroup, make_cgroup
from mlgym_synth.sandboxes.folder import FolderSandbox
from mlgym_synth.sandboxes.launcher import Launcher, make_room
from mlgym_synth.sandboxes.layout import (
    OPEN_FILES,
    OWN_FOLDERS,
    SCRIPT_INSIDE,
    choose_account,
    open_to_others,
    variables,
)
from mlgym_synth.sandboxes.mounts import mount_unseen
from mlgym_synth.sandboxes.protocol import WORKSPACE, Spec
from mlgym_synth.sandboxes.runtime import MOUNT, build_runtime
from mlgym_synth.sandboxes.scratch import empty_folder
from mlgym_synth.sandboxes.seccomp import build_filter

_INSIDE_USER = 1000
_OWN_VARIABLES = {"MALLOC_MMAP_THRESHOLD_": "65536"}
"""Bubblewrap's own: it keeps a table of the machine's mounts, and its first process would keep its memory."""
_DISK = "disk"
_WORKSPACE = "workspace"


class BubblewrapSandbox(FolderSandbox):
    """Sandboxes by bubblewrap. See `protocol.Sandbox`."""

    provider = "bubblewrap"
    isolates = True
    workspace = WORKSPACE
    script = SCRIPT_INSIDE

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        program = shutil.which("bwrap")
        if program is None:
            raise InputError("bubblewrap is not installed", "install the package bubblewrap")
        self._program = program
        self._root = os.geteuid() == 0
        self._owner, _ = choose_account()
        self._cgroup: Cgroup | None = None
        self._born_limited = False
        self._launcher = Launcher()
        self._mounted: int | None = None

    @property
    def _disk(self) -> Path:
        # What the launcher's thread has mounted is found by no other path.
        return self._folder / _DISK if self._mounted is None else Path(f"/proc/{os.getpid()}/fd/{self._mounted}")

    @property
    def _files(self) -> Path:
        return self._disk / _WORKSPACE

    def _make_workspace(self) -> bool:
        folder = self._disk
        folder.mkdir()
        self._mounted = self._launcher.call(lambda: mount_unseen(folder, self._disk_bytes, owner=0))
        self._files.mkdir(mode=0o755)
        if self._mounted is not None:
            for place, mode in OWN_FOLDERS.items():
                (self._disk / _name(place)).mkdir()
                (self._disk / _name(place)).chmod(int(mode, 8))
        return self._mounted is not None

    def _clear(self) -> None:
        super()._clear()
        if self._mounted is not None:
            for place, mode in OWN_FOLDERS.items():
                empty_folder(self._disk / _name(place), mode=int(mode, 8))

    def _prepare(self) -> None:
        limits = self.spec.limits.model_copy(update={"memory_mb": self._memory_mb})
        assert self._scratch is not None
        self._cgroup = make_cgroup(f"mlgym-synth-{self._folder.name}", limits, self._scratch.record)
        if self._cgroup is not None:
            self._born_limited = self._cgroup.adopt(self._launcher)
        if self._root:
            open_to_others(self.spec, self._owner)
        arguments = [*self._namespace_arguments(), *self._mount_arguments(), "--chdir", WORKSPACE]
        for name in _OWN_VARIABLES:
            arguments += ["--unsetenv", name]
        self._inputs = {"--args": self._folder / "arguments"}
        self._inputs["--args"].write_bytes(b"".join(os.fsencode(word) + b"\0" for word in arguments))
        if (calls := build_filter()) is not None:
            self._inputs["--seccomp"] = self._folder / "seccomp"
            self._inputs["--seccomp"].write_bytes(calls)

    def _release(self) -> None:
        self._launcher.close()
        if self._mounted is not None:
            os.close(self._mounted)
        if self._cgroup is not None:
            self._cgroup.remove()
        self._launcher, self._mounted, self._cgroup = Launcher(), None, None

    def _start(self, command: list[str], environment: Mapping[str, str], stderr: int) -> BubblewrapProgram:
        with contextlib.ExitStack() as handles:  # that are closed whether it starts or not
            try:
                status, reports = _pipe(handles)
                block, go = _pipe(handles)
                make_room(go)
                # From files: bubblewrap's arguments, and the host's paths in them, could be read inside, in /proc/1.
                files = {option: _open(path, handles) for option, path in self._inputs.items()}
                passed = {"--json-status-fd": reports, "--block-fd": block, **files}
                options = [word for option, handle in passed.items() for word in (option, str(handle))]
                process = self._launcher.launch(
                    self._program,
                    # Its name tells the reaper whose it is.
                    [self._folder.name, *options, "--", *self._user_command(), *command],
                    stderr=stderr,
                    # Not --clearenv: the environment of bubblewrap itself can be read inside, too.
                    environment={**_OWN_VARIABLES, **self._variables(), **environment},
                    pass_fds=tuple(passed.values()),
                )
                status = os.dup(status)
            except OSError as error:
                raise SandboxError(f"cannot start bubblewrap: {error.strerror}") from error
            program = BubblewrapProgram(process, status)
            self._limit(program)
        return program  # which begins when `go` is closed

    def _limit(self, program: BubblewrapProgram) -> None:
        """Sets the limits of a program that has not begun. They are no affair of a command, which would be one more."""
        if program.first is None:
            return
        limits = self.spec.limits
        values = {resource.RLIMIT_CORE: 0, resource.RLIMIT_NOFILE: OPEN_FILES, resource.RLIMIT_FSIZE: self._disk_bytes}
        if self._root or _counts_processes_per_namespace():
            values[resource.RLIMIT_NPROC] = limits.processes
        if self._cgroup is None:
            values[resource.RLIMIT_DATA] = limits.memory_mb << 20
        try:
            for number, value in values.items():
                _, hard = resource.prlimit(program.first, number)
                value = value if hard == resource.RLIM_INFINITY else min(value, hard)
                resource.prlimit(program.first, number, (value, value))
            if self._cgroup is not None and not self._born_limited:
                self._cgroup.join(program.first)
        except ProcessLookupError:  # bubblewrap failed; it will say why
            return
        except OSError as error:
            program.kill()
            raise SandboxError(f"cannot limit a sandbox: {error.strerror}") from error

    def _variables(self) -> dict[str, str]:
        found = variables(self.spec)
        if any((build_runtime().path / "lib").glob("libpython*")):
            found["LD_LIBRARY_PATH"] = f"{MOUNT}/lib"
        return found

    def _user_command(self) -> list[str]:
        """What becomes the agent's user, and then the command.

        Bubblewrap does not begin a command itself: one that it cannot find would look like a failure of its own.
        """
        if not self._root:
            return ["/bin/sh", "-c", 'exec "$@"', "sh"]
        user = str(self._owner)
        command = [_setpriv(), f"--reuid={user}", f"--regid={user}", "--clear-groups", "--inh-caps=-all"]
        return [*command, "--bounding-set=-all"]

    def _namespace_arguments(self) -> list[str]:
        arguments = ["--unshare-pid", "--unshare-net", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
        arguments += ["--hostname", "sandbox", "--new-session", "--die-with-parent"]
        if self._root:
            return [*arguments, "--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID", "--cap-add", "CAP_SETPCAP"]
        arguments += ["--unshare-user", "--uid", str(_INSIDE_USER), "--gid", str(_INSIDE_USER)]
        if build_filter() is None and _knows("--disable-userns"):
            arguments.append("--disable-userns")
        return arguments

    def _mount_arguments(self) -> list[str]:
        user = self._owner if self._root else _INSIDE_USER
        shown = make_root(self.spec, self._folder, (user, user))
        folder, disk = self._folder / "root", self._folder / _DISK
        folder.mkdir()
        mounted = self._mounted is not None and self._launcher.call(lambda: shown.mount(folder))
        arguments = ["--ro-bind", str(folder), "/"] if mounted else shown.arguments()
        arguments += ["--proc", "/proc", "--dev", "/dev"]
        for place, mode in OWN_FOLDERS.items():
            if self._disk_bounded:
                arguments += ["--bind", str(disk / _name(place)), place]
            else:
                arguments += ["--perms", mode, "--size", str(self._disk_bytes), "--tmpfs", place]
        arguments += ["--bind", str(disk / _WORKSPACE), WORKSPACE]
        for name, source in self.spec.read_only.items():
            arguments += ["--ro-bind", str(source.resolve()), f"{WORKSPACE}/{name}"]
        return [*arguments, "--remount-ro", "/dev", "--remount-ro", "/"]

    @property
    def unenforced(self) -> str:
        """Which limits a started sandbox cannot enforce here; empty if it enforces all."""
        gaps = []
        if not self._disk_bounded:
            gaps.append("disk per file, not in total; number of files in /tmp not limited")
        if self._cgroup is None:
            gaps.append("memory per process, not in total")
            if not (self._root or _counts_processes_per_namespace()):
                gaps.append("processes not limited")
        if self._cgroup is None or not self._cgroup.limits_cpus:
            gaps.append("processors not limited")
        if build_filter() is None:
            gaps.append(f"system calls not filtered on {platform.machine()}")
        return "; ".join(gaps)


def _counts_processes_per_namespace() -> bool:
    """True where a plain user's process limit counts only processes of the sandbox: from Linux 5.14 on."""
    release = re.match(r"(\d+)\.(\d+)", platform.release())
    return release is not None and (int(release[1]), int(release[2])) >= (5, 14)


def _pipe(handles: contextlib.ExitStack) -> tuple[int, int]:
    reader, writer = os.pipe2(os.O_CLOEXEC)
    handles.callback(os.close, reader)
    handles.callback(os.close, writer)
    return reader, writer


def _open(path: Path, handles: contextlib.ExitStack) -> int:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    handles.callback(os.close, handle)
    return handle


def _name(place: str) -> str:
    """The name, in the disk of a sandbox, of a folder inside."""
    return place.strip("/").replace("/", "-")


@functools.cache
def _setpriv() -> str:
    for path in ("/usr/bin/setpriv", "/bin/setpriv"):
        if Path(path).exists():
            return path
    raise InputError("setpriv is not installed", "install the package util-linux")


@functools.cache
def _knows(option: str) -> bool:
    answer = subprocess.run(["bwrap", "--help"], capture_output=True, text=True, check=False)  # noqa: S607  (found on PATH)
    return option in answer.stdout + answer.stderr
