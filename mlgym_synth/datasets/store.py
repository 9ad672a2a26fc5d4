"""Prepared data in the user's cache, by the hash of what it is made from; labels apart and for their owner alone."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mlgym_synth.errors import InputError
from mlgym_synth.files import cache_folder, sha256

PLACES = {"train.csv": "public", "test.csv": "public", "labels.csv": "hidden"}


def find(key: str, hashes: dict[str, str]) -> Path | None:
    """The folder of prepared data, if it is there and undamaged.

    Args:
        key: Hash of what the data is made from.
        hashes: SHA-256 of every file, by name.
    """
    folder = _root() / key
    return folder if _hashes(folder) == hashes else None


def put(key: str, contents: dict[str, bytes]) -> Path:
    """Stores files in one step; a damaged folder of the same key is replaced.

    Args:
        key: Hash of what the data is made from.
        contents: The files of PLACES, by name.

    Returns:
        The folder, with `public/` (world-readable) and `hidden/` (its owner's alone).

    Raises:
        InputError: If the cache cannot be written.
    """
    folder = _root() / key
    hashes = {name: sha256(content) for name, content in contents.items()}
    try:
        _root().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_root(), prefix=".making-") as making:
            new = _write(Path(making) / "new", contents)
            while _hashes(folder) != hashes:
                _replace(folder, new, aside=Path(tempfile.mkdtemp(dir=making)))
    except OSError as error:
        raise InputError(
            f"cannot write the cache {_root()}: {error.strerror}", "set MLGYM_SYNTH_CACHE to a folder you may write"
        ) from error
    return folder


def _root() -> Path:
    return cache_folder() / "prepared"


def _hashes(folder: Path) -> dict[str, str]:
    found = {}
    for name, place in PLACES.items():
        path = folder / place / name
        if path.is_file():
            found[name] = sha256(path.read_bytes())
    return found


def _write(folder: Path, contents: dict[str, bytes]) -> Path:
    for place, mode in (("public", 0o755), ("hidden", 0o700)):
        (folder / place).mkdir(parents=True)
        (folder / place).chmod(mode)
    folder.chmod(0o755)
    for name, content in contents.items():
        hidden = PLACES[name] == "hidden"
        handle = os.open(folder / PLACES[name] / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
            os.fchmod(handle, 0o600 if hidden else 0o644)
    return folder


def _replace(folder: Path, new: Path, aside: Path) -> None:
    """Renames `new` to `folder`, after what is damaged was moved aside; another process may do the same meanwhile."""
    if folder.exists():
        try:
            folder.rename(aside / "damaged")
        except FileNotFoundError:
            return
    try:
        new.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
