"""Online bin packing: items of a known distribution arrive one by one and may never be moved again."""

from __future__ import annotations

import random
from typing import Any

from mlgym_synth.synthesis.templates.code_drafts import draft_code
from mlgym_synth.synthesis.templates.family import Family, Knobs, render
from mlgym_synth.tasks.recipe import CodeSubmission, Scoring
from mlgym_synth.tasks.suite import TaskFiles

NAME = "online-bin-packing"

SETTINGS = {
    "parcels": ("Packing parcels into vans", "Parcels arrive at a depot and go into vans", "parcel", "van"),
    "jobs": ("Placing jobs on servers", "Jobs arrive at a cluster and go onto servers", "job", "server"),
    "pipes": ("Cutting pipes from stock", "Orders for pieces of pipe are cut from stock lengths", "piece", "length"),
    "files": ("Filling backup tapes", "Files are streamed onto backup tapes", "file", "tape"),
}


def _knobs(rng: random.Random) -> Knobs:
    capacity = rng.choice([60, 80, 100, 120, 150, 200])
    return {
        "setting": rng.choice(list(SETTINGS)),
        "capacity": capacity,
        "items": rng.choice([150, 200, 250, 300]),
        "distribution": rng.choice([_uniform, _weibull, _types])(rng, capacity),
    }


def _uniform(rng: random.Random, capacity: int) -> dict[str, Any]:
    low, high = rng.uniform(0.12, 0.24), rng.uniform(0.4, 0.65)
    return {"kind": "uniform", "low": round(low * capacity), "high": round(high * capacity)}


def _weibull(rng: random.Random, capacity: int) -> dict[str, Any]:
    scale = rng.uniform(0.3, 0.48) * capacity
    return {"kind": "weibull", "shape": round(rng.uniform(3.0, 6.0), 1), "scale": round(scale, 1)}


def _types(rng: random.Random, capacity: int) -> dict[str, Any]:
    sizes = sorted(rng.sample(range(round(0.15 * capacity), round(0.55 * capacity)), rng.randint(4, 8)))
    return {"kind": "types", "sizes": sizes, "weights": [rng.randint(1, 4) for _ in sizes]}


def _draft(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    title, story, item, container = SETTINGS[knobs["setting"]]
    goal = f"""
        {story} one by one. Each {item} has to be placed at once, into a {container} with enough room or into a
        new {container}, and stays there; what comes next is unknown. All {container}s hold {knobs["capacity"]} units.
        {_describe(knobs["distribution"], item)} A case is a sequence of {knobs["items"]} {item}s.

        Write a placement rule that uses as few {container}s as possible. The score of a case is the number of
        {container}s used divided by the total size of the {item}s in units of one {container}, rounded up. A
        {container} that is filled exactly wastes nothing, so it matters which gaps a placement leaves behind.
    """
    interface = f"""
        `place(item, free) -> int` is called for every {item}. `item` is its size, `free` lists the free capacity of
        every {container} that is in use and not full, oldest first. Return the index in `free` of a {container} with
        enough room, or `len(free)` to take a new one. The sequences of all cases are played side by side, so a call
        must not rely on the call before it.
    """
    return draft_code(
        task_id,
        knobs,
        salt,
        family=NAME,
        category="algorithmic heuristics",
        title=title,
        goal=goal,
        interface=interface,
        submission=CodeSubmission(file="packing.py", functions=["place"]),
        scoring=Scoring(metric="bins_over_lower_bound", direction="min", limit=1.0),
        controls={name: render(f"{NAME}/{name}.py.jinja") for name in ("constant", "random")},
    )


def _describe(distribution: dict[str, Any], item: str) -> str:
    match distribution["kind"]:
        case "uniform":
            sizes = f"{distribution['low']} to {distribution['high']}"
            return f"Every {item} has a whole size from {sizes}, all equally likely."
        case "weibull":
            return (
                f"Sizes are whole numbers drawn from a Weibull distribution with shape {distribution['shape']} and "
                f"scale {distribution['scale']}."
            )
        case _:
            pairs = zip(distribution["sizes"], distribution["weights"], strict=True)
            shares = ", ".join(f"{size} ({weight})" for size, weight in pairs)
            return f"There are {len(distribution['sizes'])} sizes, with these relative frequencies: {shares}."


ONLINE_BIN_PACKING = Family(
    name=NAME,
    category="algorithmic heuristics",
    description="Place items into bins as they arrive; minimise the bins used.",
    knobs=_knobs,
    draft=_draft,
)
