"""What an isolating sandbox looks like from inside, whatever the provider: places, user, environment."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from mlgym_synth.errors import InputError
from mlgym_synth.sandboxes.protocol import Spec
from mlgym_synth.sandboxes.runtime import MOUNT

HOME = "/home/agent"
TOOLS = "/opt/mlgym-synth/bin"
SOCKET = "/run/mlgym-synth/grader.sock"
SCRIPT_INSIDE = "/opt/mlgym-synth/shell.bash"
OWN_FOLDERS = {HOME: "0777", "/tmp": "1777", "/dev/shm": "1777"}  # noqa: S108  (mount points inside)
"""Folders in memory with their modes, which code inside may write besides the workspace."""
OPEN_FILES = 1024
_FIRST_USER = 2_000_000_000
_USERS = 100_000_000


def choose_account() -> tuple[int, int]:
    """User and group of the code inside: ones that nobody else on the host has if the owner is root, else its own."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    user = _FIRST_USER + secrets.randbelow(_USERS)
    return user, user


def variables(spec: Spec) -> dict[str, str]:
    """The environment of every command, without the spec's own variables."""
    found = {
        "PATH": f"{TOOLS}:{MOUNT}/bin:/usr/bin:/bin",
        "HOME": HOME,
        "USER": "agent",
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    if spec.socket is not None:
        found["MLGYM_GRADER"] = SOCKET
    return found


def write_accounts(folder: Path, user: int, group: int) -> None:
    """Writes `passwd` and `group`, in which the inside user is called agent, and is alone."""
    (folder / "passwd").write_text(f"agent:x:{user}:{group}:agent:{HOME}:/bin/bash\n")
    (folder / "group").write_text(f"agent:x:{group}:\n")


def open_to_others(spec: Spec, user: int) -> None:
    """Sees to it that a user unknown to the host can read the spec's data, and connect to its grader.

    Raises:
        InputError: If a read-only item is closed to others.
    """
    for name, source in spec.read_only.items():
        for path in (source, *source.rglob("*")):
            needed = 0o005 if path.is_dir() else 0o004
            if path.stat().st_mode & needed != needed:
                raise InputError(f"read-only item {name!r}: {path} is closed to others", "chmod o+rX it")
    if spec.socket is not None:
        # Connecting needs write permission; no other user of the host gets it.
        os.chown(spec.socket, user, -1)
