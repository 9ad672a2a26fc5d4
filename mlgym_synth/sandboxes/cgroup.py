"""Memory and process limits over a whole sandbox, where this user may make control groups."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mlgym_synth.tasks.recipe import Limits

_ROOT = Path("/sys/fs/cgroup")
_SWAP = ("memory.memsw.limit_in_bytes", "memory.swap.max")
"""Settings that a kernel without swap accounting does not have."""


@dataclass(frozen=True)
class Cgroup:
    """The control groups of one sandbox: one folder under version 2, two under version 1."""

    folders: tuple[Path, ...]

    def enter(self) -> list[str]:
        """A command line that joins the groups and becomes the command that is appended to it."""
        joins = [f'echo 0 > "${index}/cgroup.procs"' for index in range(1, len(self.folders) + 1)]
        script = " && ".join([*joins, f"shift {len(self.folders)}", 'exec "$@"'])
        return ["/bin/sh", "-c", script, "sh", *map(str, self.folders)]

    def remove(self) -> None:
        """Removes the groups, after the last process in them has died."""
        for folder in self.folders:
            remove_group(folder)


def remove_group(folder: Path) -> None:
    """Removes one group, if it is there; waits a moment for the kernel to let go of dead processes."""
    for _ in range(50):
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.01)


def make_cgroup(name: str, limits: Limits, root: Path = _ROOT, membership: str | None = None) -> Cgroup | None:
    """Makes the groups of a sandbox with its limits on memory and processes.

    Args:
        name: Name of the new groups.
        limits: Their limits.
        root: Where the control groups are mounted.
        membership: Content of `/proc/self/cgroup`; read if None.

    Returns:
        The groups, or None where this user may not make them.
    """
    membership = Path("/proc/self/cgroup").read_text() if membership is None else membership
    own = {line.split(":", 2)[1]: line.split(":", 2)[2].lstrip("/") for line in membership.splitlines()}
    memory = str(limits.memory_mb << 20)
    for settings in _layouts(root, own, name, memory, str(limits.processes)):
        cgroup = Cgroup(tuple(settings))
        try:
            for folder, values in settings.items():
                folder.mkdir()
                for key, value in values.items():
                    if key not in _SWAP or (folder / key).exists():
                        (folder / key).write_text(value)
        except OSError:
            cgroup.remove()
            continue
        return cgroup
    return None


def _layouts(
    root: Path, own: dict[str, str], name: str, memory: str, processes: str
) -> Iterator[dict[Path, dict[str, str]]]:
    if "memory" in own and "pids" in own:
        yield {
            root / "memory" / own["memory"] / name: {
                "memory.limit_in_bytes": memory,
                "memory.memsw.limit_in_bytes": memory,
            },
            root / "pids" / own["pids"] / name: {"pids.max": processes},
        }
    if "" in own:
        # A group with processes of its own cannot have limited children, so a neighbour of ours is tried too.
        for parent in (root / own[""], (root / own[""]).parent):
            enabled = ""
            with contextlib.suppress(OSError):
                enabled = (parent / "cgroup.subtree_control").read_text()
            if {"memory", "pids"} <= set(enabled.split()):
                yield {parent / name: {"memory.max": memory, "memory.swap.max": "0", "pids.max": processes}}
