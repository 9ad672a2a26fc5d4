"""Bandits whose arms change: they jump, drift, start over or follow seasons, with or without a price for switching."""

from __future__ import annotations

import random

from mlgym_synth.synthesis.templates.code_drafts import draft_code
from mlgym_synth.synthesis.templates.family import Family, Knobs, render
from mlgym_synth.tasks.recipe import CodeSubmission, Scoring
from mlgym_synth.tasks.suite import TaskFiles

NAME = "changing-bandit"

CHANGES = {
    "still": ("Choosing among still arms", "The mean reward of an arm never changes."),
    "jumps": (
        "Choosing among arms that jump",
        """After every round each arm draws a new mean reward with probability {rate}, from the same interval, and
        nobody tells you.""",
    ),
    "restarts": (
        "Choosing among arms that start over",
        """After every round all arms draw new mean rewards together with probability {rate}, from the same interval,
        and nobody tells you.""",
    ),
    "drift": (
        "Choosing among arms that drift",
        """After every round the mean reward of each arm moves by a Gaussian step of standard deviation {rate}, and is
        reflected at the ends of the interval.""",
    ),
    "seasons": (
        "Choosing among arms with seasons",
        """To it comes a season, a sine of amplitude {swing} that repeats every {cycle} rounds; its phase is another one
        for each arm and hidden. The sum is cut off at 0 and 1.""",
    ),
}


def _knobs(rng: random.Random) -> Knobs:
    change = rng.choice(list(CHANGES))
    reward = rng.choice(["hits", "normal"])
    low, high = rng.choice([(0.0, 1.0), (0.1, 0.9), (0.2, 0.8)])
    measure = rng.choice(["regret", "regret", "reward"])
    return {
        "change": change,
        **_change(change, rng),
        "arms": rng.choice([5, 6, 8] if change == "still" else [3, 4, 5, 6, 8]),
        "rounds": rng.choice([80, 100, 120]),
        "low": low,
        "high": high,
        "reward": reward,
        "noise": rng.choice([0.1, 0.2, 0.4]) if reward == "normal" else 0.0,
        "measure": measure,
        "switch_cost": rng.choice([0.0, 0.0, 0.05, 0.1]) if measure == "regret" else 0.0,
    }


def _change(change: str, rng: random.Random) -> Knobs:
    match change:
        case "jumps" | "restarts":
            return {"rate": rng.choice([0.01, 0.02, 0.04])}
        case "drift":
            return {"rate": rng.choice([0.02, 0.04, 0.06])}
        case "seasons":
            return {"swing": rng.choice([0.2, 0.3, 0.4]), "cycle": rng.choice([10, 20, 40])}
        case _:
            return {}


def _draft(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    title, change = CHANGES[knobs["change"]]
    reward = (
        f"normally distributed around the mean reward of the arm with a standard deviation of {knobs['noise']}"
        if knobs["reward"] == "normal"
        else "1 with a probability that is the mean reward of the arm, and else 0"
    )
    switch = (
        f" Taking another arm than in the round before costs {knobs['switch_cost']}." if knobs["switch_cost"] else ""
    )
    paid = ", plus what switching cost, both per round" if knobs["switch_cost"] else ", per round"
    score = (
        "the mean reward (the mean itself, not what was drawn) of the arms that you took, averaged over the rounds"
        if knobs["measure"] == "reward"
        else f"""the regret: how much higher the mean reward of the best arm of each round is than that of the arm that
        you took{paid}"""
    )
    goal = f"""
        A machine has {knobs["arms"]} arms. In each of {knobs["rounds"]} rounds you take one and get its reward,
        {reward}. Mean rewards are hidden; every arm draws one at the beginning, evenly from {knobs["low"]} to
        {knobs["high"]}. {change.format(**knobs)}{switch}

        Write the rule by which arms are taken: it has to find out what is good now without losing much on what is not.
        A case is a machine, and its score is {score}.
    """
    interface = f"""
        `choose(history) -> int` is called once a round. `history` lists the rounds so far on this machine, oldest
        first, each as `[arm, reward]`; in the first round it is empty. Return the number of an arm, 0 to
        {knobs["arms"] - 1}. All machines are played side by side, so a call must not rely on the call before it.
    """
    scoring = (
        Scoring(metric="mean_reward", direction="max", limit=1.0)
        if knobs["measure"] == "reward"
        else Scoring(metric="regret_per_round", direction="min", limit=0.0)
    )
    return draft_code(
        task_id,
        knobs,
        salt,
        family=NAME,
        category="reinforcement learning",
        title=title,
        goal=goal,
        interface=interface,
        submission=CodeSubmission(file="bandit.py", functions=["choose"]),
        scoring=scoring,
        controls={name: render(f"{NAME}/{name}.py.jinja", **knobs) for name in ("constant", "turns", "random")},
    )


CHANGING_BANDIT = Family(
    name=NAME,
    category="reinforcement learning",
    description="Take arms whose rewards jump, drift, start over or follow seasons; minimise the regret.",
    knobs=_knobs,
    draft=_draft,
)
