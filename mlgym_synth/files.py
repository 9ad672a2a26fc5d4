"""Durable writes: a reader sees the old file or the new one, never a part, also after SIGKILL."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import platformdirs

from mlgym_synth.errors import InputError


def write_atomic(path: Path, content: bytes | str, mode: int = 0o644) -> None:
    """Writes a file through a temporary neighbour and a rename, and makes both durable.

    Args:
        path: Where to write; missing parent folders are made.
        content: Bytes, or text to be encoded as UTF-8.
        mode: Permission bits of the new file.

    Raises:
        InputError: If the folder cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InputError(f"cannot write {path}: {error.strerror}", "choose a folder you may write") from error
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchmod(stream.fileno(), mode)
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Writes `value` as indented JSON with a final newline, atomically."""
    write_atomic(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def append_durably(path: Path, line: str) -> None:
    """Appends one line and waits until the disk has it. A line torn by an earlier crash is cut off first."""
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
        stream.write(line.encode() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def read_lines(path: Path) -> list[Any]:
    """Reads a JSONL file; a torn last line, which an interrupted append leaves, is ignored."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def cache_folder() -> Path:
    """The user's cache: `MLGYM_SYNTH_CACHE` if set, else the platform's place. Holds prepared data and runtimes."""
    named = os.environ.get("MLGYM_SYNTH_CACHE")
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
        raise InputError(f"cannot write {folder}: {error.strerror}", "choose a folder you may write") from error
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


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
