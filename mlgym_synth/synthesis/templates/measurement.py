"""Image measurement: how many, how large and in which direction, on simulated micrographs and surfaces."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from mlgym_synth.synthesis.templates.csv_drafts import CsvDraft, draft_csv
from mlgym_synth.synthesis.templates.family import Family, Knobs
from mlgym_synth.synthesis.templates.simulated import draw_options, simulation
from mlgym_synth.tasks.recipe import Transform
from mlgym_synth.tasks.suite import TaskFiles

NAME = "image-measurement"
TEST_ROWS = 900
NUMBER_METRICS = ["mae", "rmse", "r2", "spearman"]


@dataclass(frozen=True)
class _Question:
    """What is measured."""

    source: str
    target: str
    kind: Literal["label", "number"]
    title: str
    goal: str
    meaning: str
    metrics: Sequence[str]


CELLS = (
    "Each row is a micrograph of round, bright cells that may overlap, on light that is uneven and differs from image "
    "to image. {question} Brightness alone is a poor guide, since cells differ in size, brightness and overlap."
)
STRIPES = (
    "Each row is an image of a striped surface: stripes of one width and direction, a little bent, that begin "
    "anywhere. {question} No single pixel tells anything; what counts is how pixels go together."
)
QUESTIONS = {
    "number of cells": _Question(
        "cells",
        "cells",
        "number",
        "Counting cells",
        CELLS.format(question="Say how many there are, from 1 to 6."),
        "`cells`, the number of cells, is the target",
        NUMBER_METRICS,
    ),
    "class of cells": _Question(
        "cells",
        "cells",
        "label",
        "Counting cells by classes",
        CELLS.format(question="Say how many there are, from 1 to 6, as a label."),
        "`cells`, the number of cells as a label, is the target",
        ["quadratic_kappa", "accuracy", "macro_f1"],
    ),
    "diameter": _Question(
        "cells",
        "diameter",
        "number",
        "Measuring cells",
        CELLS.format(question="Measure the mean diameter of the cells, before they differ from each other by chance."),
        "`diameter`, the mean diameter in pixels, is the target",
        NUMBER_METRICS,
    ),
    "direction": _Question(
        "gratings",
        "direction",
        "label",
        "The direction of stripes",
        STRIPES.format(question="Say in which direction they lie, to the nearest 30 degrees."),
        "`direction` is the target: `d000` where grey values change from left to right, `d090` where they change from "
        "top to bottom, and so on by the angle between, turning from left-to-right towards top-to-bottom",
        ["accuracy", "balanced_accuracy", "macro_f1", "mcc"],
    ),
    "width": _Question(
        "gratings",
        "width",
        "number",
        "The width of stripes",
        STRIPES.format(question="Measure the distance between two neighbouring stripes of the same brightness."),
        "`width`, that distance in pixels, is the target",
        NUMBER_METRICS,
    ),
}
OPTIONS: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "cells": {
        "side": [12, 14, 16],
        "noise": [6.0, 12.0, 18.0],
        "light": [15.0, 30.0, 45.0],
        "spread": [0.1, 0.2, 0.3],
    },
    "gratings": {
        "side": [10, 12, 14],
        "noise": [25.0, 40.0, 55.0],
        "contrast": [40.0, 55.0, 70.0],
        "bend": [0.0, 0.4, 0.8],
    },
}


def _knobs(rng: random.Random) -> Knobs:
    name = rng.choice(list(QUESTIONS))
    question = QUESTIONS[name]
    return {
        "question": name,
        "source": question.source,
        "metric": rng.choice(question.metrics),
        "train_rows": rng.choice([400, 600, 900]),
        "missing": rng.choice([0.0, 0.0, 0.05, 0.1]),
        "options": draw_options(rng, OPTIONS[question.source]),
    }


def _draft(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    question, options = QUESTIONS[knobs["question"]], knobs["options"]
    side, missing = options["side"], knobs["missing"]
    pixels = [f"x_{place:02d}" for place in range(side * side)]
    dead = f" About {missing:.0%} of the pixels are dead: their cells are empty." if missing else ""
    draft = CsvDraft(
        title=question.title,
        goal=f"""
            {question.goal}

            The images have {side} x {side} pixels, with noise of a standard deviation of {options["noise"]:g} on
            each.{dead} There are {knobs["train_rows"]} images to learn from.
        """,
        columns=f"Each row is an image: the columns `{pixels[0]}` to `{pixels[-1]}` are its pixels in reading order, "
        f"from 0 (black) to 255 (white). {question.meaning}.",
        source=f"simulated/{question.source}",
        options=simulation(salt, TEST_ROWS + knobs["train_rows"], options),
        target=question.target,
        target_kind=question.kind,
        metric=knobs["metric"],
        test_rows=TEST_ROWS,
        templates=f"images/{question.kind}_",
        transforms=[
            Transform(name="columns", options={"keep": pixels}),
            *([Transform(name="missing", options={"rate": missing})] if missing else []),
        ],
        values={"side": side, "cells": question.source == "cells", "ordered": knobs["metric"] == "quadratic_kappa"},
    )
    return draft_csv(task_id, knobs, salt, family=NAME, category="vision", draft=draft)


IMAGE_MEASUREMENT = Family(
    name=NAME,
    category="vision",
    description="Count or measure cells on micrographs, or the direction and width of stripes.",
    knobs=_knobs,
    draft=_draft,
)
