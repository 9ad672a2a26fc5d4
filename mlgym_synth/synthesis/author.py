"""Who writes drafts: a topic in, everything that defines a task out."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Protocol

from pydantic import BaseModel, ConfigDict

from mlgym_synth.tasks.suite import TaskFiles


class Topic(BaseModel):
    """What a draft is to be about. All random choices follow from it, never from the order of work."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    index: int
    family: str
    seed: int = 0
    options: dict[str, Any] = {}
    """What is settled about the task before it is written: a family's knobs, the path and target of a table."""

    @property
    def key(self) -> str:
        """Hash of the topic, by which a run that goes on knows what it has decided."""
        return hashlib.sha256(json.dumps(self.model_dump(), sort_keys=True).encode()).hexdigest()


class Author(Protocol):
    """Writes drafts."""

    name: str

    def draft(self, topic: Topic) -> TaskFiles:
        """Writes a task about the topic, its hidden `reference.py` included.

        Raises:
            InputError: If what the user gave cannot become a task.
        """

    def repair(self, draft: TaskFiles, error: str) -> TaskFiles | None:
        """Mends a draft after a failed check, or gives it up (None)."""
