"""The agent without a model: tries the baseline, searches, validates each candidate, submits the best.

It knows what any agent knows, the task's text and the output of its commands, and acts with shell commands alone.
"""

from __future__ import annotations

import re
from collections.abc import Generator
from dataclasses import dataclass
from importlib import resources

from pydantic import BaseModel, ConfigDict, Field

from mlgym_synth.agents.play import Action, Moves, play
from mlgym_synth.agents.protocol import Environment
from mlgym_synth.tasks.outcomes import Outcome
from mlgym_synth.trajectories import Sink, Trajectory

_SUBMISSION = re.compile(r"submission is the file\s+`?([\w.-]+)")
_METRIC = re.compile(r"The metric is\s+`(\w+)`,\s+and\s+(higher|lower)\s+is\s+better")
_SCORE = re.compile(r"on the public part: (\S+) \((?:higher|lower) is better\)")


class ReferenceConfig(BaseModel):
    """Settings of the reference agent."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    search_seconds: float = Field(default=3.0, gt=0, le=600)
    """Time for the search itself; loading libraries and the final fits add to it."""
    blend: bool = True
    """Whether the best few pipelines together are tried too, where the submission is a table."""


class ReferenceAgent:
    """Plays the same plan on every task; only the search depends on the seed, through `MLGYM_SEED`."""

    name = "reference"

    def __init__(self, config: ReferenceConfig | None = None) -> None:
        self.config = config or ReferenceConfig()
        self.settings = self.config.model_dump(mode="json")

    def run(self, env: Environment, sink: Sink, *, seed: int, episode: int = 0) -> Trajectory:
        """Plays one episode; see `Agent.run`."""

        def moves(prompt: str) -> Moves:
            brief = read_brief(prompt)
            return _choose_best(brief, self._code(brief) if brief.file.endswith(".py") else self._table(brief))

        return play(env, moves, sink, agent=self.name, seed=seed, episode=episode)

    def _table(self, brief: Brief) -> Plan:
        yield Action(
            "ls -l . data; cat baseline.py; head -n 3 sample_submission.csv data/train.csv | cut -c 1-300",
            "I look at the files, the baseline and the first rows.",
        )
        yield Candidate("python baseline.py", "The baseline gives a score to beat.")
        yield _write_script("search_table.py")
        yield Candidate(
            f"python search_table.py --metric {brief.metric} --seconds {self.config.search_seconds:g}",
            "I search over pipelines by cross-validation on the training rows.",
        )
        if self.config.blend:
            yield Candidate(f"cp blend.csv {brief.file}", "An average of the best few may generalise better.")

    def _code(self, brief: Brief) -> Plan:
        yield Action(f"ls -l; cat {brief.file} simulate.py", "I read the starter code and the simulator.")
        yield Action("python simulate.py", "The starter code as it is gives a score to beat.")
        yield _write_script("search_constants.py")
        yield Candidate(
            f"python search_constants.py {brief.file} --direction {brief.direction} "
            f"--seconds {self.config.search_seconds:g}",
            "I tune the constants of the starter code on simulated cases.",
        )


@dataclass(frozen=True)
class Brief:
    """What the plan needs from the text of a task."""

    file: str
    """Name of the submission."""
    metric: str
    direction: str
    """`max` or `min`."""


@dataclass(frozen=True)
class Candidate:
    """A command after which the submission file holds something worth validating."""

    command: str
    thought: str


Plan = Generator[Action | Candidate, None, None]


def read_brief(prompt: str) -> Brief:
    """Finds file, metric and direction in the text of a task; a text without them gets the commonest values."""
    file, metric = _SUBMISSION.search(prompt), _METRIC.search(prompt)
    return Brief(
        file=file[1].rstrip(".") if file else "submission.csv",
        metric=metric[1] if metric else "accuracy",
        direction="min" if metric and metric[2] == "lower" else "max",
    )


def _choose_best(brief: Brief, plan: Plan) -> Moves:
    """Carries out a plan, validates and keeps its candidates, and submits the one with the best public score."""
    better = max if brief.direction == "max" else min
    scores: dict[str, float] = {}
    kept = 0
    for move in plan:
        if isinstance(move, Action):
            yield move
            continue
        kept += 1
        copy = f"candidate-{kept}{brief.file[brief.file.rindex('.') :]}"
        yield Action(f"{move.command} && cp {brief.file} {copy}", move.thought)
        found = _SCORE.search((yield Action("validate")))
        if found:
            scores[copy] = float(found[1])
    if scores:
        best = better(scores, key=scores.__getitem__)
        yield Action(f"cp {best} {brief.file} && submit", f"{best} validated best, so I submit it.")
    else:
        yield Action("submit", "Nothing validated; I submit what there is.")
    return Outcome.MAX_STEPS


def _write_script(name: str) -> Action:
    """Writes one of the package's scripts into the workspace, as an agent would."""
    source = resources.files("mlgym_synth.agents").joinpath("files", name).read_text(encoding="utf-8")
    return Action(f"cat > {name} <<'END_OF_SCRIPT'\n{source}END_OF_SCRIPT", f"I write {name}.")
