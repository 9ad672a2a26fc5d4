"""Shop scheduling: flow shops, flow shops without waiting and job shops, with setups, releases and due dates."""

from __future__ import annotations

import random

from mlgym_synth.synthesis.templates.code_drafts import draft_code
from mlgym_synth.synthesis.templates.family import Family, Knobs, render
from mlgym_synth.tasks.recipe import CodeSubmission, Scoring
from mlgym_synth.tasks.suite import TaskFiles

NAME = "shop-scheduling"

SHOPS = {
    "flow": (
        "a flow shop",
        "Every job goes through all machines in the same order, 0, 1, 2 and so on, and the jobs keep their order.",
    ),
    "no-wait": (
        "a foundry",
        """Every job goes through all machines in the same order, 0, 1, 2 and so on, and the jobs keep their order.
        What is hot must not cool down: once begun, a job goes from machine to machine without waiting, so it begins
        only when that is possible.""",
    ),
    "job": (
        "a job shop",
        "Every job goes once through all machines, each job in an order of its own.",
    ),
}
OBJECTIVES = {
    "makespan": (
        "Finishing early in",
        """The schedule is good if all jobs are done early. The score of a case is the time at which the last job is
        done, divided by a lower bound of it (the longest job; each machine's work with the least that comes before and
        after).""",
        Scoring(metric="makespan_over_bound", direction="min", limit=1.0),
    ),
    "flow-time": (
        "Keeping work moving in",
        """The schedule is good if jobs do not stay long in the shop. The score of a case is the time from release to
        completion, summed over the jobs, divided by the sum of all durations.""",
        Scoring(metric="flow_time_over_work", direction="min", limit=1.0),
    ),
    "tardiness": (
        "Meeting due dates in",
        """The schedule is good if jobs are done by their due dates, above all those of large weight. The score of a
        case is the weighted tardiness (how late a job is, or 0, times its weight), summed over the jobs, divided by
        the sum of the jobs' durations times their weights.""",
        Scoring(metric="weighted_tardiness", direction="min", limit=0.0),
    ),
}
DURATIONS = {
    "even": "Durations are whole numbers from 1 to 99, all equally likely.",
    "job-sized": "There are small and large jobs: a job of size 10, 20, 40 or 80 takes about so long on every machine.",
    "bottleneck": "Durations are whole numbers from 1 to 60, and one machine, another one in each case, takes 40 more.",
    "rare": "Most durations are whole numbers from 1 to 30, but one in five is from 60 to 99.",
}


def _knobs(rng: random.Random) -> Knobs:
    objective = rng.choice(list(OBJECTIVES))
    kinds = rng.choice([1, 1, 3, 4])
    knobs = {
        "shop": rng.choice(list(SHOPS)),
        "objective": objective,
        "jobs": rng.choice([8, 10, 12, 15, 18, 22]),
        "machines": rng.choice([3, 4, 5, 6, 8]),
        "durations": rng.choice(list(DURATIONS)),
        "kinds": kinds,
        "setup": rng.choice([20, 50]) if kinds > 1 else 0,
        "release_spread": rng.choice([0.0, 0.0, 0.5, 1.0]),
    }
    return {**knobs, "due_spread": rng.choice([0.5, 0.8, 1.2])} if objective == "tardiness" else knobs


def _draft(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    place, rule = SHOPS[knobs["shop"]]
    aim, score, scoring = OBJECTIVES[knobs["objective"]]
    setups = (
        f"""Jobs are of {knobs["kinds"]} kinds. Between jobs of two kinds a machine needs a setup of
        {knobs["setup"] // 2} to {knobs["setup"]} units of time, which depends on both and can be done while it waits
        for the next job."""
        if knobs["setup"]
        else "Machines need no setup between jobs."
    )
    releases = (
        f"""Jobs are released over time, the latest after up to {knobs["release_spread"]} times the work of an average
        machine, and all is known in advance."""
        if knobs["release_spread"]
        else "All jobs are there from the beginning."
    )
    once = knobs["shop"] != "job"
    goal = f"""
        {knobs["jobs"]} jobs have to be done on {knobs["machines"]} machines. {rule} A machine does one thing at a time.
        {DURATIONS[knobs["durations"]]} {setups} {releases}

        {score}
    """
    sequence = (
        "the numbers of all jobs, each once, in the order in which the shop takes them"
        if once
        else f"a list in which the number of every job occurs {knobs['machines']} times, once for each operation"
    )
    meaning = "" if once else " It is read from the left: each entry schedules that job's next operation."
    due = (
        "`due` is the due date, `weight` how much it matters (1, 2 or 4)"
        if knobs["objective"] == "tardiness"
        else "`due` and `weight` are always 0 and 1 here"
    )
    interface = f"""
        `schedule(jobs, setups) -> list` is called once for every case. `jobs` lists the jobs, numbered from 0, each as
        `[operations, release, due, weight, kind]`: `operations` lists `[machine, duration]` in the order of the job,
        `release` is the time before which it cannot begin, {due}, `kind` is its kind. `setups[a][b]` is the time that
        a machine needs between a job of kind a and one of kind b. Return {sequence}.{meaning} Every operation starts
        as early as that order allows; `completions` in `simulate.py` says exactly when.

        All cases are handed over in one call, and the time for it is limited, but only the schedules count.
    """
    return draft_code(
        task_id,
        knobs,
        salt,
        family=NAME,
        category="algorithmic heuristics",
        title=f"{aim} {place}",
        goal=goal,
        interface=interface,
        submission=CodeSubmission(file="scheduling.py", functions=["schedule"]),
        scoring=scoring,
        controls={name: render(f"{NAME}/{name}.py.jinja", **knobs) for name in ("constant", "random")},
    )


SHOP_SCHEDULING = Family(
    name=NAME,
    category="algorithmic heuristics",
    description="Schedule flow shops and job shops; minimise makespan, flow time or tardiness.",
    knobs=_knobs,
    draft=_draft,
)
