"""Labelling graphs: colours, time slots, independent sets, dominating sets and cuts, on graphs of many kinds."""

from __future__ import annotations

import random
from dataclasses import dataclass

from mlgym_synth.synthesis.templates.code_drafts import draft_code
from mlgym_synth.synthesis.templates.family import Family, Knobs, render
from mlgym_synth.tasks.recipe import CodeSubmission, Scoring
from mlgym_synth.tasks.suite import TaskFiles

NAME = "graph-labelling"


@dataclass(frozen=True)
class _Problem:
    title: str
    goal: str
    labels: str
    weighted: bool
    scoring: Scoring


PROBLEMS = {
    "colouring": _Problem(
        "Assigning frequencies to transmitters",
        """Transmitters (nodes) that are neighbours must not send on the same frequency (label). Get along with few
        frequencies. The score of a graph is the number of different labels, divided by the size of a large clique,
        whose nodes need a label each.""",
        "frequencies, numbers from 0 to {last}; neighbours have different ones",
        False,
        Scoring(metric="labels_over_clique", direction="min", limit=1.0),
    ),
    "slots": _Problem(
        "Seating exams in early slots",
        """Exams (nodes) that are neighbours have students in common and must not take place in the same time slot
        (label). Exams want early slots, and the weight of an exam is the number of its students. The score of a graph
        is the mean slot over the students, counted from 1.""",
        "slots, numbers from 0 to {last}; neighbours have different ones",
        True,
        Scoring(metric="mean_slot", direction="min", limit=1.0),
    ),
    "independent": _Problem(
        "Choosing sites that do not disturb each other",
        """Sites (nodes) that are neighbours disturb each other, so of two neighbours at most one can be used. Choose
        sites of large weight in all. The score of a graph is the weight that is chosen, divided by an upper bound: of
        sites that are all neighbours of each other only the heaviest counts.""",
        "1 for a site that is chosen and 0 for the others; two neighbours are never both chosen",
        True,
        Scoring(metric="share_of_bound", direction="max", limit=1.0),
    ),
    "dominating": _Problem(
        "Placing depots that everyone can reach",
        """Every town (node) needs a depot in itself or in a neighbour, and the weight of a town is what a depot costs
        there. Choose towns that cost little in all. The score of a graph is the weight that is chosen, divided by a
        lower bound: towns without a common neighbour need a depot each.""",
        "1 for a town with a depot and 0 for the others; every town has a depot or a neighbour that has one",
        True,
        Scoring(metric="cost_over_bound", direction="min", limit=1.0),
    ),
    "cut": _Problem(
        "Splitting rivals into teams",
        """Neighbours are rivals and should come into different teams. There are {parts} teams of any size, and an edge
        counts as much as the weights of its two ends together. The score of a graph is the weight of all edges
        between teams, as a share of the weight of all edges.""",
        "teams, numbers from 0 to {parts_last}",
        True,
        Scoring(metric="share_cut", direction="max", limit=1.0),
    ),
}
GRAPHS = {
    "even": "Every two nodes are neighbours with the same probability.",
    "geometric": "Nodes are places in a square that you do not see, and those that lie near each other are neighbours.",
    "communities": "Nodes belong to four groups that you do not see, and two thirds of the edges stay within a group.",
    "small-world": "Nodes lie on a ring that you do not see, most neighbours are near, and some edges go anywhere.",
    "hubs": "A few nodes are hubs with many neighbours, and most nodes have few.",
}
WEIGHTS = {
    "equal": "All weights are 1.",
    "random": "Weights are whole numbers from 1 to 9.",
    "degree": "The weight of a node is its number of neighbours and 1 to 3 more.",
}


def _knobs(rng: random.Random) -> Knobs:
    problem = rng.choice(list(PROBLEMS))
    # Cuts into many parts are hard only where nodes have many neighbours, dominating sets where they have few.
    degrees = {"cut": [8, 10, 12, 16], "dominating": [4, 6, 8], "colouring": [12, 16, 20]}
    knobs = {
        "problem": problem,
        "graph": rng.choice(list(GRAPHS)),
        "nodes": rng.choice([50, 60, 70, 80, 100]),
        "degree": rng.choice(degrees.get(problem, [4, 6, 8, 12])),
        "weights": rng.choice(list(WEIGHTS)) if PROBLEMS[problem].weighted else "equal",
    }
    return {**knobs, "parts": rng.choice([2, 3, 4])} if problem == "cut" else knobs


def _draft(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    problem = PROBLEMS[knobs["problem"]]
    counts = {"last": knobs["nodes"] - 1, "parts": knobs.get("parts"), "parts_last": knobs.get("parts", 0) - 1}
    goal = f"""
        {problem.goal.format(**counts)}

        A graph has {knobs["nodes"]} nodes with about {knobs["degree"]} neighbours each on average.
        {GRAPHS[knobs["graph"]]} {WEIGHTS[knobs["weights"]]} Every graph is a case.
    """
    interface = f"""
        `label(edges, weights) -> list` is called once for every case. `edges` lists pairs of neighbours, `[a, b]` with
        a < b, nodes being numbered from 0 in no particular order; `weights` lists the weights of the nodes. Return a
        label for every node, in the order of their numbers: {problem.labels.format(**counts)}.

        All cases are handed over in one call, and the time for it is limited, but only the labels count.
    """
    return draft_code(
        task_id,
        knobs,
        salt,
        family=NAME,
        category="algorithmic heuristics",
        title=problem.title,
        goal=goal,
        interface=interface,
        submission=CodeSubmission(file="labelling.py", functions=["label"]),
        scoring=problem.scoring,
        controls={name: render(f"{NAME}/{name}.py.jinja", **knobs) for name in ("constant", "random")},
    )


GRAPH_LABELLING = Family(
    name=NAME,
    category="algorithmic heuristics",
    description="Colour graphs, choose independent or dominating sets, or cut them; on graphs of many kinds.",
    knobs=_knobs,
    draft=_draft,
)
