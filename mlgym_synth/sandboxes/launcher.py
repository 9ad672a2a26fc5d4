"""Starts the processes of one sandbox from one thread that lives as long as the sandbox.

The kernel's "die with your parent" watches the thread that started a process. A sandbox that is started by a worker
thread must outlive that thread, and still die with the process. What the kernel keeps for each thread, such as the
namespace of mounts, can be the sandbox's own in it.
"""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Answer = TypeVar("Answer")


class Launcher:
    """The thread."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "sandbox-launcher")

    def call(self, function: Callable[[], Answer]) -> Answer:
        """Calls a function in the thread."""
        return self._thread.submit(function).result()

    def launch(
        self,
        program: str,
        command: Sequence[str],
        *,
        stderr: int,
        environment: Mapping[str, str],
        pass_fds: Sequence[int],
    ) -> subprocess.Popen[bytes]:
        """Starts a process with unbuffered pipes for stdin and stdout.

        Args:
            program: Path of what is run.
            command: What it is told that its name is, and its arguments.
            stderr: As in `subprocess.Popen`.
            environment: All its variables.
            pass_fds: As in `subprocess.Popen`.
        """

        def start() -> subprocess.Popen[bytes]:
            return subprocess.Popen(
                command,
                executable=program,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                bufsize=0,
                env=environment,
                pass_fds=pass_fds,
                cwd="/",
                process_group=0,  # Ctrl-C in a terminal is for the owner, who ends its sandboxes in good order
            )

        return self.call(start)

    def close(self) -> None:
        """Ends the thread, and with it every process that was to die with its parent. Idempotent."""
        self._thread.shutdown()


def make_room(descriptor: int) -> None:
    """Raises this process's soft limit on open files to the hard one, if a new descriptor comes near it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard and descriptor > soft // 2:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
