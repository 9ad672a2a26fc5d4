"""Inventory control: order under uncertain demand, with lead times, fixed costs, batches and goods that go off."""

from __future__ import annotations

import random

from mlgym_synth.synthesis.templates.code_drafts import draft_code
from mlgym_synth.synthesis.templates.family import Family, Knobs, render
from mlgym_synth.tasks.recipe import CodeSubmission, Scoring
from mlgym_synth.tasks.suite import TaskFiles

NAME = "inventory-control"

GOODS = {  # title, what is sold, whether it goes off
    "bread": ("Ordering bread for bakeries", "loaves", True),
    "flowers": ("Ordering flowers for florists", "bunches", True),
    "blood": ("Ordering blood for hospitals", "units of blood", True),
    "spares": ("Ordering spare parts for garages", "spare parts", False),
    "books": ("Ordering books for bookshops", "books", False),
    "paint": ("Ordering paint for hardware stores", "tins", False),
}
PATTERNS = {
    "even": "It stays the same from period to period.",
    "seasonal": """It is multiplied by a season that all stores share and that comes again every {cycle} periods, from
        {low} to {high} (`season` in `simulate.py`).""",
    "growing": """It grows in all stores alike, from {low} times its mean in the first period to {high} times in the
        last (`season` in `simulate.py`).""",
    "switching": """Stores switch between busy times, with {high} times that, and quiet times, with {low} times; a
        switch comes in any period with probability {switching}, and nobody tells you.""",
    "bursts": """It is multiplied, in every period anew, by a number from a gamma distribution with mean 1 and shape
        {shape}.""",
    "rare": """Only with probability {share} is there any demand in a period, and then it is larger in proportion.""",
}


def _knobs(rng: random.Random) -> Knobs:
    goods = rng.choice(list(GOODS))
    perishable, lost = GOODS[goods][2], rng.random() < 0.5
    # Where goods go off or customers do not wait, and demand is wild, the same order every time is hard to beat.
    pattern = rng.choice(
        ["even", "seasonal", "growing", "switching", *([] if perishable or lost else ["bursts", "rare"])]
    )
    lowest = rng.choice([2, 4, 6])
    return {
        "goods": goods,
        "perishable": perishable,
        "life": rng.choice([2, 3, 5]) if perishable else 1,
        "waste": float(rng.choice([2, 5])) if perishable else 0.0,
        **_pattern(pattern, rng),
        "levels": [lowest, lowest * rng.choice([2, 3, 4])],
        "lead": rng.choice([1, 2] if perishable else [1, 2, 3] if lost else [1, 2, 4, 6]),
        "lost": lost,
        "shortage": float(rng.choice([9, 14, 19] if lost else [3, 5, 9, 19])),
        "fixed": float(rng.choice([0, 0, 15, 40])),
        "batch": rng.choice([1, 1, 4, 6]),
        "periods": rng.choice([40, 50, 60]),
        "largest_order": 240,
    }


def _pattern(pattern: str, rng: random.Random) -> Knobs:
    match pattern:
        case "seasonal":
            return {"pattern": pattern, "swing": rng.choice([0.4, 0.6, 0.8]), "cycle": rng.choice([7, 12, 20])}
        case "growing":
            return {"pattern": pattern, "swing": rng.choice([0.4, 0.6, 0.8])}
        case "switching":
            return {"pattern": pattern, "swing": rng.choice([0.4, 0.6, 0.8]), "switching": rng.choice([0.05, 0.1])}
        case "bursts":
            return {"pattern": pattern, "shape": rng.choice([1.0, 2.0])}
        case "rare":
            return {"pattern": pattern, "share": rng.choice([0.3, 0.5])}
        case _:
            return {"pattern": pattern}


def _draft(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    title, goods, _ = GOODS[knobs["goods"]]
    demand = PATTERNS[knobs["pattern"]].format(
        low=round(1 - knobs.get("swing", 0), 1), high=round(1 + knobs.get("swing", 0), 1), **knobs
    )
    late = "goes elsewhere, and is lost" if knobs["lost"] else "waits, and is served as soon as goods arrive"
    off = (
        f""" The {goods} can be sold in {knobs["life"]} periods, the one that follows their arrival first, and then have
        to be thrown away, which costs {knobs["waste"]:g} each. Old ones are sold first."""
        if knobs["perishable"]
        else ""
    )
    fixed = f", every order {knobs['fixed']:g}, however large it is" if knobs["fixed"] else ""
    batch = f" Orders are multiples of {knobs['batch']}." if knobs["batch"] > 1 else ""
    goal = f"""
        You order {goods} for many stores. An order arrives after {knobs["lead"]} period{"s"[: knobs["lead"] > 1]}, at
        the end of it.{batch} Every store has a mean demand of its own, from {knobs["levels"][0]} to
        {knobs["levels"][1]} a period, which you do not know; demands are Poisson distributed. {demand}{off}

        Whoever finds nothing {late}. Every one of the {goods} that is left at the end of a period costs 1, every
        customer who was not served (or still waits) costs {knobs["shortage"]:g} a period{fixed}. Write a rule that
        keeps the costs low. A case is a store over {knobs["periods"]} periods, and its score is its cost per period.
    """
    stock = (
        f"""`stock` lists what is in the store by age: {knobs["life"]} numbers, the first of which are the
        {goods} that can be sold in this period only"""
        if knobs["perishable"]
        else "`stock` is a list with one number: what is in the store"
    )
    pipeline = (
        f"lists the orders that are on their way, {knobs['lead'] - 1} in number, the next to arrive first"
        if knobs["lead"] > 1
        else "is empty here (it would list orders that are on their way for longer)"
    )
    interface = f"""
        `order(period, stock, backlog, pipeline, demands) -> int` is called at the beginning of every period. `period`
        counts from 0; {stock}. `backlog` is the number of customers who wait{
        " (always 0 here)" if knobs["lost"] else ""
    }, `pipeline` {pipeline}, and `demands`
        lists the demands of all periods so far, oldest first{
        ", those who found nothing included" if knobs["lost"] else ""
    }. Return the quantity to order, {
        "a multiple of " + str(knobs["batch"]) if knobs["batch"] > 1 else "a whole number"
    } from 0 to {knobs["largest_order"]}. All stores are run side by side, so a call must not rely on the call before
        it. `simulate.py` has the very code that is scored.
    """
    per_period = round(sum(knobs["levels"]) / 2 / knobs["batch"]) * knobs["batch"]
    constants = {"nothing": 0, "mean-demand": max(per_period, knobs["batch"])}
    controls = {
        name: render(f"{NAME}/constant.py.jinja", name=f"always {quantity}", quantity=quantity)
        for name, quantity in constants.items()
    }
    return draft_code(
        task_id,
        knobs,
        salt,
        family=NAME,
        category="reinforcement learning",
        title=title,
        goal=goal,
        interface=interface,
        submission=CodeSubmission(file="ordering.py", functions=["order"]),
        scoring=Scoring(metric="cost_per_period", direction="min", limit=0.0),
        controls={**controls, "random": render(f"{NAME}/random.py.jinja", **knobs)},
    )


INVENTORY_CONTROL = Family(
    name=NAME,
    category="reinforcement learning",
    description="Order goods under uncertain demand; minimise the costs of stock, shortage, orders and waste.",
    knobs=_knobs,
    draft=_draft,
)
