"""The author that needs no key and no network: families of tasks, each with knobs."""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence

from mlgym_synth.errors import InputError, unknown_name
from mlgym_synth.synthesis.author import Topic
from mlgym_synth.synthesis.templates import FAMILIES, QUICKSTART
from mlgym_synth.synthesis.templates.family import Family
from mlgym_synth.tasks.suite import TaskFiles

MAX_REDRAWS = 100


class TemplatesAuthor:
    """Writes drafts from families of templates. Equal topics give equal drafts."""

    name = "templates"

    def draft(self, topic: Topic) -> TaskFiles:
        """Writes the draft of a topic made by `draw_topics`.

        Raises:
            InputError: If there is no such family, or a user's table cannot become a task.
        """
        return family_named(topic.family).draft(task_id(topic), dict(topic.options), topic.key[:32])

    def repair(self, draft: TaskFiles, error: str) -> TaskFiles | None:
        """Templates do not learn from errors: a draft that failed is given up."""
        return None


def draw_topics(families: Sequence[str], count: int, seed: int) -> list[Topic]:
    """Draws topics, one family after the other in turn, no two of a family with the same knobs.

    Args:
        families: Names of families; all that need nothing from the user if empty.
        count: How many topics.
        seed: Same seed, same topics; a larger count only adds topics.

    Raises:
        InputError: If a family is unknown, or has no further choices to offer.
    """
    chosen = [family_named(name) for name in families] if families else drawable_families()
    topics: list[Topic] = []
    seen: set[str] = set()
    for index in range(count):
        family = chosen[index % len(chosen)]
        for redraw in range(MAX_REDRAWS):
            draw = hashlib.sha256(f"{seed}/{family.name}/{index}/{redraw}".encode()).digest()
            knobs = family.knobs(random.Random(draw))  # noqa: S311  (choices, not secrets)
            mark = f"{family.name}/{json.dumps(knobs, sort_keys=True)}"
            if mark not in seen:
                break
        else:
            raise InputError(f"family {family.name} has no more distinct tasks", "ask for fewer tasks")
        seen.add(mark)
        topics.append(Topic(index=index, family=family.name, seed=seed, options=knobs))
    return topics


def drawable_families() -> list[Family]:
    """The families that need nothing from the user."""
    return [family for family in FAMILIES.values() if family.name != "table"]


def family_named(name: str) -> Family:
    """The family of that name.

    Raises:
        InputError: If there is none; the nearest is suggested.
    """
    if name not in FAMILIES:
        raise unknown_name("family", name, list(FAMILIES))
    return FAMILIES[name]


def task_id(topic: Topic) -> str:
    """The id of a topic's task: its family and a hash of its choices."""
    return f"{topic.family}-{topic.key[:8]}"


def quickstart_topics() -> list[Topic]:
    """The topics of the quickstart: fast tasks of different families with wide margins."""
    return [Topic(index=index, family=family, options=knobs) for index, (family, knobs) in enumerate(QUICKSTART)]
