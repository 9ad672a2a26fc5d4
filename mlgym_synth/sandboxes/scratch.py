"""Folders of sandboxes on the host, locked by their owners; what a killed owner left is removed at the next start."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from mlgym_synth.errors import SandboxError
from mlgym_synth.sandboxes.cgroup import remove_group
from mlgym_synth.sandboxes.mounts import unmount

_GROUPS = "groups"
_LOCK = "lock"
_OWNERS_ATTRIBUTES = ("user.", "system.posix_acl_")
"""What an owner may set: words left for later, and access lists, which the next files would inherit."""

_own: set[Path] = set()
"""Folders of this process: with many of them, trying their locks at every start would take its time."""


@dataclass(frozen=True)
class Scratch:
    """A folder that belongs to one sandbox for as long as this process lives."""

    path: Path
    lock: int
    """Descriptor of the locked file; the kernel unlocks it when the owner dies, however that happens."""

    def record(self, groups: tuple[Path, ...]) -> None:
        """Notes control groups, so that they are removed even if the owner is killed."""
        (self.path / _GROUPS).write_text("".join(f"{group}\n" for group in groups))

    def remove(self) -> None:
        """Removes the folder and all it holds."""
        _remove(self.path, self.lock)
        _own.discard(self.path)


def make_scratch() -> Scratch:
    """Makes a folder, and removes those whose owner is dead.

    Raises:
        SandboxError: If the temporary folder cannot be used.
    """
    base = Path(tempfile.gettempdir()) / f"mlgym-synth-{os.geteuid()}"
    try:
        base.mkdir(mode=0o700, exist_ok=True)
        if base.is_symlink() or base.stat().st_uid != os.geteuid():
            raise SandboxError(f"{base} belongs to another user", "set TMPDIR to a folder of yours")
        with _held(base):
            _reap(base)
            path = Path(tempfile.mkdtemp(dir=base))
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_EX)
            _own.add(path)
            return Scratch(path, lock)
    except OSError as error:
        raise SandboxError(f"cannot use {base}: {error.strerror}", "set TMPDIR to a folder of yours") from error


def remove_tree(path: Path) -> None:
    """Removes a folder that hostile code has filled: of any depth, with folders that nobody may enter."""
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return
    except (OSError, RecursionError):
        subprocess.run(["/bin/chmod", "-R", "u+rwX", str(path)], stderr=subprocess.DEVNULL, check=False)
        subprocess.run(["/bin/rm", "-rf", "--one-file-system", str(path)], check=False)


def empty_folder(path: Path, keep: frozenset[str] = frozenset(), mode: int = 0o755) -> None:
    """Empties a folder that hostile code owned and filled, and takes back what it did to the folder itself.

    Args:
        path: The folder; it stays the same one.
        keep: Names directly in it that stay.
        mode: What its mode is to be.

    Raises:
        SandboxError: If something cannot be removed.
    """
    path.chmod(mode)
    for attribute in os.listxattr(path):
        if attribute.startswith(_OWNERS_ATTRIBUTES):
            os.removexattr(path, attribute)
    with os.scandir(path) as entries:
        found = [entry for entry in entries if entry.name not in keep]
    for entry in found:
        if entry.is_dir(follow_symlinks=False):
            remove_tree(path / entry.name)
        else:
            (path / entry.name).unlink()
    left = set(os.listdir(path)) - keep  # noqa: PTH208  (names, not paths)
    if left:
        raise SandboxError(f"{path} cannot be emptied of {sorted(left)[:3]}", "stop the sandbox, and start another")


def _reap(base: Path) -> None:
    for path in set(base.iterdir()) - _own:
        try:
            lock = os.open(path / _LOCK, os.O_RDWR | os.O_CLOEXEC)
        except NotADirectoryError:
            continue
        except FileNotFoundError:
            # The last moment of a removal, going on or cut off: no folder is without a lock before.
            _empty(path)
            with contextlib.suppress(OSError):
                path.rmdir()
            continue
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            continue
        _kill_unborn(path)
        with contextlib.suppress(FileNotFoundError):  # where no groups were made
            for line in (path / _GROUPS).read_text().splitlines():
                remove_group(Path(line))
        _remove(path, lock)


def _kill_unborn(path: Path) -> None:
    """Kills what waits for ever: a bwrap whose owner was killed before it had asked to die with it.

    It is called by the name of its sandbox's folder, and has not begun to run in it.
    """
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.name() == "bwrap" and process.cmdline()[:1] == [path.name]:
                process.kill()


def _remove(path: Path, lock: int) -> None:
    """Removes a folder whose lock is held; the lock goes last, so that a removal that is cut off can be finished."""
    _empty(path)
    with contextlib.suppress(FileNotFoundError):  # somebody else took it away
        (path / _LOCK).unlink()
        path.rmdir()
    os.close(lock)


def _empty(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        for part in path.iterdir():
            if part.is_dir() and not part.is_symlink():
                unmount(part)
                remove_tree(part)
            elif part.name != _LOCK:
                part.unlink()


@contextlib.contextmanager
def _held(base: Path) -> Iterator[None]:
    handle = os.open(base / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
