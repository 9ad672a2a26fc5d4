"""The index of a suite: plain JSON, so that registration needs neither YAML nor the task model."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from mlgym_synth.errors import InputError

INDEX = "index.json"
_ID = re.compile(r"\w[\w:.-]*")
"""Ids name files, so one that could leave its folder damages the index."""


def read_index(folder: Path) -> dict[str, Any]:
    """Reads `index.json`: name, version, author, and a line of facts for every task id.

    Raises:
        InputError: If the folder is no suite, or its index is damaged.
    """
    path = folder / INDEX
    try:
        index = json.loads(path.read_bytes())
        facts = [index["name"], *(entry["content_hash"] for entry in index["tasks"].values())]
        if not all(isinstance(fact, str) for fact in facts) or not all(map(_ID.fullmatch, index["tasks"])):
            raise TypeError
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"{folder} is not a suite: it has no {INDEX}", "name a folder made by synthesize") from error
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "check the path") from error
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path} is damaged", "restore it, or synthesise the suite again") from error
    return index  # type: ignore[no-any-return]
