"""Where agents work on one task, episode after episode: a sandbox, a live shell in it, and a way to the grader."""

from __future__ import annotations

import os
import shlex
import shutil
from contextlib import ExitStack
from pathlib import Path

from mlgym_synth.environment.grader import LARGEST_SUBMISSION, shared_grader
from mlgym_synth.environment.grading import Grading
from mlgym_synth.environment.server import GraderServer
from mlgym_synth.errors import SandboxError
from mlgym_synth.sandboxes import create
from mlgym_synth.sandboxes.protocol import Result, Session, Spec
from mlgym_synth.sandboxes.scratch import make_scratch
from mlgym_synth.tasks.suite import Task

_CLIENT = Path(__file__).parent / "files" / "grader_client.py"
_TOOLS = ("validate", "submit")


class Workplace:
    """A task's sandbox, a shell in it, and its socket of the grader. `begin` starts each episode, the first one too.

    Args:
        task: The task.
        provider: Sandbox provider, as in `sandboxes.create`.
        allow_unsafe: Whether the provider may be one that isolates nothing.

    Raises:
        DataError: If the task's data cannot be prepared.
        SandboxError: If no sandbox can be had.
    """

    def __init__(self, task: Task, provider: str = "auto", allow_unsafe: bool = False) -> None:
        certificate = task.certificate
        self.anchors = certificate.anchors if certificate and certificate.certified else None
        """The scores between which rewards are linear; None if the task is not certified."""
        self._recipe = task.recipe
        self._grader = shared_grader(task, provider, allow_unsafe)
        self.grading = Grading(self._grader)
        """The grading of the current episode."""
        with ExitStack() as resources:
            scratch = make_scratch()  # removed at the next start even if this process is killed
            resources.callback(scratch.remove)
            folder = scratch.path
            folder.chmod(0o711)  # other users, the agent's among them, may reach what they know the name of
            self._server = GraderServer(folder / "grader.sock")
            resources.callback(self._server.close)
            prepared = self._grader.prepared
            spec = Spec(
                files=task.workspace,
                read_only={"data": prepared.public} if prepared else {},
                tools=_make_tools(folder / "tools"),
                socket=self._server.path,
                limits=self._recipe.limits,
                image=self._recipe.image,
            )
            self.sandbox = resources.enter_context(create(spec, provider, allow_unsafe))
            self._session: Session | None = self.sandbox.open_session()
            self._resources = resources.pop_all()
        self._pristine = True
        self._process = os.getpid()

    def restore(self) -> None:
        """Ends all that an episode has left running, makes the workspace pristine, and opens a new shell in it.

        Raises:
            SandboxError: If the sandbox broke.
        """
        self._server.begin(None)
        self.end_session()
        self.sandbox.reset()
        self._session = self.sandbox.open_session()
        self._pristine = True

    def begin(self, seed: int) -> None:
        """Begins an episode in a pristine workspace, with a grading of its own.

        Args:
            seed: What `MLGYM_SEED` is in the shell.

        Raises:
            SandboxError: If the sandbox broke.
        """
        if os.getpid() != self._process:
            raise SandboxError("the workplace was made before a fork", "make the environment after it")
        if not self._pristine:
            self.restore()
        self._pristine = False
        self.grading = Grading(self._grader)
        self._server.begin(self.grading)
        submission = f"{self.sandbox.workspace}/{self._recipe.submission.file}"
        self._variables = f"export MLGYM_SEED={seed} MLGYM_SUBMISSION={shlex.quote(submission)}"
        self._shell.run(self._variables)

    @property
    def _shell(self) -> Session:
        if self._session is None:
            raise SandboxError("the workplace has no shell", "begin an episode first")
        return self._session

    def run(self, command: str, timeout: float) -> Result:
        """Runs a command in the episode's shell; a shell that a command has ended is replaced by a new one.

        Args:
            command: Any bash text.
            timeout: Seconds.

        Raises:
            SandboxError: If the sandbox broke.
        """
        result = self._shell.run(command, timeout)
        if result.shell_lost:
            self._shell.run(self._variables)
        return result

    def submission(self) -> bytes | None:
        """The submission file as it is in the workspace; None if there is none, or it is too large to be one."""
        try:
            return self.sandbox.read(self._recipe.submission.file, LARGEST_SUBMISSION)
        except (FileNotFoundError, ValueError):
            return None

    def interrupt(self) -> None:
        """Ends the running command, from any thread."""
        session = self._session
        if session is not None:
            session.interrupt()

    def close(self) -> None:
        """Ends everything and leaves nothing behind. Idempotent; leaves alone what a fork has inherited."""
        if os.getpid() != self._process:
            return
        try:
            self.end_session()
        finally:
            self._resources.close()

    def end_session(self) -> None:
        """Ends the shell and all it started; the workspace stays. Idempotent."""
        if self._session is not None:
            self._session.close()
            self._session = None


def _make_tools(folder: Path) -> Path:
    """A folder with the grader's clients: one program that goes by its name."""
    folder.mkdir()
    for name in _TOOLS:
        shutil.copyfile(_CLIENT, folder / name)
        (folder / name).chmod(0o755)
    folder.chmod(0o755)
    return folder
