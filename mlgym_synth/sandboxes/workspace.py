"""Files of a workspace, seen from the host while hostile code may be changing them: no link is ever followed."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mlgym_synth.errors import SandboxError

_DEEPEST = 64
_NO_FILE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.EACCES, errno.ENXIO, errno.ENAMETOOLONG, errno.ENODEV}
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def relative_parts(path: str, workspace: str) -> tuple[str, ...]:
    """Splits a path that is relative to the workspace, or absolute and inside it.

    Raises:
        ValueError: If it is empty, or leads out of the workspace.
    """
    pure = PurePosixPath(path)
    if pure.is_absolute() and pure.is_relative_to(workspace):
        pure = pure.relative_to(workspace)
    if pure.is_absolute() or ".." in pure.parts or not pure.parts or "\0" in path:
        raise ValueError(f"{path!r} is no path in the workspace")
    return pure.parts


def read_file(root: Path, parts: tuple[str, ...], limit: int) -> bytes:
    """Reads a regular file under `root`.

    Raises:
        FileNotFoundError: If there is no regular file of that name, or a link is on the way.
        ValueError: If it is larger than `limit` bytes.
        SandboxError: If the host cannot open it, which is no matter of the file's.
    """
    name = "/".join(parts)
    try:
        with _parent(root, parts) as (folder, last):
            # A pipe would block the open, so it is opened without waiting and then refused.
            handle = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno in _NO_FILE:
            raise FileNotFoundError(f"no regular file {name!r} in the workspace") from error
        raise SandboxError(f"cannot open {name!r} in the workspace: {error.strerror}", "raise ulimit -n") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise FileNotFoundError(f"no regular file {name!r} in the workspace")
    with os.fdopen(handle, "rb") as stream:
        content = stream.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"{name!r} is larger than {limit} bytes")
    return content


def write_file(root: Path, parts: tuple[str, ...], content: bytes, owner: int, mode: int = 0o644) -> None:
    """Writes a file under `root` through a temporary neighbour; missing folders are made, links are replaced.

    Raises:
        OSError: If a link or a file is where a folder has to be.
    """
    with _parent(root, parts, owner) as (folder, last):
        temporary = f".{secrets.token_hex(8)}"
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=folder)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            os.fchown(handle, owner, owner if os.geteuid() == 0 else -1)
            os.fchmod(handle, mode)
        try:
            os.rename(temporary, last, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            os.unlink(temporary, dir_fd=folder)
            raise


def list_tree(root: Path) -> Iterator[tuple[tuple[str, ...], os.stat_result]]:
    """Names everything under `root`, folders before what they hold; unreadable folders are named and not entered."""
    waiting: list[tuple[str, ...]] = [()]
    while waiting:
        parts = waiting.pop()
        with contextlib.suppress(OSError), _open_folder(root, parts) as folder, os.scandir(folder) as entries:
            for entry in entries:
                status = entry.stat(follow_symlinks=False)
                yield (*parts, entry.name), status
                if stat.S_ISDIR(status.st_mode):
                    waiting.append((*parts, entry.name))


def copy_tree(source: Path, target: Path, limit: int, owner: int, leave_out: frozenset[str] = frozenset()) -> None:
    """Copies folders, regular files and links (as links); sockets, pipes and devices are left out.

    Args:
        source: Folder to copy from; hostile code may be at work in it.
        target: Existing folder to copy to; nobody else may be at work in it.
        limit: Bytes that may be copied in all.
        owner: Who is to own the copies.
        leave_out: Names directly under `source` that are not copied.

    Raises:
        ValueError: If there is more than `limit`, or folders lie too deep in each other.
        OSError: If what is copied changes in a way that leaves no copy of any one moment.
    """
    left = limit
    for parts, status in list_tree(source):
        if parts[0] in leave_out:
            continue
        if len(parts) > _DEEPEST:
            raise ValueError(f"the workspace has folders more than {_DEEPEST} deep")
        place = target.joinpath(*parts)
        if stat.S_ISDIR(status.st_mode):
            place.mkdir()
        elif stat.S_ISLNK(status.st_mode):
            with _parent(source, parts) as (folder, last):
                place.symlink_to(os.readlink(last, dir_fd=folder))
        elif stat.S_ISREG(status.st_mode):
            content = read_file(source, parts, left)
            left -= len(content)
            # Made new, never through a link: a folder that changes can name one entry twice, first as a link.
            with place.open("xb") as stream:
                stream.write(content)
                os.fchmod(stream.fileno(), status.st_mode & 0o777 | 0o600)
        else:
            continue
        if os.geteuid() == 0:
            os.chown(place, owner, owner, follow_symlinks=False)


@contextlib.contextmanager
def _open_folder(root: Path, parts: tuple[str, ...], make_for: int | None = None) -> Iterator[int]:
    folder = os.open(root, _FOLDER & ~os.O_NOFOLLOW)  # the host's own, and maybe named by a descriptor
    try:
        for part in parts:
            if make_for is not None:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o755, dir_fd=folder)
                    if os.geteuid() == 0:
                        os.chown(part, make_for, make_for, dir_fd=folder, follow_symlinks=False)
            inner = os.open(part, _FOLDER, dir_fd=folder)
            os.close(folder)
            folder = inner
        yield folder
    finally:
        os.close(folder)


@contextlib.contextmanager
def _parent(root: Path, parts: tuple[str, ...], make_for: int | None = None) -> Iterator[tuple[int, str]]:
    with _open_folder(root, parts[:-1], make_for) as folder:
        yield folder, parts[-1]
