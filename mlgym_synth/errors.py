"""The errors that cross a boundary, one class per boundary; each message is one line and names its remedy.

A bad task, submission or episode is data (see `mlgym_synth.tasks.outcomes`), not an exception. These classes are
for what a caller has to know: the input was unusable, or something around the work broke.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class MlgymSynthError(Exception):
    """Base of all errors raised on purpose.

    Args:
        message: One line that names the thing.
        remedy: One line that says what to do; appended to the message.
    """

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = " ".join(message.split())
        self.remedy = " ".join(remedy.split())

    def __str__(self) -> str:
        return f"{self.message} ({self.remedy})" if self.remedy else self.message


class InputError(MlgymSynthError):
    """What the user named cannot be used: a file, a column, an id, a folder. The command line exits with 2."""


class DataError(MlgymSynthError):
    """A data source is unreachable, or its bytes are not those the recipe was made from."""


class SandboxError(MlgymSynthError):
    """The sandbox itself failed. Never a score, never a failure of the task or of the agent."""


class GradingError(MlgymSynthError):
    """The grader itself failed. Never a score."""


class ModelError(MlgymSynthError):
    """A model endpoint failed in a way that retrying did not mend."""


def unknown_name(kind: str, name: str, known: Iterable[str], where: str = "") -> InputError:
    """The error for a name that is not there: it suggests the nearest, or lists what there is if that is short."""
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        remedy = f"did you mean {near[0]}?"
    else:
        remedy = f"there are: {', '.join(names)}" if len(names) <= 20 else f"there are {len(names)} others"
    return InputError(f"no {kind} {name!r}{f' in {where}' if where else ''}", remedy)
