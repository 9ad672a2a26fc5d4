"""Grids with slippery ground: plan from a map and from the logs of a walker, without trying anything out."""

from __future__ import annotations

import random

from mlgym_synth.synthesis.templates.code_drafts import draft_code
from mlgym_synth.synthesis.templates.family import Family, Knobs, render
from mlgym_synth.tasks.recipe import CodeSubmission, Scoring
from mlgym_synth.tasks.suite import TaskFiles

NAME = "slippery-grid"
ACTIONS = ("north", "east", "south", "west")

SLIPS = {
    "sideways": ("on ice", "the robot goes off to the left or to the right instead, each half of the times"),
    "backwards": ("on a moving belt", "the robot goes exactly the other way instead"),
    "wind": ("in a steady wind", "the robot is blown one cell to the {wind} instead, wherever it wanted to go"),
    "anywhere": ("with loose wheels", "the robot goes in any of the four directions instead, all equally likely"),
}
OBJECTIVES = {
    "return": (
        "Planning a quick journey",
        """Reaching the goal is worth 1, and {discount} times as much for every move that it takes ({moves_left} moves
        at most). The score of a case is the expected return of your plan from the start, divided by that of the best
        plan of somebody who knows the ground.""",
        Scoring(metric="share_of_best_return", direction="max", limit=1.0),
    ),
    "shortfall": (
        "Planning a safe journey",
        """The journey has succeeded if it reaches the goal within {moves_left} moves. The score of a case is by how
        much the probability of success from the start falls short of that of somebody who knows the ground and plans
        for every move, as a share of the latter.""",
        Scoring(metric="shortfall_of_success", direction="min", limit=0.0),
    ),
}


def _knobs(rng: random.Random) -> Knobs:
    objective, size, slip = rng.choice(list(OBJECTIVES)), rng.choice([6, 7, 8, 9]), rng.choice(list(SLIPS))
    hurried = objective == "shortfall"
    return {
        "objective": objective,
        "size": size,
        "slip": slip,
        "wind": rng.randrange(4) if slip == "wind" else 0,
        "terrains": rng.choice([3, 4, 5]),
        "firm": rng.choice([0.05, 0.1, 0.2]),
        "slippery": rng.choice([[0.3, 0.6], [0.3, 0.8], [0.5, 0.8]]),
        "walls": rng.choice([0.08, 0.12, 0.16]),
        "pits": rng.choice([0.1, 0.14, 0.18]),
        "logged": rng.choice([50, 100, 200, 400]),
        "aimed": rng.choice([0.0, 0.0, 0.5]),
        "shown": rng.random() < 0.6,
        "discount": 1.0 if hurried else rng.choice([0.85, 0.9, 0.95]),
        "moves_left": rng.choice([3, 4, 6]) * size if hurried else 150,
    }


def _draft(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    place, wrong = SLIPS[knobs["slip"]]
    title, score, scoring = OBJECTIVES[knobs["objective"]]
    letters = ", ".join(f"`{letter}`" for letter in "abcde"[: knobs["terrains"]])
    ground = (
        f"The map shows the terrains as the letters {letters}."
        if knobs["shown"]
        else "The map does not show the terrains: all ground is `.`, but a terrain lies in patches of several cells."
    )
    walker = (
        "half of whose moves went towards the goal, the others anywhere"
        if knobs["aimed"]
        else "whose moves went anywhere"
    )
    wrong = wrong.format(wind=ACTIONS[knobs["wind"]])
    low, high = knobs["slippery"]
    goal = f"""
        A robot has to cross a grid of {knobs["size"]} by {knobs["size"]} cells to the goal. Moves into a wall or over
        the edge leave it where it is, and a pit ends the journey with nothing. The ground is slippery: with some
        probability, {wrong}. That probability depends on the terrain of the cell that the robot is on. There are
        {knobs["terrains"]} terrains. In every case each of them is firm or slippery, with even chances, and has a
        probability of its own: 0 to {knobs["firm"]} where it is firm, {low} to {high} where it is slippery. Nobody
        tells you which. On the start cell no move goes wrong. {ground}

        What you have are logs of {knobs["logged"]} moves on the same ground by a walker {walker}; it was put on another
        cell after at most 25 moves. {score.format(**knobs)} Every map is a case.
    """
    interface = f"""
        `plan(cells, logs) -> list` is called once for every case. `cells` lists {knobs["size"]} strings of
        {knobs["size"]} characters: `S` is the start, `G` the goal, `#` a wall, `X` a pit, and the others are ground.
        `logs` lists moves `[place, action, next]`, where cells are numbered from 0, row by row. Actions are 0 for north
        (a row up), 1 for east, 2 for south and 3 for west. Return a list of {knobs["size"] ** 2} actions, one for every
        cell, row by row; those of walls, pits and the goal do not matter.
    """
    controls = {
        f"always-{name}": render(f"{NAME}/constant.py.jinja", name=name, action=action, size=knobs["size"])
        for action, name in enumerate(ACTIONS)
    }
    return draft_code(
        task_id,
        knobs,
        salt,
        family=NAME,
        category="reinforcement learning",
        title=f"{title} {place}",
        goal=goal,
        interface=interface,
        submission=CodeSubmission(file="planning.py", functions=["plan"]),
        scoring=scoring,
        controls={**controls, "random": render(f"{NAME}/random.py.jinja", size=knobs["size"])},
    )


SLIPPERY_GRID = Family(
    name=NAME,
    category="reinforcement learning",
    description="Plan over slippery ground from a map and logged moves; maximise the return or the chances.",
    knobs=_knobs,
    draft=_draft,
)
