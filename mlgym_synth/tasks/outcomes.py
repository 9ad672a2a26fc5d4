"""How an episode, a check or an action ended. Infrastructure failures are kept apart from failures of the agent."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How an episode ended; `running` until it did."""

    RUNNING = "running"
    SUBMITTED = "submitted"
    MAX_STEPS = "max_steps"
    MAX_TOKENS = "max_tokens"
    MAX_COST = "max_cost"
    TIMEOUT = "timeout"
    FORMAT_ERROR = "format_error"
    MODEL_ERROR = "model_error"
    SANDBOX_ERROR = "sandbox_error"
    CANCELLED = "cancelled"

    @property
    def is_infrastructure(self) -> bool:
        """True where something around the agent broke: no score, no training data."""
        return self in (Outcome.MODEL_ERROR, Outcome.SANDBOX_ERROR, Outcome.CANCELLED)


class Verdict(StrEnum):
    """How a check of the certificate ended. `error` is infrastructure and never a failure of the task."""

    PASS = "pass"  # noqa: S105  (a verdict, not a password)
    FAIL = "fail"
    ERROR = "error"
    TIMEOUT = "timeout"
    SKIPPED = "skipped"
