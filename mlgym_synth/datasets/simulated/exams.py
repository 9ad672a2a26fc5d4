"""Answers of students to questions, after item response theory with several skills."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.random import RandomState

from mlgym_synth.datasets.simulated.simulator import Simulator, check_pairs, logistic

TOPICS = ["algebra", "geometry", "logic", "reading", "statistics"]


def simulate(
    random: RandomState,
    rows: int,
    *,
    students: int = 120,
    questions: int = 80,
    skills: float = 1.0,
    guessing: float = 0.1,
) -> pd.DataFrame:
    """Simulates one answer a row; no student answers a question twice.

    Args:
        random: Generator.
        rows: Answers, at most students times questions.
        students: How many students there are.
        questions: How many questions there are.
        skills: How much a student's skills differ from topic to topic, as a standard deviation of the log odds.
        guessing: Chance of a right answer without any skill.
    """
    check_pairs(rows, students, questions)
    topic = random.randint(0, len(TOPICS), questions)
    ability, difficulty = random.normal(0, 1, students), random.normal(0, 1.2, questions)
    special, sharpness = skills * random.standard_normal((students, len(TOPICS))), random.uniform(0.8, 2, questions)
    odds = sharpness * (ability[:, None] + special[:, topic] - difficulty)
    pairs = random.permutation(students * questions)[:rows]
    student, question = np.divmod(pairs, questions)
    right = guessing + (1 - guessing) * logistic(odds[student, question])
    return pd.DataFrame(
        {
            "student": pd.Series([f"s{number:03d}" for number in student], dtype=object),
            "question": pd.Series([f"q{number:03d}" for number in question], dtype=object),
            "topic": pd.Series([TOPICS[topic[number]] for number in question], dtype=object),
            "correct": (random.random_sample(len(pairs)) < right).astype(np.int64),
        }
    )


EXAMS = Simulator(
    "Simulated answers in exams: `student`, `question` and its `topic`; `correct` is 1 for right answers.",
    simulate,
    {"students": (20, 1000), "questions": (20, 1000), "skills": (0.0, 3.0), "guessing": (0.0, 0.5)},
)
