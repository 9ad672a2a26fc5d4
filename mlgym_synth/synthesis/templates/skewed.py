"""Families over numbers that no bell curve fits: counts with their deviance, and quantiles of how long things take."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlgym_synth.metrics.registry import get_metric
from mlgym_synth.synthesis.templates.csv_drafts import CsvDraft, draft_csv
from mlgym_synth.synthesis.templates.family import Family, Knobs
from mlgym_synth.synthesis.templates.simulated import draw_options, simulation
from mlgym_synth.tasks.recipe import Transform
from mlgym_synth.tasks.suite import TaskFiles

TEST_ROWS = 1500


@dataclass(frozen=True)
class _Scene:
    """What is predicted from what."""

    title: str
    goal: str
    columns: str
    target: str
    options: Mapping[str, Sequence[Any]]


COUNTS = {
    "claims": _Scene(
        "Counting claims on car insurance",
        "Each row is a policy. Predict the number of claims that are made while it lasts. Most policies have none, and "
        "much of what happens is chance; what can be known is the rate. It is not the sum of what the columns say one "
        "by one: for some drivers, engines and cars it matters how they go together.",
        "`years` is how long the cover lasts in years, `age` the age of the driver, `power` that of the engine in kW, "
        "`vehicle_age` in years, `mileage` in 1000 km a year, `fuel` and `region` are names, and `bonus` (in percent) "
        "rises with the claims of earlier years. `claims`, the number of claims, is the target.",
        "claims",
        {"rate": [1.5, 2.5, 4.0], "heterogeneity": [0.05, 0.1, 0.2]},
    ),
    "calls": _Scene(
        "Counting calls to a call centre",
        "Each row is an hour of a call centre, out of many years. Predict how many calls come in. The hour of the day "
        "matters in another way on weekends, letters to the customers are forgotten in time, and an outage is noticed "
        "when people are at home.",
        "`hour` of the day, `month`, `day` of the week, `temperature` in degrees Celsius, `rain` in mm, `lines`, the "
        "number of products served, `days_since_letter` since the last letter to the customers, and `outage` (1 or 0) "
        "are known. `calls`, the number of calls in that hour, is the target.",
        "calls",
        {"volume": [3.0, 10.0, 30.0], "scatter": [0.02, 0.05, 0.1]},
    ),
}

DURATIONS = {
    "queues": _Scene(
        "How long a customer may have to wait",
        "Each row is what a customer saw on arriving at a queue. Predict how long it has to wait. Some do not wait at "
        "all; for the others the wait is as uncertain as it is long. Each row is of another queue.",
        "`servers` is the number of servers, `busy` how many of them are serving, `waiting` how many customers wait "
        "already, `recent_arrivals` how many came within 15 minutes, `mean_service` an estimate of the mean time of "
        "service in minutes, `last_wait` what the customer before had to wait, and `minutes_open` the time since "
        "opening. `wait`, in minutes, is the target.",
        "wait",
        {"load": [0.85, 0.95, 1.05], "servers": [2, 3, 4], "skew": [0.5, 1.0, 1.4]},
    ),
    "deliveries": _Scene(
        "How long a delivery may take",
        "Each row is a delivery in a town. Predict how long it takes. Time goes with distance for each vehicle in its "
        "own way, rain slows some more than others, and in the rush hour a delivery may end up in a jam: the spread of "
        "the time depends on the columns as much as its middle.",
        "`distance_km` and the number of `stops` before, the `vehicle`, `hour` of the day, `weekday` from 0 (Monday) "
        "to 6, `rain` in mm, `wind` in km/h, the `floor` and the number of `parcels` are known. `minutes` is the "
        "target.",
        "minutes",
        {"jams": [0.1, 0.25, 0.4], "scatter": [0.15, 0.25, 0.35]},
    ),
}


def _scene_knobs(rng: random.Random, scenes: Mapping[str, _Scene], metrics: Sequence[str]) -> Knobs:
    source = rng.choice(list(scenes))
    return {
        "source": source,
        "metric": rng.choice(metrics),
        "train_rows": rng.choice([800, 1200, 1600, 2000]),
        "missing": rng.choice([0.0, 0.0, 0.05, 0.1]),
        "noise_columns": rng.choice([0, 0, 4, 10]),
        "options": draw_options(rng, scenes[source].options),
    }


def _count_knobs(rng: random.Random) -> Knobs:
    knobs = _scene_knobs(rng, COUNTS, ["poisson_deviance", "poisson_deviance", "r2", "spearman"])
    if knobs["source"] == "claims":  # a few policies with many claims decide all other metrics
        knobs["metric"] = "poisson_deviance"
    return knobs


def _duration_knobs(rng: random.Random) -> Knobs:
    return _scene_knobs(rng, DURATIONS, ["pinball_10", "pinball_90"])


def _draft_counts(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    draft = _draft(COUNTS[knobs["source"]], knobs, salt, "counts", {})
    return draft_csv(task_id, knobs, salt, family=COUNT_REGRESSION.name, category="data science", draft=draft)


def _draft_durations(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    values = {"level": get_metric(knobs["metric"]).quantile}
    draft = _draft(DURATIONS[knobs["source"]], knobs, salt, "quantiles", values)
    return draft_csv(task_id, knobs, salt, family=QUANTILE_REGRESSION.name, category="data science", draft=draft)


def _draft(scene: _Scene, knobs: Knobs, salt: str, templates: str, values: Mapping[str, Any]) -> CsvDraft:
    steps = {"noise_columns": {"count": knobs["noise_columns"]}, "missing": {"rate": knobs["missing"]}}
    return CsvDraft(
        title=scene.title,
        goal=f"""
            {scene.goal}

            There are {knobs["train_rows"]} rows to learn from. {_troubles(knobs)}
        """,
        columns=scene.columns,
        source=f"simulated/{knobs['source']}",
        options=simulation(salt, TEST_ROWS + knobs["train_rows"], knobs["options"]),
        target=scene.target,
        target_kind="number",
        metric=knobs["metric"],
        test_rows=TEST_ROWS,
        templates=f"skewed/{templates}_",
        transforms=[Transform(name=name, options=choice) for name, choice in steps.items() if knobs[name]],
        values=values,
    )


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


COUNT_REGRESSION = Family(
    name="count-regression",
    category="data science",
    description="Predict counts of insurance claims or calls.",
    knobs=_count_knobs,
    draft=_draft_counts,
)

QUANTILE_REGRESSION = Family(
    name="quantile-regression",
    category="data science",
    description="Predict a quantile of waiting times or delivery times.",
    knobs=_duration_knobs,
    draft=_draft_durations,
)
