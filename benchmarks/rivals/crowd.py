"""Many at a time in one fresh process: `python -m rivals.crowd together|alive MODULE:CLASS SETTINGS COUNT SECONDS`."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path
from typing import Any

from rivals.serve import load, own_pipes, reason
from rivals.subject import Settings

_MEGABYTE = 1 << 20


def together(target: str, settings: Settings, count: int, seconds: float) -> dict[str, Any]:
    """Actions a second over all."""
    kind = load(target)
    vector = _vector(kind, settings, count)
    if vector:
        done, taken, how = vector.step_for(seconds)
        vector.close()
    else:
        done, taken, how = kind.together(settings, count, seconds)
    return {"actions_per_second": done / taken, "how": how}


def alive(target: str, settings: Settings, count: int, seconds: float) -> dict[str, Any]:
    """What so many cost that live at the same time and have each answered; `seconds` does not matter."""
    kind = load(target)
    known = {device for device, _ in _mounts(os.getpid())}
    before, began = _machine_memory(), time.perf_counter()
    vector = _vector(kind, settings, count)
    crowd = [vector] if vector else kind.crowd(settings, count)
    started = time.perf_counter() - began
    after = _machine_memory()
    children = _descendants(os.getpid())
    own, inside, tmpfs = _resident(), sum(map(_proportional, children)), _tmpfs(children, known)
    result = {
        "how": "make_vec" if vector else "one after the other",
        "start_seconds": started,
        "process_mb": own / _MEGABYTE,
        "children_mb": inside / _MEGABYTE,
        "tmpfs_mb": tmpfs / _MEGABYTE,
        "total_mb": (own + inside + tmpfs) / _MEGABYTE,
        "machine_mb": (before - after) / _MEGABYTE,
        "processes": len(children),
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
    }
    began = time.perf_counter()
    for member in crowd:
        member.close()
    return {**result, "close_seconds": time.perf_counter() - began}


def _vector(kind: Any, settings: Settings, count: int) -> Any:
    """Our environments step together through a vector environment of their own, if there is one."""
    if kind.__module__ != "rivals.ours" or kind.__name__ != "Environment":
        return None
    ours = sys.modules[kind.__module__]
    return ours.VectorEnvironment(settings, count) if ours.can_step_together(settings) else None


def _machine_memory() -> int:
    """Bytes that the machine has left: shows the kernel's share too, and all that others do."""
    fields = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return int(fields["MemAvailable"].split()[0]) << 10


def _resident() -> int:
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) << 10


def _descendants(root: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                stat = (folder / "stat").read_text()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(folder.name))
    found = [*parents.get(root, [])]
    for process in found:
        found += parents.get(process, [])
    return found


def _proportional(process: int) -> int:
    """A process's memory in bytes, each shared page by its share."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) << 10
    return 0


def _tmpfs(processes: list[int], known: set[str]) -> int:
    """Bytes in all memory file systems that processes see and whose devices are not `known`."""
    used: dict[str, int] = {}
    for process in processes:
        for device, place in _mounts(process):
            if device not in used and device not in known:
                status = os.statvfs(f"/proc/{process}/root{place}")
                used[device] = (status.f_blocks - status.f_bfree) * status.f_frsize
    return sum(used.values())


def _mounts(process: int) -> list[tuple[str, str]]:
    lines = [line.split() for line in Path(f"/proc/{process}/mountinfo").read_text().splitlines()]
    return [(words[2], words[4]) for words in lines if words[words.index("-") + 1] == "tmpfs"]


def main() -> None:
    """Prints one JSON object."""
    _, answers = own_pipes()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    _, operation, target, settings, count, seconds = sys.argv
    measure = {"together": together, "alive": alive}[operation]
    try:
        answer = measure(target, json.loads(settings), int(count), float(seconds))
    except Exception as error:  # noqa: BLE001  (whatever a rival raises is why it is not here)
        answer = {"missing": reason(error)}
    print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
