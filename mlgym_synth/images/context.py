"""The context of a build: a tar of exactly the files that its Dockerfile copies."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO


def pack(files: Mapping[str, bytes | Path], stream: IO[bytes]) -> None:
    """Writes a tar in which only names and contents count, so that equal files are found in an engine's build cache.

    Args:
        files: Contents, or files that hold them, by path in the tar. Scripts become executable.
        stream: Where to write; is left at its end.

    Raises:
        OSError: If a file cannot be read.
    """
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in sorted(files.items()):
            with io.BytesIO(content) if isinstance(content, bytes) else content.open("rb") as source:
                entry = tarfile.TarInfo(name)
                entry.mode = 0o755 if source.read(2) == b"#!" and not name.endswith(".py") else 0o644
                entry.size = source.seek(0, io.SEEK_END)
                source.seek(0)
                tar.addfile(entry, source)
