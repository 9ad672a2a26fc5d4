import csv
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlgym_synth.errors import InputError
from mlgym_synth.evaluation.aup import aup, performance_profiles

PRIORITY = {
    "regressionKaggleHousePrice": ("r2", "max"),
    "3SATTime": ("Time", "min"),
    "imageClassificationCifar10": ("accuracy", "max"),
    "imageClassificationFMnist": ("accuracy", "max"),
    "imageCaptioningCOCO": ("BLEU Score", "max"),
    "languageModelingFineWeb": ("val_loss", "min"),
    "naturalLanguageInferenceMNLI": ("validation_accuracy", "max"),
    "battleOfSexes": ("Score", "max"),
    "prisonersDilemma": ("Score", "max"),
    "blotto": ("Score", "max"),
    "rlBreakoutMinAtar": ("Reward Mean", "max"),
    "rlMetaMazeMisc": ("Reward Mean", "max"),
    "rlMountainCarContinuous": ("Reward Mean", "max"),
}


def test_reproduces_the_published_table_to_three_decimals(mlgym_data):
    runs = json.loads((mlgym_data / "runs.json").read_text())
    with (mlgym_data / "tables" / "aup_scores_aggregate_results.csv").open() as stream:
        table = {row["Model"]: row for row in csv.DictReader(stream)}
    scores = {variant: {model: {} for model in table} for variant in ("best", "last")}
    for key, run in runs.items():
        model, task = key.removeprefix("metagen-").split("__")[:2]
        if model not in table:
            continue
        metric, direction = PRIORITY[task]
        better = max if direction == "max" else min
        entries = [entry[metric] for entry in run["agent"] if metric in entry]
        for variant, values in (("best", entries), ("last", entries[-1:])):
            known = scores[variant][model].get(task)
            pool = values if known is None else [*values, known]
            scores[variant][model][task] = better(pool) if pool else None
            if metric in run["baseline"]:
                scores[variant]["baseline"][task] = run["baseline"][metric]

    areas = aup(scores, {task: direction for task, (_, direction) in PRIORITY.items()})

    expected = {
        variant: {model: float(row[column]) for model, row in table.items()}
        for variant, column in (("best", "Best AUP"), ("last", "Last AUP"))
    }
    assert areas == expected
    assert sum(len(methods) for methods in areas.values()) == 26


def test_known_values_by_hand():
    scores = {"best": {"baseline": {"a": 1.0, "b": 4.0}, "agent": {"a": 2.0, "b": None}}}
    profiles = performance_profiles(scores, {"a": "max", "b": "min"})
    # a: W = 2; b: W = 1. ceil(1.05 * 2) = 3; log10(3) = 0.477, rounded up: 0.5
    assert profiles.tau[-1] == 0.5
    # agent: ratio 1 on a, 1.05 on b. baseline: ratio 2 on a, 1 on b
    at = np.searchsorted(profiles.tau, math.log10(1.05))
    assert list(profiles.curves["best"]["agent"][[0, at - 1, at]]) == [0.5, 0.5, 1.0]
    at = np.searchsorted(profiles.tau, math.log10(2.0))
    assert list(profiles.curves["best"]["baseline"][[0, at - 1, at]]) == [0.5, 0.5, 1.0]
    areas = profiles.areas["best"]
    assert areas["agent"] == pytest.approx(0.5 - math.log10(1.05) / 2, abs=1e-3)
    assert areas["baseline"] == pytest.approx(0.5 - math.log10(2) / 2, abs=1e-3)


@pytest.mark.parametrize(
    ("direction", "baseline", "agent"),
    [
        ("max", -2.0, -1.0),  # better than the baseline, yet negative: not feasible, as in MLGym
        ("max", 0.0, 0.0),
        ("max", None, None),
        ("min", -1.0, 3.0),
    ],
)
def test_a_task_without_any_feasible_method_costs_everybody_the_same(direction, baseline, agent):
    areas = aup({"last": {"baseline": {"t": baseline}, "agent": {"t": agent}}}, {"t": direction})["last"]
    assert areas["agent"] == areas["baseline"] == pytest.approx(0.4 - math.log10(1.05), abs=1e-3)


def test_zero_is_infeasible_where_more_is_better_and_perfect_where_less_is():
    pool = {"baseline": {"t": 0.0}, "good": {"t": 8.0}, "weak": {"t": 2.0}}
    areas = aup({"best": pool}, {"t": "max"})["best"]
    assert areas["good"] > areas["weak"] > areas["baseline"]

    pool = {"baseline": {"t": 8.0}, "good": {"t": 0.0}, "weak": {"t": 2.0}}
    areas = aup({"best": pool}, {"t": "min"})["best"]
    assert areas["good"] > areas["weak"] == areas["baseline"]


def test_variants_share_one_grid():
    narrow = {"baseline": {"t": 1.0}, "agent": {"t": 1.1}}
    wide = {"baseline": {"t": 1.0}, "agent": {"t": 90.0}}
    alone = aup({"last": narrow}, {"t": "max"})["last"]["agent"]
    together = aup({"best": wide, "last": narrow}, {"t": "max"})["last"]["agent"]
    assert together > alone


def test_bad_input_names_the_thing():
    with pytest.raises(InputError, match="no method 'baseline'"):
        aup({"best": {"agent": {"t": 1.0}}}, {"t": "max"})
    with pytest.raises(InputError, match="agent has a score on 'u'"):
        aup({"best": {"baseline": {}, "agent": {"u": 1.0}}}, {"t": "max"})
    with pytest.raises(InputError, match="at least one task"):
        aup({"best": {"baseline": {}}}, {})


score = st.one_of(st.none(), st.floats(width=64))
column = st.fixed_dictionaries({"t": score, "u": score})
pools = st.fixed_dictionaries({"baseline": column, "one": column, "two": column})


@given(st.fixed_dictionaries({"best": pools, "last": pools}), st.sampled_from(["max", "min"]))
def test_any_scores_give_monotone_curves_within_the_unit_interval(scores, direction):
    profiles = performance_profiles(scores, {"t": direction, "u": "max"})
    assert np.isfinite(profiles.tau).all()
    for methods in profiles.curves.values():
        for curve in methods.values():
            assert (np.diff(curve) >= 0).all()
            assert 0 <= curve[0] <= curve[-1] == 1
    assert all(0 <= area <= profiles.tau[-1] for row in profiles.areas.values() for area in row.values())


positive = st.floats(min_value=1e-6, max_value=1e6)


@given(positive, positive, positive, st.sampled_from(["max", "min"]))
def test_a_better_score_never_has_a_smaller_area(baseline, first, second, direction):
    pool = {"baseline": {"t": baseline}, "first": {"t": first}, "second": {"t": second}}
    areas = aup({"best": pool}, {"t": direction})["best"]
    better, worse = ("first", "second") if (first > second) == (direction == "max") else ("second", "first")
    assert areas[better] >= areas[worse]
