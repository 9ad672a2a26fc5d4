"""Cache eviction: request traces with a skewed, drifting popularity and scans of objects nobody asks for again."""

from __future__ import annotations

import random

from mlgym_synth.synthesis.templates.code_drafts import draft_code
from mlgym_synth.synthesis.templates.family import Family, Knobs, render
from mlgym_synth.tasks.recipe import CodeSubmission, Scoring
from mlgym_synth.tasks.suite import TaskFiles

NAME = "cache-eviction"

SETTINGS = {
    "pages": ("Evicting pages from a buffer pool", "A database keeps pages in memory", "page", "table scans"),
    "images": (
        "Evicting images from an edge cache",
        "An edge server keeps images close to its readers",
        "image",
        "crawlers",
    ),
    "blocks": ("Evicting blocks from a disk cache", "A disk cache keeps blocks of files", "block", "backups"),
    "tiles": ("Evicting tiles from a map cache", "A map server keeps rendered tiles", "tile", "bulk downloads"),
}


def _knobs(rng: random.Random) -> Knobs:
    scan_length = rng.choice([10, 20, 30])
    return {
        "setting": rng.choice(list(SETTINGS)),
        "requests": rng.choice([300, 400, 500]),
        "capacity": rng.choice([20, 30, 40]),
        "objects": rng.choice([150, 200, 300]),
        "skew": round(rng.uniform(0.7, 1.2), 2),
        "drift": round(rng.uniform(0.05, 0.15), 2),
        "scan": round(rng.uniform(0.1, 0.3) / scan_length, 4),
        "scan_length": scan_length,
        "rescan": rng.choice([0.0, 0.0, 0.3]),
        "locality": round(rng.uniform(0.1, 0.3), 2),
    }


def _draft(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    title, story, item, scanner = SETTINGS[knobs["setting"]]
    rescan = " Some of these runs are repeated later." if knobs["rescan"] else ""
    goal = f"""
        {story}; {knobs["capacity"]} of them fit. Whenever the {item} that is requested is not there, it has to be
        fetched, and another one has to leave. A few {item}s are requested far more often than most, what is popular
        changes in the course of a trace, and what was just requested is often requested again. Now and then
        {scanner} request {knobs["scan_length"]} other {item}s in a row, once each.{rescan} The generator of the
        traces is public, in `simulate.py`.

        Write the rule that decides which {item} leaves. A case is a trace of {knobs["requests"]} requests that
        begins with an empty cache. Its score is the number of requests that found their {item} in the cache,
        divided by the number that a cache with knowledge of the future would have reached.
    """
    interface = f"""
        `evict(entries, time) -> int` is called when room has to be made. `entries` describes the {knobs["capacity"]}
        cached {item}s in the order in which they came in, each as `[last_used, uses, inserted]`: the time of its
        latest request, its number of requests since the beginning of the trace (also before it came into the cache
        this time), and the time at which it came in. `time` is the number of the present request, counted from 0.
        Return the index of the {item} that has to leave. The traces are played side by side, so a call must not rely
        on the call before it.
    """
    return draft_code(
        task_id,
        knobs,
        salt,
        family=NAME,
        category="algorithmic heuristics",
        title=title,
        goal=goal,
        interface=interface,
        submission=CodeSubmission(file="eviction.py", functions=["evict"]),
        scoring=Scoring(metric="share_of_possible_hits", direction="max", limit=1.0),
        controls={name: render(f"{NAME}/{name}.py.jinja") for name in ("constant", "newest", "random")},
    )


CACHE_EVICTION = Family(
    name=NAME,
    category="algorithmic heuristics",
    description="Decide what leaves a cache on traces with skew, drift and scans; maximise the hits.",
    knobs=_knobs,
    draft=_draft,
)
