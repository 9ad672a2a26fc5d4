"""Memory, process and processor limits over a whole sandbox, where this user may make control groups."""

from __future__ import annotations

import contextlib
import functools
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mlgym_synth.sandboxes.launcher import Launcher
from mlgym_synth.tasks.recipe import Limits

_ROOT = Path("/sys/fs/cgroup")
_SWAP = ("memory.memsw.limit_in_bytes", "memory.swap.max")
"""Settings that a kernel without swap accounting does not have."""
_PERIOD = 100_000
"""Microseconds in which a sandbox may use its share of the processors: the kernel's own choice."""


@dataclass(frozen=True)
class Cgroup:
    """The control groups of one sandbox: one folder under version 2, one for each controller under version 1."""

    folders: tuple[Path, ...]
    limits_cpus: bool
    """False where this user may limit memory and processes only."""

    def adopt(self, launcher: Launcher) -> bool:
        """Moves a launcher's thread into the groups: what it starts is born in them, and need not be moved.

        Moving a process stops the start of all others on the machine until the kernel has seen each processor idle
        or switching: some ten milliseconds where there is little to do.

        Returns:
            False under version 2, where a thread cannot leave its process.
        """
        if not (self.folders[0] / "tasks").exists():
            return False
        for folder in self.folders:
            # Opened here: the thread may have mounts of its own, without control groups.
            with (folder / "tasks").open("wb", buffering=0) as threads:
                launcher.call(functools.partial(threads.write, b"0"))
        return True

    def join(self, pid: int) -> None:
        """Moves a process into the groups; what it starts from now on is in them too.

        Raises:
            OSError: If it has ended.
        """
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(pid))

    def remove(self) -> None:
        """Removes the groups, after the last process in them has died."""
        for folder in self.folders:
            remove_group(folder)


def remove_group(folder: Path) -> None:
    """Removes one group, if it is there; waits a moment for the kernel to let go of dead processes."""
    for attempt in range(11):
        try:
            folder.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            time.sleep(0.0005 * 2**attempt)


def make_cgroup(
    name: str,
    limits: Limits,
    announce: Callable[[tuple[Path, ...]], None],
    root: Path = _ROOT,
    membership: str | None = None,
) -> Cgroup | None:
    """Makes the groups of a sandbox with its limits on memory, processes and processors.

    Args:
        name: Name of the new groups.
        limits: Their limits.
        announce: Is told the groups before they are made, so that they can be removed even if this process is killed.
        root: Where the control groups are mounted.
        membership: Content of `/proc/self/cgroup`; read if None.

    Returns:
        The groups, or None where this user may not make them.
    """
    membership = Path("/proc/self/cgroup").read_text() if membership is None else membership
    own = {}
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        own.update(dict.fromkeys(controllers.split(","), path.lstrip("/")))
    for settings, limits_cpus in _layouts(root, own, name, limits):
        cgroup = Cgroup(tuple(settings), limits_cpus)
        announce(cgroup.folders)
        try:
            for folder in settings:
                folder.mkdir()
            for folder, values in settings.items():
                for key, value in values.items():
                    if key not in _SWAP or (folder / key).exists():
                        (folder / key).write_text(value)
        except OSError:
            cgroup.remove()
            continue
        return cgroup
    return None


def _layouts(
    root: Path, own: dict[str, str], name: str, limits: Limits
) -> Iterator[tuple[dict[Path, dict[str, str]], bool]]:
    """Yields what may work here, best first: settings by group, and whether processors are among them."""
    memory, processes, quota = str(limits.memory_mb << 20), str(limits.processes), str(int(limits.cpus * _PERIOD))
    if "memory" in own and "pids" in own:
        settings = {
            root / "memory" / own["memory"] / name: {
                "memory.limit_in_bytes": memory,
                "memory.memsw.limit_in_bytes": memory,
            },
            root / "pids" / own["pids"] / name: {"pids.max": processes},
        }
        if "cpu" in own:
            yield {**settings, root / "cpu" / own["cpu"] / name: {"cpu.cfs_quota_us": quota}}, True
        yield settings, False
    if "" in own:
        # A group with processes of its own cannot have limited children, so a neighbour of ours is tried too.
        for parent in (root / own[""], (root / own[""]).parent):
            enabled: set[str] = set()
            with contextlib.suppress(OSError):
                enabled = set((parent / "cgroup.subtree_control").read_text().split())
            # Processes are moved from our group to the new one by the right to write to what is above both.
            if {"memory", "pids"} <= enabled and os.access(parent / "cgroup.procs", os.W_OK):
                values = {"memory.max": memory, "memory.swap.max": "0", "pids.max": processes}
                if "cpu" in enabled:
                    values["cpu.max"] = f"{quota} {_PERIOD}"
                yield {parent / name: values}, "cpu" in enabled
