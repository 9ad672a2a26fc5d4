"""Simulators: every option does something, equal seeds give equal bytes, and hidden laws show in the readings."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlgym_synth.datasets.simulated.load import SIMULATORS, load
from mlgym_synth.datasets.simulated.simulator import logistic, pick, readings
from mlgym_synth.datasets.sources import load_source, revision
from mlgym_synth.errors import InputError

every_simulator = pytest.mark.parametrize("name", SIMULATORS)

REVISIONS = {
    "calls": "13988ac8b0879972",
    "cells": "0f57fa2c73c86e55",
    "claims": "a7b167073bf7ebda",
    "deliveries": "c3d05791a13dec8e",
    "demand": "df1bf5cf9e415b6a",
    "epidemics": "9d673337877807c7",
    "exams": "4ccccb8e3fc3d07e",
    "flows": "607bf982dcaa7611",
    "gratings": "a82f16b859d36554",
    "heartbeats": "04103bffdfeb6bdd",
    "matches": "f3f1b9e497de7520",
    "movements": "2dd9b2192a66d86a",
    "orbits": "2a5e3dec548a7c6b",
    "payments": "158fea4a8cbcc161",
    "pendulums": "7913b45e4aeb8503",
    "predators": "338d8feda2af9017",
    "queues": "2dc34b5d556d068e",
    "radio": "b9776efb44330dfb",
    "ratings": "472e2de71604b222",
    "reactions": "229ce7e36f11d4af",
    "sensors": "28867c59456b39ce",
    "tongues": "e7bf10c5804146b2",
}
"""First digits of what the seed 0 gives on 200 rows. Recipes name such hashes: a changed simulator breaks them."""


@every_simulator
def test_the_same_seed_gives_the_same_bytes_for_ever(name: str) -> None:
    found = revision(load_source(f"simulated/{name}", {"seed": "0", "rows": 200}))
    assert found.removeprefix("sha256:").startswith(REVISIONS[name])


@every_simulator
def test_another_seed_gives_other_rows_and_more_rows_are_more(name: str) -> None:
    one, other = (load(name, {"seed": seed, "rows": 150}).frame for seed in ("1", "2"))
    assert len(one) == len(other) == 150
    assert not one.equals(other)
    assert len(load(name, {"seed": "1", "rows": 300}).frame) == 300


@every_simulator
def test_every_option_has_a_range_around_its_default_and_changes_the_rows(name: str) -> None:
    simulator = SIMULATORS[name]
    defaults = {
        key: parameter.default
        for key, parameter in inspect.signature(simulator.simulate).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    assert defaults.keys() == simulator.ranges.keys()
    plain = load(name, {"rows": 400}).frame
    for option, (low, high) in simulator.ranges.items():
        assert low <= defaults[option] <= high
        assert isinstance(defaults[option], type(low))
        for value in (low, high):
            if value != defaults[option]:
                assert not load(name, {"rows": 400, option: value}).frame.equals(plain), (option, value)


@every_simulator
def test_no_cell_is_empty_or_infinite_at_the_ends_of_the_ranges(name: str) -> None:
    simulator = SIMULATORS[name]
    for end in (0, 1):
        frame = load(name, {"rows": 300, **{option: ends[end] for option, ends in simulator.ranges.items()}}).frame
        assert len(frame) == 300
        assert not frame.isna().any().any()
        assert np.isfinite(frame.select_dtypes("number").to_numpy(np.float64)).all()


@every_simulator
def test_the_description_names_the_columns_that_are_no_readings(name: str) -> None:
    table = load(name, {"rows": 100})
    assert table.licence == "Apache-2.0"
    target = table.frame.columns[-1]
    if not target[-2:].isdigit():
        assert f"`{target}`" in table.description


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": 3}, "cannot have the seed 3"),
        ({"rows": 5}, "whole number from 100"),
        ({"rows": 150.0}, "whole number"),
        ({"noise": -1.0}, "number from 0.0"),
        ({"noise": True}, "cannot be True"),
        ({"noise": "1"}, "cannot be '1'"),
        ({"gravity": 9.81}, "no option 'gravity'.*amplitude"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_source("simulated/pendulums", options)


@given(st.integers(0, 10_000), st.lists(st.integers(1, 9), min_size=2, max_size=6))
@settings(max_examples=30)
def test_names_are_drawn_with_their_shares(seed: int, shares: list[int]) -> None:
    names = [f"n{place}" for place in range(len(shares))]
    drawn = pick(np.random.RandomState(seed), names, [float(share) for share in shares], 4000)
    for name, share in zip(names, shares, strict=True):
        assert np.mean(drawn == name) == pytest.approx(share / sum(shares), abs=0.06)


def test_readings_are_columns_in_order_of_time() -> None:
    columns = readings("x", np.array([[1.234, 5.678]]), 1)
    assert {name: values.tolist() for name, values in columns.items()} == {"x_00": [1.2], "x_01": [5.7]}
    assert logistic(np.array([0.0, 50.0])) == pytest.approx([0.5, 1])


# --- laws that have to show ---


def test_a_longer_pendulum_swings_slower() -> None:
    frame = load("pendulums", {"rows": 400, "noise": 0.0, "amplitude": 20.0, "friction": 0.05}).frame
    angles = frame.filter(like="angle_").to_numpy()
    crossings = np.diff(angles >= 0, axis=1).sum(axis=1)
    # a small swing takes 2 pi sqrt(length / gravity), and crosses zero twice in it
    expected = 5.9 / (np.pi * np.sqrt(frame["length_m"] / 9.81))
    assert np.abs(crossings - expected).max() < 1.6


def test_velocities_follow_the_orbit() -> None:
    frame = load("orbits", {"rows": 400, "noise": 0.0, "spots": 0.0}).frame
    velocities = frame.filter(like="velocity_").to_numpy()
    fast = (frame["period_days"] < 12).to_numpy()
    reach = velocities[fast].max(axis=1) - velocities[fast].min(axis=1)
    ratio = reach / (2 * frame["amplitude"][fast])
    assert ratio.max() < 1.01 and ratio.median() > 0.95


def test_a_reaction_peaks_when_both_rates_say_so() -> None:
    frame = load("reactions", {"rows": 400, "noise": 0.0, "drift": 0.0, "heat": 0.0}).frame
    first, second = frame["first_rate"], frame["second_rate"]
    peak = np.log(first / second) / (first - second) / 0.1
    found = frame.filter(like="absorbance_").to_numpy().argmax(axis=1)
    within = peak < 38
    assert np.abs(found - peak)[within].max() <= 1


def test_more_transmission_means_more_cases() -> None:
    frame = load("epidemics", {"rows": 800, "measures": 0.0}).frame
    total = frame.filter(like="cases_").sum(axis=1)
    assert np.corrcoef(frame["reproduction_number"].rank(), total.rank())[0, 1] > 0.5


@pytest.mark.parametrize(
    ("name", "option", "target"),
    [("payments", "fraud", "fraud"), ("flows", "attacks", "attack"), ("sensors", "faults", "fault")],
)
def test_events_are_as_rare_as_was_asked(name: str, option: str, target: str) -> None:
    assert load(name, {"rows": 8000, option: 0.1}).frame[target].mean() == pytest.approx(0.1, abs=0.015)


@pytest.mark.parametrize(("name", "pair"), [("ratings", ["viewer", "film"]), ("exams", ["student", "question"])])
def test_nobody_meets_the_same_thing_twice(name: str, pair: list[str]) -> None:
    assert not load(name, {"rows": 3000}).frame.duplicated(pair).any()


def test_too_many_meetings_are_refused() -> None:
    with pytest.raises(InputError, match="20 times 20 is 400 pairs"):
        load("ratings", {"rows": 500, "viewers": 20, "films": 20})


def test_nobody_plays_against_themselves() -> None:
    frame = load("matches", {"rows": 3000}).frame
    assert (frame["first"] != frame["second"]).all()


def test_who_finds_a_free_server_does_not_wait() -> None:
    frame = load("queues", {"rows": 3000}).frame
    idle = frame["busy"] < frame["servers"]
    assert (frame["wait"][idle] == 0).all()
    assert (frame["wait"][~idle] > 0).mean() > 0.99
    assert (frame["waiting"][idle] == 0).all()


def test_kin_share_more_words_than_strangers() -> None:
    frame = load("tongues", {"rows": 6000, "kinship": 0.9, "words": 8}).frame
    words = {name: set(" ".join(texts).split()) for name, texts in frame.groupby("language")["text"]}
    kin, stranger = words["alnic"] & words["dunari"], words["alnic"] & words["brethan"]
    assert len(kin) > 2 * len(stranger)
