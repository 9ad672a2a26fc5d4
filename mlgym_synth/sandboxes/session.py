"""A live shell in a sandbox.

Bash reads its program, one fixed line a command, from stdin, and the command after it up to a NUL. Output goes to
stdout; how the command ended is reported on stderr's pipe, moved to a descriptor that commands do not have. So nothing
that a command reads, prints or redirects can be taken for the protocol, and a session needs three pipes only.
"""

from __future__ import annotations

import re
import shlex
import signal
import time
from pathlib import Path

from mlgym_synth.errors import SandboxError
from mlgym_synth.sandboxes.program import Channel, Launch
from mlgym_synth.sandboxes.protocol import Result
from mlgym_synth.tasks.recipe import Limits

_START_SECONDS = 30.0
_GRACE_SECONDS = 1.0
_SWEEP_SECONDS = 0.02

# 250 is the report, 251 the output. The trap ends a command, even a loop of builtins, when the session asks for it.
# `set -e` is the affair of the command that says it: the next one begins without.
_PROLOGUE = r"""exec 250>&2 251>&1 2>&1
readonly __mlgym_step='IFS= builtin read -r -d "" __mlgym_command || builtin exit
. {script} </dev/null >&251 2>&251 250>&- 251>&-
builtin printf "%s %s\0" "$?" "${PWD:-/}" >&250; builtin set +e'
trap '[[ ${BASH_SOURCE-} ]] && return 124' RTMAX
"""
_REPORT = re.compile(rb"(?:^|\0)(\d{1,3}) ([^\0]+)\0\Z")
_STEP = b'eval "$__mlgym_step"\n'


class ShellSession:
    """A shell that outlives its commands, and is replaced by a fresh one where a command ended it.

    Args:
        launch: Starts programs in the sandbox.
        workspace: Where the shell begins, as the sandbox sees it.
        script: Where the sandbox sees `shell.bash`.
        limits: Time and output limits.

    Raises:
        SandboxError: If no shell can be started.
    """

    def __init__(self, launch: Launch, workspace: str, script: str, limits: Limits) -> None:
        self._launch = launch
        self._folder = workspace
        self._prologue = _PROLOGUE.replace("{script}", shlex.quote(script)).encode()
        self._limits = limits
        self._closed = False
        self._report = b""
        self._channel = self._open()

    def _open(self) -> Channel:
        channel = Channel(self._launch(["bash", "--noprofile", "--norc", "-s"]), self._limits.output_kb << 10)
        process = channel.program.process
        assert process.stderr is not None
        channel.listen(process.stderr, self._take_report)
        self._report = b""
        folder = shlex.quote(self._folder)
        channel.send(self._prologue + _STEP + f"builtin cd -- {folder}".encode(errors="surrogateescape") + b"\0")
        channel.run_until(self._reported, time.monotonic() + _START_SECONDS)
        if not self._reported():
            channel.close()
            detail = self._report.decode(errors="replace") or "no answer"
            raise SandboxError(f"the sandbox could not start a shell: {detail}")
        channel.restart_output()
        return channel

    def _take_report(self, data: bytes) -> None:
        self._report = (self._report + data)[-(1 << 16) :]

    def _reported(self) -> bool:
        return _REPORT.search(self._report) is not None

    def run(self, command: str, timeout: float | None = None) -> Result:
        """Runs a command with stdin closed. See `protocol.Session.run`."""
        if self._closed:
            raise SandboxError("the session is closed", "open another one")
        started = time.monotonic()
        if self._channel.program.process.poll() is not None:
            # Killed from behind while no command ran, for example by a background process.
            self._replace()
        channel = self._channel
        self._report = b""
        # Bash would drop a NUL with a warning; here it would end the command early.
        channel.send(_STEP + command.replace("\0", "").encode(errors="replace") + b"\0")
        limit = self._limits.action_seconds if timeout is None else timeout
        in_time = channel.run_until(self._reported, started + limit)
        stopped = in_time or self._stop_command(channel)
        output = channel.output
        report = _REPORT.search(self._report) if stopped else None
        if report is None:
            self._replace()
        else:
            self._folder = report[2].decode(errors="surrogateescape")
            channel.restart_output()
        return Result(
            exit_code=int(report[1]) if report is not None and in_time else None,
            output=output.text(),
            timed_out=not in_time,
            truncated=output.truncated,
            shell_lost=report is None,
            seconds=time.monotonic() - started,
        )

    def _stop_command(self, channel: Channel) -> bool:
        """Kills what the shell started and lets its trap end the command: repeatedly, as lists, loops and forks go on.

        Returns:
            True if the shell is idle and alone.
        """
        deadline = time.monotonic() + _GRACE_SECONDS
        while time.monotonic() < deadline:
            others = channel.program.sweep(0 if self._reported() else signal.SIGRTMAX)
            if self._reported() and not others:
                return True
            channel.run_until(self._reported, time.monotonic() + _SWEEP_SECONDS)
        return False

    def _replace(self) -> None:
        self._channel.close()
        self._channel = self._open()

    def interrupt(self) -> None:
        """Kills the running command and the shell, so that `run` returns at once. May be called by any thread."""
        self._channel.program.kill()

    def close(self) -> None:
        """Ends the shell and all it started. Idempotent."""
        self._closed = True
        self._channel.close()


SCRIPT = str(Path(__file__).with_name("shell.bash"))
"""The file that a session's shell sources for every command."""
