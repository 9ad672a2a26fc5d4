"""Writes the training data: one chat per line, in the form that trainers of chat models read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlgym_synth.distillation.filter import Funnel, Rule, judge
from mlgym_synth.errors import InputError
from mlgym_synth.files import replacing, write_json
from mlgym_synth.rollouts import EpisodeResult, load_run
from mlgym_synth.tasks.recipe import Direction
from mlgym_synth.tasks.suite import Suite
from mlgym_synth.trajectories import read_trajectory, to_messages

TRAIN = "train.jsonl"
FUNNEL = "funnel.json"


@dataclass(frozen=True)
class _Candidate:
    """An episode that passed every rule that looks at it alone."""

    loss: float
    """Its score, with the sign that makes less better."""
    run: Path
    path: Path


def distill(runs: Sequence[Path | str], out: Path, per_task: int = 4) -> Funnel:
    """Turns runs into training data.

    Kept are episodes that were scored better than the baseline, without an infrastructure failure and without a sign
    of cheating; of every task the `per_task` best over all runs, the earlier one where scores are equal. One
    trajectory is in memory at a time.

    Args:
        runs: Folders that `rollout` wrote.
        out: Folder for `train.jsonl`, with a chat (`messages`) and its origin per line, and `funnel.json`.
        per_task: At most so many episodes of a task are kept.

    Returns:
        How many episodes fell to which rule. The numbers add up to the episodes read.

    Raises:
        InputError: If there is no run, one of the folders holds none, its suite is gone, or `out` cannot be written.
    """
    if not runs or per_task < 1:
        raise InputError("distilling needs at least one run and one episode per task")
    fates: list[tuple[str, Rule]] = []
    candidates: dict[str, list[_Candidate]] = {}
    for run, episode, direction in _episodes(runs):
        rule = _judge(episode, direction)
        if rule is Rule.KEPT and episode.score is not None:
            loss = -episode.score if direction == "max" else episode.score
            candidates.setdefault(episode.task_id, []).append(_Candidate(loss, run, episode.path))
        else:
            fates.append((episode.task_id, rule))
    with replacing(out / TRAIN) as stream:
        for task_id, found in sorted(candidates.items()):
            found.sort(key=lambda candidate: candidate.loss)
            for candidate in found[:per_task]:
                stream.write(_example(candidate).encode() + b"\n")
            fates += [(task_id, Rule.KEPT)] * len(found[:per_task])
            fates += [(task_id, Rule.SURPLUS)] * len(found[per_task:])
    funnel = Funnel.count(fates)
    write_json(
        out / FUNNEL,
        {"read": funnel.read, "kept": funnel.kept, "total": funnel.total, "tasks": funnel.model_dump()["tasks"]},
    )
    return funnel


def _episodes(runs: Sequence[Path | str]) -> Iterator[tuple[Path, EpisodeResult, Direction]]:
    """Run folder, finished episode and direction of its task; a run named twice counts once."""
    for folder in dict.fromkeys(Path(run).resolve() for run in runs):
        run = load_run(folder)
        suite = Suite.open(run.suite)
        directions = {task_id: suite.task(task_id).recipe.scoring.direction for task_id in run.plan.tasks}
        for episode in run.episodes:
            yield folder, episode, directions[episode.task_id]


def _judge(episode: EpisodeResult, direction: Direction) -> Rule:
    """What broke may have broken before there was a trajectory, so the journal is asked first."""
    if episode.outcome.is_infrastructure:
        return Rule.INFRASTRUCTURE
    return judge(read_trajectory(episode.path), direction)


def _example(candidate: _Candidate) -> str:
    trajectory = read_trajectory(candidate.path)
    origin = trajectory.model_dump(
        mode="json",
        include={"task_id", "content_hash", "agent", "model", "seed", "episode", "score", "baseline", "reward"},
    )
    example = {"messages": to_messages(trajectory), **origin, "run": candidate.run.name}
    return json.dumps(example, ensure_ascii=False, allow_nan=False)
