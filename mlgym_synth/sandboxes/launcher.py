"""Starts processes from one thread that lives as long as this process.

The kernel's "die with your parent" watches the thread that started a process. A sandbox that is started by a worker
thread must outlive that thread, and still die with the process.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

_lock = Lock()
_executors: dict[int, ThreadPoolExecutor] = {}


def launch(
    command: Sequence[str], *, stderr: int, environment: Mapping[str, str], pass_fds: Sequence[int]
) -> subprocess.Popen[bytes]:
    """Starts a process with unbuffered pipes for stdin and stdout; arguments as in `subprocess.Popen`."""

    def start() -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            bufsize=0,
            env=dict(environment),
            pass_fds=pass_fds,
            cwd="/",
            process_group=0,  # Ctrl-C in a terminal is for the owner, who ends its sandboxes in good order
        )

    with _lock:
        # A forked child inherits the table and not the thread.
        executor = _executors.setdefault(os.getpid(), ThreadPoolExecutor(1, "sandbox-launcher"))
    return executor.submit(start).result()


def _renew_lock() -> None:
    global _lock  # another thread of the parent may have held it
    _lock = Lock()


os.register_at_fork(after_in_child=_renew_lock)
