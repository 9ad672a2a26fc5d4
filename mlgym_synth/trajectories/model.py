"""What one episode consists of. Data only: agents fill it, `store.py` keeps it."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Protocol

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from mlgym_synth.tasks.outcomes import Outcome


def _encodable(value: Any) -> Any:
    """Replaces lone surrogates, in keys too: models emit them in escaped JSON, and no file can hold them."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_encodable(item) for item in value]
    return value


Text = Annotated[str, BeforeValidator(_encodable)]
"""Text that UTF-8 can encode; a lone surrogate becomes U+FFFD."""
Json = Annotated[dict[str, Any], BeforeValidator(_encodable)]
"""A JSON object whose texts UTF-8 can encode."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Step(_Strict):
    """One action and what came of it."""

    index: int = Field(ge=0)
    """Counts from 0."""
    action: Text
    observation: Text
    reward: float
    seconds: float
    """From the end of the previous step to the end of this one: the model's time and the command's."""
    thought: Text = ""
    """What the model said around the action."""
    info: Json = {}
    """Small facts of the agent about the step: tokens, cost, format errors before it."""


class Trajectory(_Strict):
    """One episode of one agent on one task."""

    format: Literal["mlgym-synth-1"] = "mlgym-synth-1"
    task_id: str
    content_hash: str
    """Hash of the task's inputs, so that trajectories on a task that has changed since can be told apart."""
    agent: str
    model: str = ""
    seed: int
    episode: int = 0
    """Which of the samples with this task and agent it is."""
    prompt: Text = ""
    """The observation with which the episode began."""
    outcome: Outcome = Outcome.RUNNING
    error: Text = ""
    """What broke around the agent, where the outcome says that something did."""
    score: float | None = None
    """Private score of what was submitted."""
    best_score: float | None = None
    """Best private score of anything that was validated or submitted."""
    baseline: float | None = None
    reward: float = 0.0
    """Sum over the steps."""
    steps: list[Step] = []
    messages: list[Json] = []
    """The chat as the model's endpoint saw it, reasoning included; empty for agents without a model."""
    started_at: str
    """ISO 8601 in UTC."""
    seconds: float = 0.0
    provider: str = ""
    """Sandbox provider in which the commands ran."""
    version: str = ""
    """Version of mlgym-synth."""


class Sink(Protocol):
    """Who is told about an episode as it happens."""

    def begin(self, trajectory: Trajectory) -> None:
        """The episode has begun; `trajectory` has no steps yet."""

    def step(self, step: Step) -> None:
        """A step was taken."""

    def end(self, trajectory: Trajectory) -> None:
        """The episode has ended; `trajectory` is whole."""
