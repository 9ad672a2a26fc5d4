"""How the families of code submissions become drafts: one world, rendered into the judge and into the simulator.

A family lays these templates under `files/<family>/`: `world.py.jinja` (defines `CASES` and `play(seed, cases, call)`),
`baseline.py.jinja`, `reference.py.jinja`, and trivial submissions. The judge is the world with hidden seeds, the public
`simulate.py` is the same world with a seed of the agent's choice, so that what agents practise is what is scored.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from mlgym_synth.synthesis.assemble import code_task
from mlgym_synth.synthesis.templates.family import Knobs, render
from mlgym_synth.tasks.recipe import Category, CodeSubmission, Scoring
from mlgym_synth.tasks.suite import TaskFiles


def draft_code(
    task_id: str,
    knobs: Knobs,
    salt: str,
    *,
    family: str,
    category: Category,
    title: str,
    goal: str,
    interface: str,
    submission: CodeSubmission,
    scoring: Scoring,
    controls: Mapping[str, str],
    values: Mapping[str, Any] | None = None,
    folder: str = "",
) -> TaskFiles:
    """Renders a family's templates and assembles the draft.

    Args:
        task_id: Unique in its suite.
        knobs: The family's choices; every one is a value of the templates.
        salt: Decides the hidden cases.
        family: Name of the family.
        category: One of MLGym's six.
        title: A short name for people.
        goal: What is to be achieved and why it is hard, as prose.
        interface: The functions that the submission has to define, as prose.
        submission: File name and functions of the submission.
        scoring: What the judge measures.
        controls: For each trivial submission its source.
        values: What the templates name besides the knobs.
        folder: Where the templates lie under `files/`; the family's name if empty.

    Returns:
        The draft. Equal arguments give an equal content hash; another salt gives other hidden cases.
    """
    folder = folder or family
    names = {**knobs, **(values or {}), "folder": folder, "title": title, "submission": submission}
    seeds = {part: _hidden_seed(task_id, salt, part) for part in ("public", "private")}
    return code_task(
        task_id=task_id,
        family=family,
        category=category,
        title=title,
        knobs=knobs,
        goal=goal,
        interface=interface,
        submission=submission,
        scoring=scoring,
        starter={
            submission.file: render(f"{folder}/baseline.py.jinja", **names),
            "simulate.py": render("code/simulate.py.jinja", **names),
        },
        judge=render("code/judge.py.jinja", **names, seeds=seeds),
        reference=render(f"{folder}/reference.py.jinja", **names),
        controls=controls,
    )


def _hidden_seed(task_id: str, salt: str, part: str) -> int:
    """128 bits, so that nobody finds the hidden cases by trying seeds."""
    return int.from_bytes(hashlib.sha256(f"{salt}\0{task_id}\0{part}".encode()).digest()[:16])
