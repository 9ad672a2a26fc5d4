"""Trajectories as files: JSON Lines with a header, a line a step, and an end, so a crash costs no step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlgym_synth.errors import InputError
from mlgym_synth.files import append_durably, write_atomic
from mlgym_synth.trajectories.model import Step, Trajectory

_AT_THE_END = {"outcome", "error", "score", "best_score", "baseline", "reward", "messages", "seconds"}
"""Fields that are known only when the episode is over."""


class TrajectoryWriter:
    """A sink that writes one trajectory file; every line is on disk before the call returns.

    Args:
        path: The file. An earlier attempt in the same place is replaced when the episode begins.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, trajectory: Trajectory) -> None:
        """Writes the header.

        Raises:
            InputError: If the folder cannot be written.
        """
        header = trajectory.model_dump(mode="json", exclude=_AT_THE_END | {"steps"})
        write_atomic(self.path, _line("header", header) + "\n")

    def step(self, step: Step) -> None:
        """Appends one step."""
        append_durably(self.path, _line("step", step.model_dump(mode="json")))

    def end(self, trajectory: Trajectory) -> None:
        """Appends what is known at the end; the steps are there already."""
        append_durably(self.path, _line("end", trajectory.model_dump(mode="json", include=_AT_THE_END)))


def read_trajectory(path: Path) -> Trajectory:
    """Reads a trajectory file.

    A file without an end line, which an interrupted episode leaves, is a trajectory that is still `running`;
    a torn last line is ignored.

    Raises:
        InputError: If the file is missing or damaged.
    """
    try:
        *whole, _torn = path.read_bytes().split(b"\n")
        records = [json.loads(line) for line in whole]
        kinds = [record.pop("kind") for record in records]
        ended = kinds[-1:] == ["end"]
        if kinds != ["header"] + ["step"] * (len(kinds) - 1 - ended) + ["end"] * ended:
            raise ValueError("the lines are not a header, steps and an end")
        steps = records[1 : len(records) - ended]
        end = records[-1] if ended else {}
        return Trajectory.model_validate({**records[0], "steps": steps, **end})
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}", "check the path") from error
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise InputError(f"{path} is not a trajectory: {problem}", "run the episode again") from error


def _line(kind: str, fields: dict[str, Any]) -> str:
    return json.dumps({"kind": kind, **fields}, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
