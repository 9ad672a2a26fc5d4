"""Families over series of readings: what comes next, what made them, and what they are a recording of.

Every row is a system of its own, so that no test row lies next to a training row in time.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mlgym_synth.datasets.simulated.simulator import reading_names
from mlgym_synth.synthesis.templates.csv_drafts import CsvDraft, draft_csv
from mlgym_synth.synthesis.templates.family import Family, Knobs
from mlgym_synth.synthesis.templates.simulated import draw_options, simulation
from mlgym_synth.tasks.recipe import Transform
from mlgym_synth.tasks.suite import TaskFiles

TEST_ROWS = 900


@dataclass(frozen=True)
class _System:
    """A simulated system that is read at equal intervals."""

    row: str
    """What one row is."""
    channels: Mapping[str, str]
    """What is read, by the prefix of its columns, with its unit; forecasts are of the first."""
    interval: str
    """Time between two readings, in words."""
    readings: int
    options: Mapping[str, Sequence[Any]]
    """Parameters of the simulation with the values to choose from."""
    told: Mapping[str, str]
    """What the text says about some of them."""
    parameters: Mapping[str, str]
    """What made the readings, by the column that tells it."""
    others: Mapping[str, str]
    """Columns that are no readings."""
    forecasts: Sequence[tuple[int, int]] = ()
    """Lengths of history and horizon to choose from."""


SYSTEMS = {
    "epidemics": _System(
        "the epidemic of one disease in one town of 100 000 people",
        {"cases": "the cases reported"},
        "a week",
        32,
        {"reporting": [0.1, 0.2, 0.4, 0.6], "dispersion": [0.005, 0.02, 0.05], "measures": [0.0, 0.3, 0.6]},
        {
            "reporting": "On average {:.0%} of the cases are reported, in some towns more than in others.",
            "measures": "In {:.0%} of the towns, measures cut transmission from some week on.",
        },
        {"reproduction_number": "how many people an infected person infects where all are susceptible"},
        {},
        [(8, 2), (8, 4), (10, 3), (12, 4), (12, 6)],
    ),
    "predators": _System(
        "one region with predators and their prey",
        {"prey": "the prey counted (in thousands)", "predators": "the predators counted (in thousands)"},
        "a month",
        40,
        {"noise": [0.05, 0.1, 0.2], "weather": [0.0, 0.03, 0.06], "capacity": [90.0, 120.0, 160.0]},
        {"noise": "Counts are off by {:.0%} or so.", "weather": "Weather changes the prey's number by chance."},
        {
            "prey_growth": "the rate a month at which the prey multiply where nothing limits them",
            "predator_mortality": "the share of the predators that die in a month",
        },
        {},
        [(12, 3), (16, 4), (20, 6), (24, 8)],
    ),
    "pendulums": _System(
        "one damped pendulum that swings freely, often far beyond small angles",
        {"angle": "readings of its angle in degrees"},
        "0.1 s",
        60,
        {"noise": [2.0, 4.0, 8.0], "amplitude": [60.0, 100.0, 140.0, 160.0], "friction": [0.3, 0.6, 1.0]},
        {
            "noise": "A reading is off by {:g} degrees or so.",
            "amplitude": "At the beginning the angle is at most {:g} degrees, and speeds differ.",
        },
        {
            "length_m": "its length in metres; gravity is 9.81 m/s²",
            "damping": "its damping, the factor of the angular velocity in the equation of motion, in 1/s",
        },
        {},
        [(20, 5), (25, 8), (30, 10), (40, 12), (40, 20)],
    ),
    "reactions": _System(
        "one batch of a reaction in two steps, from A to B and from B to C, each of the first order",
        {"absorbance": "the absorbance of B (proportional to its amount)"},
        "six minutes",
        40,
        {"noise": [0.01, 0.02, 0.05], "drift": [0.0, 0.05, 0.1], "heat": [5.0, 10.0, 15.0]},
        {
            "noise": "A reading is off by {:g} or so.",
            "drift": "The zero of the instrument wanders by {:g} or so until the last reading.",
        },
        {
            "first_rate": "the rate of the step from A to B in 1/h",
            "second_rate": "the rate of the step from B to C in 1/h",
        },
        {"temperature": "the temperature of the batch in degrees Celsius"},
        [(8, 6), (10, 10), (12, 15), (15, 20)],
    ),
    "orbits": _System(
        "one star with an unseen companion",
        {"velocity": "its radial velocity in km/s"},
        "a night",
        40,
        {"noise": [0.5, 1.0, 2.0], "spots": [0.0, 0.5, 1.0], "eccentricity": [0.4, 0.6, 0.75]},
        {
            "noise": "A velocity is off by {:g} km/s or so.",
            "spots": "Turning star spots add up to {:g} km/s with a rhythm of their own.",
        },
        {
            "period_days": "the period of its orbit in days",
            "eccentricity": "the eccentricity of its orbit",
        },
        {},
        [(24, 3), (28, 5), (30, 8)],
    ),
    "demand": _System(
        "one article of a shop",
        {"sales": "the pieces sold"},
        "a day",
        70,
        {
            "volume": [25.0, 60.0, 150.0],
            "weekly": [0.45, 0.6, 0.75],
            "shifts": [0.0, 0.2, 0.4],
            "promotions": [0.0, 0.02, 0.05],
        },
        {
            "shifts": "In {:.0%} of the series the level changes for good on some day.",
            "promotions": "On {:.0%} of the days there is a promotion.",
        },
        {},
        {},
        [(21, 3), (28, 2), (28, 5), (35, 7), (42, 10), (56, 14)],
    ),
}

SIGNALS = {
    "heartbeats": _System(
        "one heartbeat in an electrocardiogram, with its highest peak near the middle",
        {"voltage": "readings in mV"},
        "12 ms",
        60,
        {"noise": [0.05, 0.08, 0.12, 0.16], "jitter": [2.0, 4.0, 6.0], "wander": [0.2, 0.4, 0.6]},
        {"noise": "A reading is off by {:g} mV or so.", "wander": "The zero line lies {:g} mV off or so, and slopes."},
        {"kind": "the kind of the beat"},
        {},
    ),
    "radio": _System(
        "one short recording of a radio signal whose carrier comes with any phase and a frequency a little off",
        {"i": "its in-phase part", "q": "its quadrature part"},
        "a quarter of a symbol",
        48,
        {"noise": [0.3, 0.4, 0.5, 0.6], "offset": [0.02, 0.05, 0.1, 0.15]},
        {
            "noise": "Each part of a sample carries noise of {:g} times the amplitude.",
            "offset": "The frequency is off by {:g} radians a sample or so.",
        },
        {"modulation": "how the signal carries its message"},
        {},
    ),
    "movements": _System(
        "two seconds of a person who wears an accelerometer, turned by chance about the vertical",
        {"x": "the acceleration along x", "y": "that along y", "z": "that along z (upwards), all in m/s²"},
        "0.05 s",
        40,
        {"noise": [1.0, 1.5, 2.0, 2.5], "persons": [0.2, 0.3, 0.4]},
        {
            "noise": "A reading is off by {:g} m/s² or so.",
            "persons": "Persons differ by {:.0%} or so in pace and force.",
        },
        {"movement": "what the person does"},
        {},
    ),
}


def _series_knobs(rng: random.Random, systems: Mapping[str, _System], metrics: Sequence[str]) -> Knobs:
    source = rng.choice(list(systems))
    return {
        "source": source,
        "metric": rng.choice(metrics),
        "train_rows": rng.choice([300, 500, 800]),
        "missing": rng.choice([0.0, 0.0, 0.05, 0.15]),
        "options": draw_options(rng, systems[source].options),
    }


def _forecast_knobs(rng: random.Random) -> Knobs:
    knobs = _series_knobs(rng, SYSTEMS, ["mae", "rmse", "r2"])
    if knobs["source"] == "epidemics" and knobs["metric"] == "mae":
        knobs["metric"] = "rmse"  # most towns are past the peak: the median of all is hard to beat in absolute error
    if knobs["source"] == "demand":  # given many articles, plain regression finds the week by itself
        knobs["train_rows"] = rng.choice([150, 250, 400])
    history, horizon = rng.choice(SYSTEMS[knobs["source"]].forecasts)
    spare = SYSTEMS[knobs["source"]].readings - history - horizon
    start = min(rng.choice([0, 2, 4, 6]), spare) if knobs["source"] in ("epidemics", "demand") else 0
    return {**knobs, "start": start, "history": history, "horizon": horizon}


def _draft_forecast(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    system, horizon = SYSTEMS[knobs["source"]], knobs["horizon"]
    window = range(knobs["start"], knobs["start"] + knobs["history"])
    predicted = next(iter(system.channels))
    target = reading_names(predicted, system.readings)[window.stop - 1 + horizon]
    draft = CsvDraft(
        title=f"Forecasting {predicted} of {knobs['source']}",
        goal=f"""
            Each row is {system.row}. Predict {system.channels[predicted]} {horizon} readings after the
            last one that is shown, from {len(window)} readings at intervals of {system.interval}.

            {_told(system, knobs)} Every row is a system of its own that obeys the same laws with constants of
            its own: what can be learned from the training rows is how such series go on.
        """,
        columns=f"{_columns(system, window)} `{target}`, {horizon} intervals after the last reading, is the target.",
        source=f"simulated/{knobs['source']}",
        options=simulation(salt, TEST_ROWS + knobs["train_rows"], knobs["options"]),
        target=target,
        target_kind="number",
        metric=knobs["metric"],
        test_rows=TEST_ROWS,
        templates="series/forecast_",
        transforms=_transforms(system, window, knobs),
        values={"horizon": horizon},
    )
    return draft_csv(task_id, knobs, salt, family=SERIES_FORECASTING.name, category="data science", draft=draft)


def _identification_knobs(rng: random.Random) -> Knobs:
    systems = {name: system for name, system in SYSTEMS.items() if system.parameters}
    knobs = _series_knobs(rng, systems, ["mae", "rmse", "r2", "spearman"])
    system = systems[knobs["source"]]
    return {
        **knobs,
        "target": rng.choice(list(system.parameters)),
        "readings": rng.choice([system.readings * 3 // 5, system.readings * 4 // 5, system.readings]),
    }


def _draft_identification(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    system, target = SYSTEMS[knobs["source"]], knobs["target"]
    window = range(knobs["readings"])
    draft = CsvDraft(
        title=f"Finding {target.replace('_', ' ')} of {knobs['source']}",
        goal=f"""
            Each row is {system.row}, seen through {len(window)} readings at intervals of {system.interval}. Find out
            what made them: {system.parameters[target]}.

            {_told(system, knobs)} Other constants, which are not told, differ from row to row as well, and change
            the readings too.
        """,
        columns=f"{_columns(system, window)} `{target}`, {system.parameters[target]}, is the target.",
        source=f"simulated/{knobs['source']}",
        options=simulation(salt, TEST_ROWS + knobs["train_rows"], knobs["options"]),
        target=target,
        target_kind="number",
        metric=knobs["metric"],
        test_rows=TEST_ROWS,
        templates="series/identification_",
        transforms=_transforms(system, window, knobs),
    )
    return draft_csv(task_id, knobs, salt, family=SYSTEM_IDENTIFICATION.name, category="data science", draft=draft)


def _signal_knobs(rng: random.Random) -> Knobs:
    knobs = _series_knobs(rng, SIGNALS, ["accuracy", "balanced_accuracy", "macro_f1", "mcc"])
    return {**knobs, "label_noise": rng.choice([0.0, 0.0, 0.1, 0.2])}


def _draft_signal(task_id: str, knobs: Knobs, salt: str) -> TaskFiles:
    system = SIGNALS[knobs["source"]]
    window = range(system.readings)
    ((target, meaning),) = system.parameters.items()
    draft = CsvDraft(
        title=f"Telling the {target} of {knobs['source']}",
        goal=f"""
            Each row is {system.row}: {len(window)} readings at intervals of {system.interval}. Say {meaning}.

            {_told(system, knobs)} What counts is the shape of the signal, and not the moment at which the recording
            happens to begin.
        """,
        columns=f"{_columns(system, window)} `{target}`, {meaning}, is the target.",
        source=f"simulated/{knobs['source']}",
        options=simulation(salt, TEST_ROWS + knobs["train_rows"], knobs["options"]),
        target=target,
        target_kind="label",
        metric=knobs["metric"],
        test_rows=TEST_ROWS,
        templates="series/signal_",
        transforms=_transforms(system, window, knobs),
        values={"signal": knobs["source"]},
    )
    return draft_csv(task_id, knobs, salt, family=SIGNAL_CLASSIFICATION.name, category="data science", draft=draft)


def _transforms(system: _System, window: range, knobs: Knobs) -> list[Transform]:
    kept = [name for prefix in system.channels for name in reading_names(prefix, window.stop)[window.start :]]
    options = {"missing": knobs["missing"], "label_noise": knobs.get("label_noise", 0.0)}
    return [
        Transform(name="columns", options={"keep": [*system.others, *kept]}),
        *[Transform(name=name, options={"rate": rate}) for name, rate in options.items() if rate],
    ]


def _columns(system: _System, window: range) -> str:
    parts = [
        f"`{prefix}_{window.start:02d}` to `{prefix}_{window.stop - 1:02d}` are {meaning}"
        for prefix, meaning in system.channels.items()
    ]
    others = "".join(f" `{name}` is {meaning}." for name, meaning in system.others.items())
    return f"Each row is {system.row}. {', '.join(parts)}, in the order of time.{others}"


def _told(system: _System, knobs: Knobs) -> str:
    options = knobs["options"]
    said = [text.format(options[name]) for name, text in system.told.items() if options[name]]
    if knobs["missing"]:
        said.append(f"About {knobs['missing']:.0%} of the cells are empty.")
    if knobs.get("label_noise"):
        said.append(f"{knobs['label_noise']:.0%} of the training labels are wrong; those of the test rows are right.")
    said.append(f"There are {knobs['train_rows']} rows to learn from.")
    return " ".join(said)


SERIES_FORECASTING = Family(
    name="series-forecasting",
    category="data science",
    description="Forecast epidemics, populations, pendulums, reactions, stars or sales from a short history.",
    knobs=_forecast_knobs,
    draft=_draft_forecast,
)

SYSTEM_IDENTIFICATION = Family(
    name="system-identification",
    category="data science",
    description="Find a constant of a dynamic system, such as a pendulum's damping, from noisy readings.",
    knobs=_identification_knobs,
    draft=_draft_identification,
)

SIGNAL_CLASSIFICATION = Family(
    name="signal-classification",
    category="data science",
    description="Classify heartbeats, radio modulations or movements from a short noisy recording.",
    knobs=_signal_knobs,
    draft=_draft_signal,
)
