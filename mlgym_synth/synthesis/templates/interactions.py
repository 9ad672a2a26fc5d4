"""Interaction prediction: what happens between two that met others before, but never each other in this way."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlgym_synth.synthesis.templates.csv_drafts import CsvDraft, draft_csv
from mlgym_synth.synthesis.templates.family import Family, Knobs
from mlgym_synth.synthesis.templates.simulated import draw_options, simulation
from mlgym_synth.tasks.suite import TaskFiles

NAME = "interaction-prediction"
TEST_ROWS = 1500


@dataclass(frozen=True)
class _Scene:
    """Who meets whom."""

    title: str
    goal: str
    columns: str
    target: str
    told: str
    """What the text says about the options, which are its fields."""
    metrics: Sequence[str]
    train_rows: Sequence[int]
    options: Mapping[str, Sequence[Any]]


SCENES = {
    "ratings": _Scene(
        "Predicting how viewers rate films",
        "Each row is a rating of a film by a viewer. Predict the ratings of other pairs of the same viewers and films. "
        "Some viewers are kinder than others and some films better, but most of what is left is taste, which viewers "
        "share with others and films with their like.",
        "`viewer` and `film` are names, `genre` is the kind of the film. `stars`, from 1 to 5, is the target; "
        "predictions need not be whole numbers.",
        "stars",
        "There are {viewers} viewers and {films} films. Viewers see rather what they like.",
        ["rmse", "mae", "r2", "spearman"],
        [1500, 2000, 2500],
        {
            "viewers": [80, 100, 120],
            "films": [60, 80],
            "tastes": [1, 2, 3],
            "taste": [0.6, 0.8, 1.0],
            "noise": [0.3, 0.5, 0.8],
        },
    ),
    "exams": _Scene(
        "Predicting which questions students answer right",
        "Each row is an answer of a student to a question. Predict for other pairs of the same students and questions "
        "whether the answer is right. Students differ in what they know, all in all and from topic to topic, and "
        "questions in how hard they are and how well they tell students apart.",
        "`student` and `question` are names, `topic` is what the question is about. `correct`, 1 for right answers and "
        "else 0, is the target.",
        "correct",
        "There are {students} students and {questions} questions.",
        ["log_loss", "roc_auc"],
        [1400, 1700, 2000],
        {"students": [50, 60, 70], "questions": [70, 80, 90], "skills": [1.3, 1.7, 2.1], "guessing": [0.0, 0.08, 0.15]},
    ),
    "matches": _Scene(
        "Predicting who wins a match",
        "Each row is a match between two players. Predict for other matches of the same season whether the first "
        "player wins. Nobody is equally strong on all courts, and it helps to be at home.",
        "`first` and `second` are the names of the players, `court` is what is played on, `home` is 1 where the first "
        "player is at home, -1 where the second is, else 0, and `day` is the day of the season. `won`, 1 where the "
        "first player won and else 0, is the target.",
        "won",
        "There are {players} players. Who is named first is chance.",
        ["log_loss", "roc_auc"],
        [800, 1200, 1800, 2500],
        {"players": [24, 32, 40, 50], "spread": [0.8, 1.1, 1.4], "courts": [0.6, 0.9, 1.2], "home": [0.2, 0.5, 0.8]},
    ),
}


def _knobs(rng: random.Random) -> Knobs:
    source = rng.choice(list(SCENES))
    scene = SCENES[source]
    return {
        "source": source,
        "metric": rng.choice(scene.metrics),
        "train_rows": rng.choice(scene.train_rows),
        "options": draw_options(rng, scene.options),
    }


def _draft(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    scene, events = SCENES[knobs["source"]], knobs["source"] != "ratings"
    draft = CsvDraft(
        title=scene.title,
        goal=f"""
            {scene.goal}

            {scene.told.format(**knobs["options"])} {knobs["train_rows"]} rows are there to learn from, only a few for
            each name.{" Predict the chance that the target is 1." if events else ""}
        """,
        columns=scene.columns,
        source=f"simulated/{knobs['source']}",
        options=simulation(salt, TEST_ROWS + knobs["train_rows"], knobs["options"]),
        target=scene.target,
        target_kind="number",
        metric=knobs["metric"],
        test_rows=TEST_ROWS,
        train_rows=knobs["train_rows"],
        templates=f"interactions/{'events' if events else 'ratings'}_",
        values={"matches": knobs["source"] == "matches"},
    )
    return draft_csv(task_id, knobs, salt, family=NAME, category="data science", draft=draft)


INTERACTION_PREDICTION = Family(
    name=NAME,
    category="data science",
    description="Predict ratings, answers or the winners of matches from other meetings of the same names.",
    knobs=_knobs,
    draft=_draft,
)
