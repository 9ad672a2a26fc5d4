"""The command line: a thin layer over the Python API, one function per verb.

Exit codes: 0 done, 1 ran but something failed, 2 bad input.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import NoReturn

from mlgym_synth.errors import InputError, MlgymSynthError

DONE, FAILED, BAD_INPUT = 0, 1, 2
INTERRUPTED = 130
"""What typer makes of an interrupt."""
_STOPPED = "stopped: the same command, for a rollout with --resume, goes on where it left off"


def main() -> None:
    """Entry point of `mlgym-synth`. What goes wrong on purpose ends in one line, never in a traceback."""
    sys.unraisablehook = _on_lost_exception
    try:
        # Imported here, so that an interrupt while the verbs are loaded ends in one line as well.
        import typer

        from mlgym_synth.cli import (  # noqa: F401
            doctor,
            evaluate,
            export,
            images,
            quickstart,
            rollout,
            synthesize,
            tasks,
            verify,
        )
        from mlgym_synth.cli.app import app

        # The class of all usage errors has no public name, but is the parent of one that has.
        usage_error: type[Exception] = typer.BadParameter.__mro__[1]
        try:
            code = app(standalone_mode=False) or DONE
            if code == INTERRUPTED:
                _leave(_STOPPED, FAILED)
            sys.exit(code)
        except usage_error as error:
            text = getattr(error, "format_message", error.__str__)()
            _leave(f"error: {' '.join(text.split())} (--help shows what there is)", BAD_INPUT)
        except typer.Abort:
            _leave(_STOPPED, FAILED)
    except MlgymSynthError as error:
        _leave(f"error: {error}", BAD_INPUT if isinstance(error, InputError) else FAILED)
    except KeyboardInterrupt:
        _leave(_STOPPED, FAILED)
    except BrokenPipeError:
        # The reader of a pipe has gone (`… | head`), so that a last flush of stdout would fail, too.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        _leave("", FAILED)
    except OSError as error:
        # A file that this user may not read, a disk that is full: nothing that a traceback would help with.
        where = f"{error.filename}: " if error.filename else ""
        _leave(f"error: {where}{error.strerror or error} (check permissions and free space)", FAILED)


def _on_lost_exception(lost: sys.UnraisableHookArgs) -> None:
    """An interrupt that falls into a callback of the interpreter's would be printed and forgotten."""
    if issubclass(lost.exc_type, KeyboardInterrupt):
        _leave(_STOPPED, FAILED)
    sys.__unraisablehook__(lost)


def _leave(message: str, code: int) -> NoReturn:
    """Ends the process at once, threads in the middle of a long certification included.

    What they run in sandboxes dies with this process, what is on disk is whole at any time, and the folders of
    sandboxes are removed at the next start.
    """
    if message:
        sys.stderr.write(f"{message}\n")
    with contextlib.suppress(OSError):  # what cannot be written has been told of, or nobody is there to be told
        sys.stderr.flush()
        sys.stdout.flush()
    os._exit(code)
