"""What a sandbox is: the contract that every provider keeps, and the values that cross it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Protocol

from mlgym_synth.tasks.recipe import Limits

WORKSPACE = "/home/agent/workspace"
"""Where the workspace lies inside an isolating sandbox: the same place as in MLGym's containers."""


@dataclass(frozen=True)
class Spec:
    """What a sandbox is made of. Immutable: `reset` goes back to it."""

    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files of the workspace, by relative path; belong to the agent and may be changed by it."""
    read_only: Mapping[str, Path] = field(default_factory=dict)
    """Host folders or files shown read-only, by path relative to the workspace (`data`)."""
    tools: Path | None = None
    """Host folder of executables put first on PATH, read-only."""
    socket: Path | None = None
    """Unix socket of the grader; its path inside is in the variable `MLGYM_GRADER`."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables set for every command, besides PATH, HOME, LANG and thread counts."""
    limits: Limits = field(default_factory=Limits)
    image: str = "tabular"
    """Family image that containers are made of; other providers show the host's runtime."""


@dataclass(frozen=True)
class Result:
    """How one command ended."""

    exit_code: int | None
    """None if the command was killed at its time limit or took the shell down with it."""
    output: str
    """stdout and stderr as they came, UTF-8 with replacement, cut in the middle at `limits.output_kb`."""
    timed_out: bool = False
    truncated: bool = False
    shell_lost: bool = False
    """True if the command ended the shell (`exit`, `exec`, a kill); the next one runs in a fresh shell."""
    seconds: float = 0.0


class Session(Protocol):
    """A live shell: the working directory and exported variables survive from one command to the next."""

    def run(self, command: str, timeout: float | None = None) -> Result:
        """Runs a command with stdin closed; every process that it left behind at a time-out is killed.

        Args:
            command: Any bash text, of several lines, balanced or not.
            timeout: Seconds; the task's `limits.action_seconds` if None.

        Raises:
            SandboxError: If the sandbox itself broke.
        """

    def interrupt(self) -> None:
        """Kills the running command and the shell, so that `run` returns at once. May be called by any thread."""

    def close(self) -> None:
        """Ends the shell and all it started. Idempotent."""


class Pipe(Protocol):
    """A process in the sandbox that is talked to over its stdin and stdout."""

    stdin: IO[bytes]
    stdout: IO[bytes]

    def close(self) -> None:
        """Kills the process and all it started. Idempotent."""


class Sandbox(Protocol):
    """A place where untrusted code runs. Also a context manager: `start` on entry, `stop` on exit."""

    provider: str
    """Name of the provider: `bubblewrap`, `docker`, `podman` or `process`."""
    isolates: bool
    """False if code inside can reach the host's files, network and processes."""
    workspace: str
    """Absolute path of the workspace as code inside sees it."""

    def start(self) -> None:
        """Makes the sandbox ready. Idempotent."""

    def open_session(self) -> Session:
        """Opens a shell in the workspace."""

    def exec(
        self,
        command: Sequence[str],
        *,
        stdin: bytes = b"",
        timeout: float | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Result:
        """Runs one program to its end in the workspace, apart from any session."""

    def spawn(self, command: Sequence[str]) -> Pipe:
        """Starts a program whose stdin and stdout stay connected; its stderr is discarded."""

    def read(self, path: str, limit: int = 16 << 20) -> bytes:
        """Reads a regular file of the workspace without following links.

        Raises:
            FileNotFoundError: If there is no regular file of that name.
            ValueError: If it is larger than `limit` bytes, or lies outside the workspace.
        """

    def write(self, path: str, content: bytes) -> None:
        """Writes a file of the workspace, owned by the inside user, without following links."""

    def snapshot(self) -> Path:
        """Copies the workspace to a host folder that lives as long as the sandbox, and returns it."""

    def reset(self, snapshot: Path | None = None) -> None:
        """Ends every process inside and puts the workspace back to the spec, or to a snapshot."""

    def stop(self) -> None:
        """Ends everything and leaves nothing behind. Idempotent."""

    def __enter__(self) -> Sandbox: ...

    def __exit__(self, *exception: object) -> None: ...


@dataclass(frozen=True)
class Probe:
    """What trying a provider showed."""

    provider: str
    usable: bool
    isolates: bool
    detail: str
    """Why it is unusable and how to get it, or what it cannot enforce here."""
