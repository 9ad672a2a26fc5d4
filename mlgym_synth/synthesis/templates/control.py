"""Gymnasium's classic control with other physics, noisy sensors, hidden velocities and delayed actions."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from mlgym_synth.synthesis.templates.code_drafts import draft_code
from mlgym_synth.synthesis.templates.family import Family, Knobs, render
from mlgym_synth.tasks.recipe import CodeSubmission, Scoring
from mlgym_synth.tasks.suite import TaskFiles

NAME = "classic-control"


@dataclass(frozen=True)
class _System:
    title: str
    environment: str
    goal: str
    sensors: list[str]
    history: int
    action: str
    scoring: Scoring
    score: str
    knobs: Callable[[random.Random], Knobs]


def _cart_pole_knobs(rng: random.Random) -> Knobs:
    gravity = round(rng.uniform(8.0, 14.0), 1)
    velocities = rng.random() < 0.5
    delay = rng.choice([2, 3] if velocities else [1, 2])
    # What makes a pole hard to balance is the dead time, a step of 0.02 s more where velocities have to be estimated,
    # in units of the time in which the pole falls. Below this range every rule balances it, above it hardly any.
    dead_time = 0.02 * (delay if velocities else delay + 1)
    length = 0.75 * gravity * (dead_time / (rng.uniform(0.29, 0.36) if velocities else rng.uniform(0.26, 0.33))) ** 2
    return {
        "gravity": gravity,
        "mass": rng.choice([0.05, 0.1, 0.2, 0.3]),
        "length": round(length, 2),
        "force": float(rng.choice([8, 10, 12])),
        "visible": [0, 1, 2, 3] if velocities else [0, 2],
        "noise": rng.choice([0.004, 0.008, 0.012]),
        "delay": delay,
        "spread": rng.choice([0.03, 0.05]),
    }


def _pendulum_knobs(rng: random.Random) -> Knobs:
    gravity, mass = round(rng.uniform(6.0, 14.0), 1), round(rng.uniform(0.5, 2.0), 1)
    length = round(rng.uniform(0.7, 1.4), 1)
    return {
        "gravity": gravity,
        "mass": mass,
        "length": length,
        # As a share of the torque that holds the pendulum level: too little to lift it without swinging.
        "torque": round(rng.uniform(0.2, 0.45) * mass * gravity * length / 2, 2),
        "visible": rng.choice([[0, 1, 2], [0, 1]]),
        "noise": rng.choice([0.0, 0.02, 0.05]),
        "delay": rng.choice([0, 1, 2]),
    }


def _acrobot_knobs(rng: random.Random) -> Knobs:
    return {
        "lengths": [round(rng.uniform(0.8, 1.2), 1), round(rng.uniform(0.8, 1.2), 1)],
        "masses": [round(rng.uniform(0.7, 1.3), 1), round(rng.uniform(0.7, 1.3), 1)],
        "torque": round(rng.uniform(0.7, 1.2), 1),
        "visible": rng.choice([[0, 1, 2, 3, 4, 5], [0, 1, 2, 3]]),
        "noise": rng.choice([0.0, 0.01, 0.02]),
        "delay": rng.choice([0, 1]),
    }


def _draft(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    system = SYSTEMS[knobs["system"]]
    hidden = len(knobs["visible"]) < len(system.sensors)
    delay, noise = knobs["delay"], knobs["noise"]
    troubles = [
        *(["the velocities are not measured"] if hidden else []),
        *([f"the sensors are noisy (Gaussian, standard deviation {noise})"] if noise else []),
        *([f"an action takes effect only {delay} step{'s' if delay > 1 else ''} after it was chosen"] if delay else []),
    ]
    goal = f"""
        {system.goal} The world is Gymnasium's {system.environment} with other physics; `simulate.py` has the very
        code that is scored, so the physics is known. {_sentence(troubles)}

        Write a controller. Every episode is a case, and its score is {system.score}.
    """
    interface = f"""
        `act(observations, actions)` is called at every step. `observations` lists the latest {system.history}
        observations or fewer, the newest last; each lists
        {", ".join(system.sensors[index] for index in knobs["visible"])}.
        `actions` lists the latest {system.history + delay} actions that were chosen, or fewer, the newest last. Return
        {system.action.format(**knobs)}. All episodes are played side by side, so a call must not rely on the call
        before it.
    """
    folder = f"{NAME}/{knobs['system']}"
    constants, draw = _trivial_actions(knobs)
    controls = {
        f"always-{number}": render(f"{NAME}/constant.py.jinja", action=action)
        for number, action in enumerate(constants)
    }
    return draft_code(
        task_id,
        knobs,
        salt,
        family=NAME,
        folder=folder,
        category="reinforcement learning",
        title=system.title + (" by its angles alone" if hidden else " with slow hands" if delay > 1 else ""),
        goal=goal,
        interface=interface,
        submission=CodeSubmission(file="policy.py", functions=["act"]),
        scoring=system.scoring,
        controls={**controls, "random": render(f"{NAME}/random.py.jinja", draw=draw)},
    )


def _sentence(troubles: list[str]) -> str:
    if not troubles:
        return ""
    text = ", and ".join([", ".join(troubles[:-1]), troubles[-1]] if len(troubles) > 1 else troubles)
    return f"What makes it hard: {text}."


def _trivial_actions(knobs: Knobs) -> tuple[list[float], str]:
    """The actions of the constant controls, and the expression by which the random one draws."""
    match knobs["system"]:
        case "cart-pole":
            return [0, 1], "RNG.randrange(2)"
        case "acrobot":
            return [0, 1, 2], "RNG.randrange(3)"
        case _:
            torque = knobs["torque"]
            return [0.0, torque], f"RNG.uniform({-torque}, {torque})"


SYSTEMS = {
    "cart-pole": _System(
        title="Balancing a pole on a cart",
        environment="CartPole-v1",
        goal="""A pole stands on a cart that can only be pushed to the left or to the right with full force. Keep the
        pole upright and the cart on its track for 300 steps.""",
        sensors=["cart position", "cart velocity", "pole angle", "pole angular velocity"],
        history=8,
        action="0 to push to the left or 1 to push to the right",
        scoring=Scoring(metric="steps_upright", direction="max", limit=300.0),
        score="the number of steps that it lasts",
        knobs=_cart_pole_knobs,
    ),
    "pendulum": _System(
        title="Swinging up a weak pendulum",
        environment="Pendulum-v1",
        goal="""A pendulum hangs down, and its motor is too weak to lift it in one go. Swing it up and hold it upright;
        every one of 200 steps costs the squared angle from the upright position plus 0.1 times the squared angular
        velocity plus 0.001 times the squared torque.""",
        sensors=["the cosine of the angle", "its sine", "the angular velocity"],
        history=10,
        action="the torque, a number from -{torque} to {torque}",
        scoring=Scoring(metric="cost_per_episode", direction="min", limit=0.0),
        score="its total cost",
        knobs=_pendulum_knobs,
    ),
    "acrobot": _System(
        title="Swinging up a two-link robot",
        environment="Acrobot-v1",
        goal="""Two links hang from a fixed point, and a motor drives only the joint between them. Swing the tip above
        the target height in as few steps as possible; an episode ends there, or after 250 steps.""",
        sensors=[
            "the cosine of the first angle",
            "its sine",
            "the cosine of the second angle (relative to the first link)",
            "its sine",
            "the first angular velocity",
            "the second angular velocity",
        ],
        history=6,
        action="0, 1 or 2 for negative, no or positive torque",
        scoring=Scoring(metric="steps_to_target", direction="min", limit=0.0),
        score="the number of steps before the tip is high enough",
        knobs=_acrobot_knobs,
    ),
}


def _knobs(rng: random.Random) -> Knobs:
    system = rng.choice(list(SYSTEMS))
    return {"system": system, **SYSTEMS[system].knobs(rng)}


CLASSIC_CONTROL = Family(
    name=NAME,
    category="reinforcement learning",
    description="Control a cart-pole, pendulum or acrobot with changed physics and imperfect sensors.",
    knobs=_knobs,
    draft=_draft,
)
