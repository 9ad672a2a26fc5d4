"""Repeated two-player matrix games against a hidden population of opponents."""

from __future__ import annotations

import random
from dataclasses import dataclass

from mlgym_synth.synthesis.templates.code_drafts import draft_code
from mlgym_synth.synthesis.templates.family import Family, Knobs, render
from mlgym_synth.tasks.recipe import CodeSubmission, Scoring
from mlgym_synth.tasks.suite import TaskFiles

NAME = "repeated-game"

KINDS = {
    "biased": "biased players draw every move from one fixed distribution",
    "cycle": "cycling players repeat a short sequence of moves",
    "markov": "Markov players draw the next move depending on their own last one",
    "reactive": "reactive players draw the next move depending on your last one",
    "copycat": "copycats make the move that you made last",
    "shifter": "shifters keep a move that paid well and go on to another one if it did not",
    "counter": "counter players make the best response to your recent moves",
}


@dataclass(frozen=True)
class _Game:
    title: str
    actions: list[str]
    story: str


GAMES = {
    "rock-paper-scissors": _Game(
        "Rock-paper-scissors for points",
        ["rock", "paper", "scissors"],
        "Rock beats scissors, scissors beat paper and paper beats rock, but wins are worth different numbers.",
    ),
    "lizard-spock": _Game(
        "Rock-paper-scissors-lizard-Spock",
        ["rock", "spock", "paper", "lizard", "scissors"],
        "Each of the five moves beats two others and loses to two, and wins are worth different numbers of points.",
    ),
    "one-up": _Game(
        "One up on a ring of six",
        ["zero", "one", "two", "three", "four", "five"],
        "Six numbers lie on a ring. You score most for being exactly one step ahead of the other, less for two steps.",
    ),
    "undercut": _Game(
        "Undercut",
        ["one", "two", "three", "four", "five"],
        "Both players name a number and score it, and who names exactly one less than the other scores a bonus on top.",
    ),
    "meeting-place": _Game(
        "Meeting without a word",
        ["station", "market", "harbour", "tower"],
        "You score only where both choose the same place, and some places are worth more than others.",
    ),
}


def _payoff(game: str, rng: random.Random) -> list[list[int]]:
    """Draws PAYOFF[own][other]; never negative, so that scores can be compared as ratios."""
    match game:
        case "rock-paper-scissors" | "lizard-spock":
            size = len(GAMES[game].actions)
            # On the circle of an odd number of moves each beats those an odd number of places before it.
            return [
                [1 if own == other else rng.randint(2, 4) if (own - other) % size % 2 else 0 for other in range(size)]
                for own in range(size)
            ]
        case "one-up":
            ahead = {1: rng.randint(3, 5), 2: rng.randint(1, 2)}
            return [[ahead.get((own - other) % 6, 0) for other in range(6)] for own in range(6)]
        case "undercut":
            bonus = rng.randint(4, 8)
            numbers = range(1, 6)
            return [[own + (bonus if own == other - 1 else 0) for other in numbers] for own in numbers]
        case _:
            worth = rng.choices(range(4, 7), k=4)
            return [[worth[own] if own == other else 0 for other in range(4)] for own in range(4)]


def _knobs(rng: random.Random) -> Knobs:
    game = rng.choice(list(GAMES))
    return {
        "game": game,
        "actions": GAMES[game].actions,
        "payoff": _payoff(game, rng),
        "rounds": rng.choice([30, 40, 50]),
        "noise": rng.choice([0.0, 0.05, 0.1]),
        "kinds": ["biased", *sorted(rng.sample(sorted(KINDS.keys() - {"biased"}), rng.choice([2, 3, 4])))],
    }


def _draft(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    game = GAMES[knobs["game"]]
    moves = ", ".join(f"{move} ({number})" for number, move in enumerate(knobs["actions"]))
    noise = (
        f" With probability {knobs['noise']} an opponent makes a random move instead of the one it intended."
        if knobs["noise"]
        else ""
    )
    goal = f"""
        {game.story} The moves are {moves}; `PAYOFF[own][other]` in `simulate.py` is what a player gets.

        You play {knobs["rounds"]} rounds against each of many opponents, without knowing which kind of player you
        face: {"; ".join(KINDS[kind] for kind in knobs["kinds"])}. The parameters differ from opponent to
        opponent and are hidden.{noise} Write a strategy that finds out during the game whom it plays against and
        makes the most of it. The score against an opponent is the mean payoff per round.
    """
    interface = f"""
        `strategy(history) -> int` is called once a round. `history` lists the rounds played so far against this
        opponent, oldest first, each as `[yours, theirs]`; in the first round it is empty. Return the number of your
        move, 0 to {len(knobs["actions"]) - 1}. The games against all opponents are played side by side, so a call
        must not rely on the call before it.
    """
    constants = {
        f"always-{name}": render(f"{NAME}/constant.py.jinja", name=name, move=move)
        for move, name in enumerate(knobs["actions"])
    }
    return draft_code(
        task_id,
        knobs,
        salt,
        family=NAME,
        category="games",
        title=game.title,
        goal=goal,
        interface=interface,
        submission=CodeSubmission(file="strategy.py", functions=["strategy"]),
        scoring=Scoring(metric="mean_payoff", direction="max", limit=float(max(map(max, knobs["payoff"])))),
        controls={**constants, "random": render(f"{NAME}/random.py.jinja", payoff=knobs["payoff"])},
    )


REPEATED_GAME = Family(
    name=NAME,
    category="games",
    description="Play a repeated matrix game against a hidden population of opponents.",
    knobs=_knobs,
    draft=_draft,
)
