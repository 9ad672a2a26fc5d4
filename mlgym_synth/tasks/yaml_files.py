"""Reads YAML that others may have written: whatever is wrong with a file is one line that names it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from mlgym_synth.errors import InputError
from mlgym_synth.files import read_text

DEEPEST = 50
"""Lists and mappings in each other; tasks and recipes have fewer than ten."""


def parse_yaml(text: str, origin: str) -> Any:
    """Parses YAML text.

    Args:
        text: What to parse.
        origin: What messages call it.

    Raises:
        InputError: If the text is not YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506  (a SafeLoader)
    except (yaml.YAMLError, ValueError) as error:  # ValueError: a date in a thirteenth month
        raise InputError(f"{origin} is not YAML: {error}", "mend the file") from error


def read_yaml(path: Path) -> Any:
    """Parses a YAML file.

    Raises:
        InputError: If it cannot be read, or is not YAML in UTF-8.
    """
    return parse_yaml(read_text(path), str(path))


def misfit(error: ValidationError, origin: str, remedy: str) -> InputError:
    """The error for a document that does not fit its model: it names the first key that is wrong."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "the file"
    return InputError(f"{origin}: {where}: {first['msg']}", remedy)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """libyaml's safe loader where it is compiled in: ten times as fast, but on deep nesting its stack overflows."""

    _depth = 0

    def descend_resolver(self, current_node: Any, current_index: Any) -> None:
        """Enters a node; refuses to go deeper than `DEEPEST`."""
        self._depth += 1
        if self._depth > DEEPEST:
            raise yaml.YAMLError(f"nested more than {DEEPEST} deep")
        super().descend_resolver(current_node, current_index)

    def ascend_resolver(self) -> None:
        """Leaves a node."""
        self._depth -= 1
        super().ascend_resolver()
