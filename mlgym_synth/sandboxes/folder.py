"""What providers share whose workspace is a folder of the host: everything but how a program is started."""

from __future__ import annotations

import errno
import os
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Self

from mlgym_synth.errors import InputError, SandboxError
from mlgym_synth.sandboxes.mounts import mount_bounded
from mlgym_synth.sandboxes.program import Program, run_program
from mlgym_synth.sandboxes.protocol import WORKSPACE, Result, Spec
from mlgym_synth.sandboxes.scratch import Scratch, empty_folder, make_scratch
from mlgym_synth.sandboxes.session import ShellSession
from mlgym_synth.sandboxes.workspace import copy_tree, read_file, relative_parts, write_file


class ProgramPipe:
    """A program that is talked to over its stdin and stdout."""

    def __init__(self, program: Program) -> None:
        assert program.process.stdin is not None
        assert program.process.stdout is not None
        self._program = program
        self.stdin: IO[bytes] = program.process.stdin
        self.stdout: IO[bytes] = program.process.stdout

    def close(self) -> None:
        """Kills the program and all it started. Idempotent."""
        self._program.kill()
        for pipe in (self.stdin, self.stdout):
            try:
                pipe.close()
            except BrokenPipeError:
                continue


class FolderSandbox(ABC):
    """A sandbox over a folder of the host. See `protocol.Sandbox`."""

    provider: str
    isolates: bool
    workspace: str
    script: str
    """Where code inside sees `shell.bash`."""

    def __init__(self, spec: Spec) -> None:
        try:
            for name in (*spec.files, *spec.read_only):
                relative_parts(name, WORKSPACE)
        except ValueError as error:
            raise InputError(str(error), "name files relative to the workspace") from error
        for name, source in spec.read_only.items():
            if len(Path(name).parts) != 1:
                # A mount point below a folder that code inside can move would be followed out of the workspace.
                raise InputError(f"read-only item {name!r} lies in a folder", "show it directly in the workspace")
            if not source.exists():
                raise InputError(f"read-only item {name!r}: there is no {source}", "prepare the data first")
        self.spec = spec
        self._owner = os.geteuid()
        self._scratch: Scratch | None = None
        self._programs: list[Program] = []
        self._sessions: list[ShellSession] = []
        self._snapshots = 0
        self._disk_bounded = False
        """True in a started sandbox whose workspace cannot grow beyond the limit on disk, in however many files."""

    @property
    def _folder(self) -> Path:
        if self._scratch is None:
            raise SandboxError("the sandbox is not running", "call start first")
        return self._scratch.path

    @property
    def _files(self) -> Path:
        return self._folder / "workspace"

    def start(self) -> None:
        """Makes the sandbox ready. Idempotent."""
        if self._scratch is not None:
            return
        self._scratch = make_scratch()
        try:
            self._disk_bounded = self._make_workspace()
            self._fill(None)
            self._prepare()
        except BaseException:
            self.stop()
            raise

    def _make_workspace(self) -> bool:
        """Makes the workspace's folder. Returns False if its size cannot be bounded here."""
        self._files.mkdir(mode=0o755)
        return mount_bounded(self._files, self._disk_bytes, self._owner)

    @abstractmethod
    def _prepare(self) -> None:
        """Makes what the provider needs besides the workspace, which is filled; before the first program."""

    @abstractmethod
    def _release(self) -> None:
        """Undoes `_prepare`, after the last program."""

    @abstractmethod
    def _start(self, command: list[str], environment: Mapping[str, str], stderr: int) -> Program:
        """Starts a program in the workspace with stdin and stdout as pipes."""

    def _launch(
        self, command: list[str], *, environment: dict[str, str] | None = None, stderr: int = subprocess.PIPE
    ) -> Program:
        self._programs = [program for program in self._programs if program.process.returncode is None]
        self._files.chmod(0o755)  # code inside owns it, and may have closed it to the next program
        program = self._start(command, {**self.spec.environment, **(environment or {})}, stderr)
        self._programs.append(program)
        return program

    def open_session(self) -> ShellSession:
        """Opens a shell in the workspace."""
        session = ShellSession(self._launch, self.workspace, self.script, self.spec.limits)
        self._sessions.append(session)
        return session

    def exec(
        self,
        command: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Result:
        """Runs one program to its end in the workspace, apart from any session."""
        limits = self.spec.limits
        program = self._launch(list(command), environment=dict(environment or {}), stderr=subprocess.STDOUT)
        seconds = limits.action_seconds if timeout is None else timeout
        return run_program(program, stdin, seconds, limits.output_kb << 10)

    def spawn(self, command: Sequence[str]) -> ProgramPipe:
        """Starts a program whose stdin and stdout stay connected; its stderr is discarded."""
        return ProgramPipe(self._launch(list(command), stderr=subprocess.DEVNULL))

    def read(self, path: str, limit: int = 16 << 20) -> bytes:
        """Reads a regular file of the workspace without following links. See `protocol.Sandbox.read`."""
        parts = relative_parts(path, self.workspace)
        if parts[0] in self.spec.read_only:
            source = self.spec.read_only[parts[0]].resolve()
            return read_file(source, parts[1:], limit) if parts[1:] else read_file(source.parent, (source.name,), limit)
        if not self._files.is_dir():
            raise SandboxError(f"the sandbox's folder {self._files} has gone", "leave the temporary folder alone")
        return read_file(self._files, parts, limit)

    def write(self, path: str, content: bytes) -> None:
        """Writes a file of the workspace, owned by the inside user, without following links."""
        parts = relative_parts(path, self.workspace)
        if parts[0] in self.spec.read_only:
            raise ValueError(f"{path!r} is read-only")
        write_file(self._files, parts, content, self._owner)

    def snapshot(self) -> Path:
        """Copies the workspace, without its read-only items, to a folder that lives as long as the sandbox."""
        self._snapshots += 1
        target = self._folder / f"snapshot-{self._snapshots}"
        target.mkdir(mode=0o700)
        try:
            copy_tree(self._files, target, self._disk_bytes, self._owner, frozenset(self.spec.read_only))
        except OSError as error:
            raise SandboxError("the workspace changes while it is copied", "end what runs in it first") from error
        return target

    def reset(self, snapshot: Path | None = None) -> None:
        """Ends every process inside and puts the workspace back to the spec, or to a snapshot.

        The folder stays the same one, and so do its mount points: a running container has them bound.

        Raises:
            SandboxError: If something inside could not be removed.
        """
        self._kill_all()
        self._clear()
        self._fill(snapshot)

    def _clear(self) -> None:
        """Removes what code inside has written, wherever it outlives the processes."""
        empty_folder(self._files, self._mount_points)

    @property
    def _memory_mb(self) -> int:
        """Memory of all programs together: files in a bounded workspace lie in memory too."""
        limits = self.spec.limits
        return limits.memory_mb + (limits.disk_mb if self._disk_bounded else 0)

    @property
    def _disk_bytes(self) -> int:
        return self.spec.limits.disk_mb << 20

    @property
    def _mount_points(self) -> frozenset[str]:
        """Names directly in the workspace that code inside can neither move nor remove."""
        return frozenset(self.spec.read_only)

    def _fill(self, snapshot: Path | None) -> None:
        """Fills a workspace that is empty but for mount points."""
        if os.geteuid() == 0:
            os.chown(self._files, self._owner, self._owner)
        try:
            if snapshot is None:
                for name, content in self.spec.files.items():
                    write_file(self._files, relative_parts(name, WORKSPACE), content, self._owner)
            else:
                copy_tree(snapshot, self._files, self._disk_bytes, self._owner)
            self._show_read_only()
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            size = self.spec.limits.disk_mb
            raise InputError(f"the files of the workspace do not fit its {size} MB", "raise limits.disk_mb") from error

    def _show_read_only(self) -> None:
        """Makes the read-only items of the spec appear in a filled workspace: here, their mount points.

        Code inside cannot move them: they are busy wherever it could name them.
        """
        for name, source in self.spec.read_only.items():
            place = self._files / name
            if source.is_dir():
                place.mkdir(exist_ok=True)
            else:
                place.touch()

    def _kill_all(self) -> None:
        for session in self._sessions:
            session.close()
        for program in self._programs:
            program.kill()
        self._sessions.clear()
        self._programs.clear()

    def stop(self) -> None:
        """Ends everything and leaves nothing behind. Idempotent."""
        if self._scratch is None:
            return
        self._kill_all()
        self._release()
        self._scratch.remove()
        self._scratch = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()
