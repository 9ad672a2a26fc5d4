"""What a family of tasks is, and how its scripts are rendered from templates."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import jinja2

from mlgym_synth.tasks.recipe import Category
from mlgym_synth.tasks.suite import TaskFiles

LONGEST_LITERAL = 100
"""Characters of a list in a script before it gets a line for every item."""

Knobs = dict[str, Any]
"""The choices that make one task of a family; JSON values only, since recipes and journals keep them."""


@dataclass(frozen=True)
class Family:
    """A kind of task that yields many distinct tasks through its knobs."""

    name: str
    category: Category
    description: str
    """One line for people who choose a family."""
    knobs: Callable[[random.Random], Knobs]
    """Draws the choices of one task."""
    draft: Callable[[str, Knobs, str], TaskFiles]
    """Makes the draft from (task_id, knobs, salt): equal arguments give equal bytes."""


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(  # noqa: S701  (renders Python source, where HTML escaping would be wrong)
        loader=jinja2.PackageLoader("mlgym_synth.synthesis.templates", "files"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["literal"] = literal
    return environment


def literal(value: str | list[str]) -> str:
    """A string or a list of strings as Python source, safe for whatever a user's table has for names.

    Templates use it as a filter.
    """
    line = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) or len(line) < LONGEST_LITERAL:
        return line
    return "[\n" + "".join(f"    {literal(each)},\n" for each in value) + "]"


def render(template: str, **values: Any) -> str:
    """Renders a script.

    Args:
        template: Path under `files/`, such as `text/baseline.py.jinja`.
        values: What the template names; a name without a value is an error.

    Raises:
        jinja2.UndefinedError: If the template names a value that is not given.
    """
    return _environment().get_template(template).render(**values)
