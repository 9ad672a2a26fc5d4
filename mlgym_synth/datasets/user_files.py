"""Users' own files. Their bytes are kept in the cache by hash, so that a moved original does not matter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mlgym_synth.datasets.canonical import Table
from mlgym_synth.datasets.table import read_bytes, read_frame
from mlgym_synth.errors import DataError, InputError
from mlgym_synth.files import cache_folder, sha256, write_atomic


def pin_file(options: dict[str, Any]) -> dict[str, Any]:
    """Keeps a copy of the user's file and adds the `sha256` that finds it again.

    Args:
        options: `path` of the file.

    Returns:
        The options with an absolute `path` and the `sha256` of the file.

    Raises:
        InputError: If the file cannot be read.
    """
    if not isinstance(options.get("path"), str):
        raise InputError("a file source needs the option path", "name a CSV or Parquet file")
    path = Path(options["path"]).expanduser().absolute()
    content = read_bytes(path)
    write_atomic(_kept(sha256(content)), content, mode=0o600)
    return {"path": str(path), "sha256": sha256(content)}


def load_file(name: str, options: dict[str, Any]) -> Table:
    """Loads a user's file, from the kept copy if its original is gone.

    Args:
        name: How the table is called.
        options: `path`, or the `path` and `sha256` of a file that was loaded before.

    Raises:
        InputError: If the file is no table.
        DataError: If neither the kept copy nor the original has the bytes wanted.
    """
    wanted = options.get("sha256")
    if wanted is None:
        options = pin_file(options)
        wanted = options["sha256"]
    path = Path(options.get("path", name))
    for place in (_kept(wanted), path):
        if place.is_file() and sha256(read_bytes(place)) == wanted:
            return Table(read_frame(read_bytes(place), name), "unknown", f"A table from the user's file {name}.")
    found = f"its sha256 is {sha256(read_bytes(path))}" if path.is_file() else "it is not there"
    raise DataError(
        f"file/{name}: {path} should have the sha256 {wanted}, but {found}",
        "restore the file that the task was made from",
    )


def _kept(digest: str) -> Path:
    return cache_folder() / "files" / digest
