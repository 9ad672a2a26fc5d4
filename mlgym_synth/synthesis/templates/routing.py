"""Vehicle routing: tours, fleets with capacities, teams, urgent customers and prizes, over maps of many shapes."""

from __future__ import annotations

import random
from dataclasses import dataclass

from mlgym_synth.synthesis.templates.code_drafts import draft_code
from mlgym_synth.synthesis.templates.family import Family, Knobs, render
from mlgym_synth.tasks.recipe import CodeSubmission, Scoring
from mlgym_synth.tasks.suite import TaskFiles

NAME = "vehicle-routing"


@dataclass(frozen=True)
class _Plan:
    title: str
    goal: str
    amounts: str
    limit: str
    routes: str
    scoring: Scoring


_COSTS = (
    "The score of a case is {cost}, divided by that of a plain rule: go on to the nearest customer who is left{cut}."
)

PLANS = {
    "tour": _Plan(
        "Delivering parcels on one tour",
        "One courier starts at the depot and visits all customers. {home} Find a short tour. "
        + _COSTS.format(cost="the length of the tour", cut=""),
        "a list of ones here",
        "1 here",
        "exactly one route",
        Scoring(metric="length_over_nearest_neighbour", direction="min", limit=0.0),
    ),
    "capacity": _Plan(
        "Supplying shops with small vans",
        "Vans start at the depot, where there are as many as needed, and bring goods to all customers; no van may "
        "carry more than its capacity. {home} Find routes that are short in all. "
        + _COSTS.format(cost="the length of all routes", cut=", and send another van where the load is full"),
        "the load that each customer takes, with 0 for the depot",
        "the capacity of a van",
        "any number of routes whose loads are within the capacity",
        Scoring(metric="length_over_nearest_neighbour", direction="min", limit=0.0),
    ),
    "team": _Plan(
        "Sharing out inspections in a team",
        "{limit} inspectors start at the depot together and visit all customers between them. {home} The work is done "
        "when the last of them has finished, so find routes of which the longest is short. "
        + _COSTS.format(cost="the length of the longest route", cut=", and cut the tour into equally many visits"),
        "a list of ones here",
        "the number of inspectors",
        "at most `limit` routes",
        Scoring(metric="longest_over_nearest_neighbour", direction="min", limit=0.0),
    ),
    "latency": _Plan(
        "Visiting patients in order of urgency",
        "One nurse starts at the depot and visits all patients (the customers). A patient waits until the nurse "
        "arrives, some more urgently than others, so the sum of the arrival times, each times the patient's weight, "
        "has to be small. " + _COSTS.format(cost="that sum", cut=""),
        "the weights of the patients, with 0 for the depot",
        "1 here",
        "exactly one route",
        Scoring(metric="waiting_over_nearest_neighbour", direction="min", limit=0.0),
    ),
    "prize": _Plan(
        "Collecting samples with a short battery",
        "One drone starts at the depot and collects samples at the sites (the customers), but its battery does not "
        "last for all of them. {home} Choose sites and a route within the range so that the samples collected are "
        "worth most. The score of a case is the worth of the samples collected as a share of all.",
        "the worth of each site's sample, with 0 for the depot",
        "the range: the longest route that is possible",
        "exactly one route, which may leave customers out",
        Scoring(metric="share_of_prizes", direction="max", limit=1.0),
    ),
}
GEOMETRIES = {
    "uniform": "Customers are spread evenly over a square of 1000 by 1000.",
    "clusters": "Customers live in five villages, some of which may have grown together.",
    "ring": "Customers live on a wide ring around an empty middle.",
    "corridor": "Customers live in a long valley, 1600 from west to east and 250 from south to north.",
}
DISTANCES = {
    "straight": "Distances are straight lines",
    "blocks": "Distances are counted along streets that run east to west and south to north",
    "chessboard": "Distances are the larger of the two differences of coordinates, as for a king on a chessboard",
}
DEPOTS = {"centre": "in the middle", "corner": "in the south-western corner", "random": "at a place like a customer's"}


def _knobs(rng: random.Random) -> Knobs:
    plan = rng.choice(list(PLANS))
    return {
        "plan": plan,
        "customers": rng.choice([20, 24, 28, 32, 36]),
        "geometry": rng.choice(list(GEOMETRIES)),
        "distance": rng.choice(list(DISTANCES)),
        "wind": rng.choice([0.0, 0.2, 0.4]),
        "depot": rng.choice(list(DEPOTS)),
        "round_trip": plan != "latency" and rng.random() < 0.7,
        "skewed": plan in ("capacity", "latency", "prize") and rng.random() < 0.5,
        "limit": _limit(plan, rng),
    }


def _limit(plan: str, rng: random.Random) -> float:
    """Vehicles that a fleet's loads fill, members of a team, or the range as a share of a plain tour."""
    match plan:
        case "capacity":
            return rng.choice([3, 4, 5, 6])
        case "team":
            return rng.choice([2, 3, 4])
        case "prize":
            return rng.choice([0.3, 0.4, 0.5, 0.6])
        case _:
            return 1


def _draft(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    plan = PLANS[knobs["plan"]]
    home = "In the end everyone returns to it." if knobs["round_trip"] else "Routes end at their last customers."
    wind = (
        f", less {knobs['wind']:.0%} of the way made to the east: a strong wind from the west makes it dear to go back"
        if knobs["wind"]
        else ""
    )
    amounts = ""
    if knobs["plan"] in ("capacity", "latency", "prize"):
        drawn = "1, 2 or 3 for most customers and 10 for a few" if knobs["skewed"] else "whole numbers from 1 to 9"
        amounts = f" The customers' amounts are {drawn}."
    goal = f"""
        {plan.goal.format(home=home, **knobs)}

        A case has {knobs["customers"]} customers. {GEOMETRIES[knobs["geometry"]]} The depot is
        {DEPOTS[knobs["depot"]]}. {DISTANCES[knobs["distance"]]}{wind}.{amounts}
    """
    interface = f"""
        `route(distances, amounts, limit) -> list` is called once for every case. `distances[a][b]` is the distance
        from a to b, a whole number; 0 is the depot and the customers are 1 to {knobs["customers"]}. `amounts` is
        {plan.amounts}, and `limit` is {plan.limit}. Return {plan.routes}: a list of lists of customers, each in the
        order of the visits and without the depot. Nobody is visited twice.

        All cases are handed over in one call, and the time for it is limited, but only the routes count.
    """
    return draft_code(
        task_id,
        knobs,
        salt,
        family=NAME,
        category="algorithmic heuristics",
        title=plan.title,
        goal=goal,
        interface=interface,
        submission=CodeSubmission(file="routing.py", functions=["route"]),
        scoring=plan.scoring,
        controls={name: render(f"{NAME}/{name}.py.jinja", **knobs) for name in ("unserved", "random")},
    )


VEHICLE_ROUTING = Family(
    name=NAME,
    category="algorithmic heuristics",
    description="Plan tours, fleets, teams and prize collecting over maps; minimise cost or maximise prizes.",
    knobs=_knobs,
    draft=_draft,
)
