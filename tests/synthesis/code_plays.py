"""Drafts of code tasks and plays of them, with the judge and the submissions that they contain."""

from __future__ import annotations

import json
import random
import types
from functools import cache
from typing import Any

from mlgym_synth.synthesis.templates import FAMILIES
from mlgym_synth.synthesis.templates.family import Family
from mlgym_synth.tasks.suite import TaskFiles

CODE_FAMILIES = {
    name: FAMILIES[name]
    for name in (
        "repeated-game",
        "classic-control",
        "online-bin-packing",
        "cache-eviction",
        "shop-scheduling",
        "vehicle-routing",
        "graph-labelling",
        "slippery-grid",
        "inventory-control",
        "changing-bandit",
        "connection-game",
        "one-card-poker",
    )
}


@cache
def draft(name: str, seed: int, salt: str = "salt") -> TaskFiles:
    family: Family = CODE_FAMILIES[name]
    return family.draft(f"{name}-{seed}", family.knobs(random.Random(seed)), salt)


def load(source: bytes, name: str) -> types.ModuleType:
    module = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
    return module


def play(files: TaskFiles, submission: bytes, part: str = "private") -> list[float]:
    """The judge's scores of a submission, with calls and results going through JSON as they do between two boxes."""
    player = load(submission, "submission")

    def call(function: str, arguments: list[list[Any]]) -> list[Any]:
        copies = json.loads(json.dumps(arguments, allow_nan=False))
        return list(json.loads(json.dumps([getattr(player, function)(*each) for each in copies])))

    scores: list[float] = load(files.hidden["judge.py"], "judge").judge(part, call)
    return scores


def answer(files: TaskFiles, value: Any) -> list[float]:
    """The judge's scores where every result is `value`."""
    judge = load(files.hidden["judge.py"], "judge").judge
    scores: list[float] = judge("private", lambda function, arguments: [value for _ in arguments])
    return scores


def baseline_of(files: TaskFiles) -> bytes:
    return files.starter[files.recipe.submission.file]


def controls_of(files: TaskFiles) -> dict[str, bytes]:
    return {name: source for name, source in files.hidden.items() if name.startswith("controls/")}
