"""One-card poker: Kuhn's game with more cards, raises and an open card, against a population of fixed strategies."""

from __future__ import annotations

import random

from mlgym_synth.synthesis.templates.code_drafts import draft_code
from mlgym_synth.synthesis.templates.family import Family, Knobs, render
from mlgym_synth.tasks.recipe import CodeSubmission, Scoring
from mlgym_synth.tasks.suite import TaskFiles

NAME = "one-card-poker"

# The strengths above which they bet, call and raise, and how often they bet on a weak hand.
TRAITS = {
    "rock": [0.8, 0.65, 0.95, 0.0],
    "caller": [0.85, 0.15, 1.0, 0.0],
    "maniac": [0.3, 0.25, 0.6, 0.7],
    "bluffer": [0.75, 0.5, 0.9, 0.6],
    "honest": [0.55, 0.45, 0.8, 0.05],
    "trapper": [1.0, 0.4, 0.7, 0.2],
    "scared": [0.6, 0.85, 1.0, 0.3],
}
KINDS = {
    "rock": "rocks bet and call with strong hands alone",
    "caller": "callers hardly ever bet and hardly ever fold",
    "maniac": "maniacs bet and raise with almost anything",
    "bluffer": "bluffers often bet on the weakest hands",
    "honest": "honest players bet on good hands and call with fair ones",
    "trapper": "trappers check their strong hands in order to raise",
    "scared": "scared players give up when somebody bets",
}


def _knobs(rng: random.Random) -> Knobs:
    open_card, ante = rng.random() < 0.5, rng.choice([1, 1, 2])
    # Where nobody calls with fair hands, or a bet is small beside the pot, betting always is hard to beat.
    kinds = [rng.choice(["caller", "maniac"]), *rng.sample(["rock", "bluffer", "honest", "trapper", "scared"], 2)]
    return {
        "ranks": rng.choice([4, 5, 6, 8, 10]),
        "copies": rng.choice([2, 3, 4] if open_card else [1, 2, 4]),
        "open_card": open_card,
        "ante": ante,
        "bet": ante * rng.choice([2, 3, 4]),
        "raises": rng.choice([1, 2, 3]),
        "hands": rng.choice([30, 40, 50]),
        "shown": rng.random() < 0.4,
        "kinds": sorted(kinds[: rng.choice([2, 3])]),
        "jitter": rng.choice([0.05, 0.1, 0.15]),
    }


def _draft(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    ranks, copies, ante, bet, raises = (knobs[name] for name in ("ranks", "copies", "ante", "bet", "raises"))
    cards = "one card" if copies == 1 else f"{copies} cards"
    table = (
        """Another card lies open on the table. Who holds one of its rank has a pair, which beats all hands without one;
        otherwise the higher card wins."""
        if knobs["open_card"]
        else "The higher card wins."
    )
    betting = {
        1: f"There is one bet of {bet} chips at most, which the other can call or fold to.",
        2: f"A bet is {bet} chips, and may be raised once by as much.",
        3: f"A bet is {bet} chips, and may be raised by as much, and raised again.",
    }[raises]
    shown = (
        "After every hand both cards are shown."
        if knobs["shown"]
        else "The cards are shown after a showdown, but not if somebody folded."
    )
    goal = f"""
        In this small kind of poker a deck has {ranks} ranks, 0 to {ranks - 1}, with {
        cards
    } of each. Both players put in
        {ante} chip{"s"[: ante > 1]} and get one card. {table} Equal hands share the pot. {
        betting
    } Players act by turns:
        who is first may check or bet, and after two checks, a call or a fold the hand is over. {shown}

        You play {knobs["hands"]} hands against each of many opponents, and are first in every other one. Opponents have
        fixed strategies with hidden traits, and you are not told which kind you face: {
        "; ".join(KINDS[kind] for kind in knobs["kinds"])
    }. `tendencies` in `simulate.py` is their very code. Write a player that finds out what an opponent does wrong and
        makes the most of it. Every hand is begun with {ante + raises * bet} chips, the most that it can cost. A case is
        an opponent, and its score is your mean stack after a hand.
    """
    interface = f"""
        `act(card, table, actions, moves, past) -> int` is called whenever it is your turn. `card` is your card and
        `table` the open card{"" if knobs["open_card"] else ", always -1 here"}. `actions` is a string of the actions in
        this hand so far, of both players: `k` for check, `b` for bet or raise, `c` for call, `f` for fold. `moves`
        lists what is possible: 0 is fold, 1 is check or call, 2 is bet or raise. `past` lists the hands so far against
        this opponent, oldest first, each as `[yours, theirs, table, first, actions]`: both cards (-1 for one that was
        not shown), the open card, whether you were first (1 or 0), and the actions. Return one of `moves`. All
        opponents are played side by side, so a call must not rely on the call before it.
    """
    constants = {"fold": 0, "pass": 1, "bet": 2}
    names = {"fold": "fold", "pass": "check or call", "bet": "bet or raise"}
    controls = {
        f"always-{name}": render(f"{NAME}/constant.py.jinja", name=names[name], move=move)
        for name, move in constants.items()
    }
    title = "One-card poker" + (" with an open card" if knobs["open_card"] else "")
    title += {1: " and a single bet", 2: " and one raise", 3: " and two raises"}[raises]
    return draft_code(
        task_id,
        knobs,
        salt,
        family=NAME,
        category="games",
        title=title,
        goal=goal,
        interface=interface,
        submission=CodeSubmission(file="player.py", functions=["act"]),
        scoring=Scoring(metric="mean_stack", direction="max", limit=2.0 * (ante + raises * bet)),
        controls={**controls, "random": render(f"{NAME}/random.py.jinja")},
        values={"traits": TRAITS},
    )


ONE_CARD_POKER = Family(
    name=NAME,
    category="games",
    description="Play Kuhn-like poker against a hidden population of fixed strategies; maximise the stack.",
    knobs=_knobs,
    draft=_draft,
)
