"""Connection games: a number of stones in a row on boards of many shapes, against a population of scripted players."""

from __future__ import annotations

import random

from mlgym_synth.synthesis.templates.code_drafts import draft_code
from mlgym_synth.synthesis.templates.family import Family, Knobs, render
from mlgym_synth.tasks.recipe import CodeSubmission, Scoring
from mlgym_synth.tasks.suite import TaskFiles

NAME = "connection-game"

KINDS = {
    "guard": "guards complete a line if they can, else prevent yours, else make any move",
    "copier": "copiers complete or prevent a line too, and else move where your chances are better than theirs",
    "builder": "builders complete or prevent a line too, and else go where most and longest open lines run",
    "planner": "planners do what builders do{meaning}, but {care}",
}
CARE = {
    True: "do not prepare the cell that you need",
    False: "look for two threats at once, their own and yours",
}
# Rows, columns and stones in a row, by (gravity, wrap): on others one side wins always, or nobody ever does.
BOARDS = {
    (True, False): [(5, 6, 4), (6, 6, 4), (6, 7, 4), (5, 7, 4), (7, 7, 4), (6, 8, 4), (7, 6, 4), (5, 8, 4)],
    (True, True): [(6, 7, 5), (7, 7, 5), (7, 8, 5), (6, 9, 5), (6, 8, 5)],
    (False, False): [(7, 7, 5), (6, 8, 5), (7, 8, 5), (8, 7, 5)],
    (False, True): [(6, 7, 5), (7, 7, 5), (6, 8, 5)],
}
POPULATIONS = [
    ["guard", "builder"],
    ["guard", "planner"],
    ["copier", "builder"],
    ["copier", "planner"],
    ["guard", "builder", "planner"],
    ["copier", "builder", "planner"],
    ["guard", "copier", "planner"],
]


def _knobs(rng: random.Random) -> Knobs:
    gravity, wrap = rng.random() < 0.6, rng.random() < 0.3
    rows, columns, length = rng.choice(BOARDS[gravity, wrap])
    return {
        "gravity": gravity,
        "rows": rows,
        "columns": columns,
        "length": length,
        "wrap": wrap,
        "kinds": rng.choice(POPULATIONS),
        "stumble": round(rng.uniform(0.03, 0.15), 2),
        "head_start": rng.choice([0, 0, 1]) if gravity else 0,
        "opening": rng.choice(["turns", "turns", "they"] if gravity else ["turns", "they"]),
    }


def _draft(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    rows, columns, length, gravity = (knobs[name] for name in ("rows", "columns", "length", "gravity"))
    stones = {4: "four", 5: "five"}[length]
    title = f"{stones.capitalize()} in a row" + (" on a cylinder" if knobs["wrap"] else "")
    title += " with falling stones" if gravity else " on an open board"
    falls = (
        "A move names a column, and the stone falls to its lowest free cell."
        if gravity
        else "A move names any free cell."
    )
    edges = " The board is a cylinder: its left and its right edge are joined." if knobs["wrap"] else ""
    opening = {"turns": "You and the opponent open by turns", "they": "The opponent opens every game"}
    first = opening[knobs["opening"]]
    ahead = ", and one stone of the opponent lies on the board already" if knobs["head_start"] else ""
    # Who planners are can be said only by saying who builders are.
    meaning = "" if "builder" in knobs["kinds"] else " (complete or prevent a line, else follow the best open lines)"
    kinds = "; ".join(
        KINDS[kind].format(meaning=meaning, care=CARE[gravity]) for kind in KINDS if kind in knobs["kinds"]
    )
    goal = f"""
        Two players put stones on a board of {rows} rows and {columns} columns by turns, and who first has {length} in a
        row, across, down or diagonally, wins. {falls}{edges} {first}{ahead}.

        You play one game against each of many opponents: {kinds}. With probability {knobs["stumble"]} an
        opponent makes any move instead of the intended one. They are of these kinds in equal
        shares, and you are not told which you face; their code is public, in `simulate.py`. A case is a game, and its
        score is 1 for a win, 0.5 for a draw and 0 for a loss.
    """
    moves = f"columns, 0 to {columns - 1}" if gravity else "cells"
    interface = f"""
        `move(board, moves) -> int` is called whenever it is your turn. `board` lists the {rows * columns} cells, row by
        row from the top: 0 is free, 1 is yours and 2 the opponent's. `moves` lists the moves that are possible:
        {moves}{"" if gravity else " by their number, from 0"}. Return one of them. All games are played side by side,
        so a call must not rely on the call before it.
    """
    controls = {
        f"{name}-move": render(f"{NAME}/constant.py.jinja", name=name, place=place)
        for name, place in (("first", 0), ("last", -1))
    }
    return draft_code(
        task_id,
        knobs,
        salt,
        family=NAME,
        category="games",
        title=title,
        goal=goal,
        interface=interface,
        submission=CodeSubmission(file="player.py", functions=["move"]),
        scoring=Scoring(metric="points_per_game", direction="max", limit=1.0),
        controls={**controls, "random": render(f"{NAME}/random.py.jinja")},
        values={"depth": 3, "width": 7 if gravity else 5},
    )


CONNECTION_GAME = Family(
    name=NAME,
    category="games",
    description="Get stones in a row, with or without gravity, against scripted players; maximise the points.",
    knobs=_knobs,
    draft=_draft,
)
