"""What the tests of the command line share."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

Cli = Callable[..., subprocess.CompletedProcess[str]]


def assert_bad_input(result: subprocess.CompletedProcess[str], message: str) -> None:
    """Exit code 2 and one line for people, without a traceback."""
    assert result.returncode == 2, (result.stdout, result.stderr)
    assert message in result.stderr, result.stderr
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1, result.stderr
