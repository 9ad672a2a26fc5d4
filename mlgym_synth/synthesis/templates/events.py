"""Event detection: frauds, attacks and faults among many rows that are none, scored by the order of suspicion."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlgym_synth.synthesis.templates.csv_drafts import CsvDraft, draft_csv
from mlgym_synth.synthesis.templates.family import Family, Knobs
from mlgym_synth.synthesis.templates.simulated import draw_options, simulation
from mlgym_synth.tasks.recipe import Transform
from mlgym_synth.tasks.suite import TaskFiles

NAME = "event-detection"
TEST_ROWS = 1800


@dataclass(frozen=True)
class _Scene:
    """Where events are looked for."""

    title: str
    goal: str
    columns: str
    target: str
    rate: str
    """The simulation's option that says how rare events are."""
    options: Mapping[str, Sequence[Any]]


SCENES = {
    "payments": _Scene(
        "Finding frauds among card payments",
        "Each row is a payment by card. Some are frauds: cards that were stolen, cards that were copied, and numbers "
        "of cards that are tried out. No column gives a fraud away by itself; what is odd is how columns go together.",
        "`amount` and the card's `usual_amount` are in euros, `hour` is the hour of the day, `shop` the kind of shop, "
        "`country` where it is seen from the card's home, `online` whether the card was not shown, `payments_today` "
        "the number of payments earlier that day, `distance_km` how far the last payment was from here, and "
        "`card_days` the age of the card in days.",
        "fraud",
        "fraud",
        {"disguise": [0.2, 0.35, 0.5, 0.65]},
    ),
    "flows": _Scene(
        "Finding attacks among network flows",
        "Each row is a flow between two computers of a network. Some are attacks: scans for open ports, floods, data "
        "that is carried out, and programs that call home. Each kind shows in other columns, and attackers try to stay "
        "near what is usual for the service.",
        "`service` is what the flow is for, `hour` the hour of the day, `seconds` its length, `packets_out`, "
        "`packets_in`, `bytes_out` and `bytes_in` are counted as seen from the computer that began it, `regularity` of "
        "the times between packets goes from 0 to 1, `ports` is the number of ports that this computer tried around "
        "the same time, and `failed` the number of its connections that failed.",
        "attack",
        "attacks",
        {"stealth": [0.2, 0.35, 0.5, 0.65]},
    ),
    "sensors": _Scene(
        "Finding sensors of a plant that read too high",
        "Each row is a moment at a plant whose sensors follow a few states that nobody measures. In a fault, one of "
        "the sensors, and not always the same, reads too high. Its reading may be a quite usual one: what is odd is "
        "that it does not fit the readings of the others.",
        "`sensor_00` and the following columns are the readings of the sensors, each in a unit of its own.",
        "fault",
        "faults",
        {"sensors": [8, 12, 16], "drift": [2.5, 3.0, 3.5], "noise": [0.5, 0.65, 0.8]},
    ),
}


def _knobs(rng: random.Random) -> Knobs:
    source = rng.choice(list(SCENES))
    metric = rng.choice(["average_precision", "roc_auc", *(["log_loss"] if source != "sensors" else [])])
    return {
        "source": source,
        "metric": metric,
        # the log loss of a constant is so small where events are rare that a plain model hardly stands out from it
        "rate": rng.choice([0.12, 0.16, 0.2] if metric == "log_loss" else [0.06, 0.09, 0.12]),
        "train_rows": rng.choice([1000, 1500, 2000]),
        "missing": rng.choice([0.0, 0.0, 0.03, 0.08]),
        "noise_columns": 0 if source == "sensors" else rng.choice([0, 0, 5, 10]),
        "options": draw_options(rng, SCENES[source].options),
    }


def _draft(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    scene = SCENES[knobs["source"]]
    steps = {"noise_columns": {"count": knobs["noise_columns"]}, "missing": {"rate": knobs["missing"]}}
    draft = CsvDraft(
        title=scene.title,
        goal=f"""
            {scene.goal}

            Say of every test row how much you suspect it. About {knobs["rate"]:.0%} of the rows are events, in the
            training and the test rows alike. {_troubles(knobs)}
        """,
        columns=f"{scene.columns} `{scene.target}`, 1 for events and 0 for all others, is the target; any number may "
        "be predicted, and a higher one means more suspicion.",
        source=f"simulated/{knobs['source']}",
        options=simulation(salt, TEST_ROWS + knobs["train_rows"], {scene.rate: knobs["rate"], **knobs["options"]}),
        target=scene.target,
        target_kind="number",
        metric=knobs["metric"],
        test_rows=TEST_ROWS,
        templates="events/",
        transforms=[Transform(name=name, options=choice) for name, choice in steps.items() if knobs[name]],
    )
    return draft_csv(task_id, knobs, salt, family=NAME, category="data science", draft=draft)


def _troubles(knobs: Knobs) -> str:
    said = []
    if knobs["missing"]:
        said.append(f"About {knobs['missing']:.0%} of the cells are empty.")
    if knobs["noise_columns"]:
        said.append(
            f"{knobs['noise_columns']} of the columns lost their order when the table was put together: they look like "
            "the others and tell nothing. Their names end in a number."
        )
    return " ".join(said)


EVENT_DETECTION = Family(
    name=NAME,
    category="data science",
    description="Find rare frauds, attacks or faults; rank the rows by suspicion.",
    knobs=_knobs,
    draft=_draft,
)
