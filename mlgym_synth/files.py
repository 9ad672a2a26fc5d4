"""Durable writes (a reader sees the old file or the new one, never a part, also after SIGKILL), reads, the cache."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import platformdirs

from mlgym_synth.errors import InputError


def write_atomic(path: Path, content: bytes | str, mode: int = 0o644) -> None:
    """Writes a file through a temporary neighbour and a rename, and makes both durable.

    Args:
        path: Where to write; missing parent folders are made.
        content: Bytes, or text to be encoded as UTF-8.
        mode: Permission bits of the new file.

    Raises:
        InputError: If the folder cannot be written, or the disk is full.
    """
    with replacing(path, mode) as stream:
        stream.write(content.encode() if isinstance(content, str) else content)


@contextlib.contextmanager
def replacing(path: Path, mode: int = 0o644) -> Iterator[IO[bytes]]:
    """A stream into a temporary neighbour of `path` that takes its place, durably, once the block has ended well.

    Args:
        path: Where to write; missing parent folders are made.
        mode: Permission bits of the new file.

    Raises:
        InputError: If the folder cannot be written, or the disk is full.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        Path(temporary).unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON with a final newline, atomically."""
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def append_durably(path: Path, line: str) -> None:
    """Appends one line and waits until the disk has it. A line torn by an earlier crash is cut off first.

    Raises:
        InputError: If the file cannot be written, or the disk is full.
    """
    try:
        _append(path, line.encode() + b"\n")
    except OSError as error:
        raise _unwritable(path, error) from error


def _append(path: Path, line: bytes) -> None:
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    with os.fdopen(handle, "r+b") as stream:
        end = stream.seek(0, os.SEEK_END)
        if end:
            stream.seek(end - 1)
            if stream.read(1) != b"\n":
                stream.seek(0)
                end = stream.read().rfind(b"\n") + 1
                stream.truncate(end)
        stream.seek(end)
        stream.write(line)
        stream.flush()
        os.fsync(stream.fileno())


def read_lines(path: Path) -> list[Any]:
    """Reads a JSONL file; a missing one is empty, and a torn last line, which an interrupted append leaves, is ignored.

    Raises:
        InputError: If the file cannot be read.
        ValueError: If one of its lines is not JSON.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "check the path") from error
    return [json.loads(line) for line in content.split(b"\n")[:-1]]


def read_text(path: Path) -> str:
    """Reads a text file.

    Raises:
        InputError: If it cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "check the path") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not UTF-8 at byte {error.start}", "mend the file") from error


CACHE_VARIABLE = "MLGYM_SYNTH_CACHE"


def cache_folder() -> Path:
    """The user's cache: `MLGYM_SYNTH_CACHE` if set, else the platform's place. Holds prepared data and runtimes."""
    named = os.environ.get(CACHE_VARIABLE)
    return Path(named).expanduser() if named else platformdirs.user_cache_path("mlgym-synth")


def sha256(content: bytes) -> str:
    """The SHA-256 of `content` in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


@contextlib.contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Holds a folder for one process; the lock dies with its owner, however that ends.

    Raises:
        InputError: If another process holds the folder, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise _unwritable(folder, error) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"another process is working in {folder}", "wait for it, or choose another folder"
            ) from error
        yield
    finally:
        os.close(handle)


def _unwritable(path: Path, error: OSError) -> InputError:
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    remedy = "make room, or choose another folder" if full else "choose a folder you may write"
    return InputError(f"cannot write {path}: {error.strerror}", remedy)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
