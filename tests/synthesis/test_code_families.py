"""Families of code submissions: every draft is played for real, with the judge and the submissions it contains."""

from __future__ import annotations

import ast
import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from code_plays import CODE_FAMILIES as FAMILIES
from code_plays import answer, baseline_of, controls_of, draft, load, play

from mlgym_synth.synthesis.templates.games import GAMES, REPEATED_GAME
from mlgym_synth.tasks.suite import TaskFiles

# Seeds of knobs that cover the games, systems, distributions, plans, shops, problems, grounds, goods and changes.
DRAWS = [
    *(("repeated-game", seed) for seed in (0, 1, 2, 7)),
    *(("classic-control", seed) for seed in (0, 1, 6, 7, 26)),
    *(("online-bin-packing", seed) for seed in (0, 1, 3)),
    *(("cache-eviction", seed) for seed in (3, 12)),
    *(("shop-scheduling", seed) for seed in (0, 3, 5)),
    *(("vehicle-routing", seed) for seed in (0, 2, 4, 5, 7)),
    *(("graph-labelling", seed) for seed in (0, 2, 4, 5, 7)),
    *(("slippery-grid", seed) for seed in (1, 5)),
    *(("inventory-control", seed) for seed in (0, 3, 5)),
    *(("changing-bandit", seed) for seed in (0, 3, 5)),
    *(("connection-game", seed) for seed in (0, 3)),
    *(("one-card-poker", seed) for seed in (0, 1)),
]
NAMES = [f"{family}-{seed}" for family, seed in DRAWS]
every_draw = pytest.mark.parametrize(("name", "seed"), DRAWS, ids=NAMES)
every_family = pytest.mark.parametrize("name", FAMILIES)


def simulate(folder: Path, files: TaskFiles, *arguments: str, source: bytes | None = None) -> float:
    (folder / files.recipe.submission.file).write_bytes(source or baseline_of(files))
    (folder / "simulate.py").write_bytes(files.starter["simulate.py"])
    run = subprocess.run(
        [sys.executable, "simulate.py", *arguments], cwd=folder, capture_output=True, text=True, check=True
    )
    return float(json.loads(run.stdout.splitlines()[-1])["score"])


@every_draw
def test_floor_baseline_and_reference_are_apart(name: str, seed: int) -> None:
    files = draft(name, seed)
    sign = 1.0 if files.recipe.scoring.direction == "max" else -1.0
    baseline = sign * np.array(play(files, baseline_of(files)))
    reference = sign * np.array(play(files, files.hidden["reference.py"]))
    controls = [sign * np.array(play(files, source)) for source in controls_of(files).values()]
    best = max(controls, key=np.mean)
    floor = best.mean() + 3 * best.std(ddof=1) / math.sqrt(len(best))
    resampled = np.random.default_rng(0).integers(0, len(baseline), (2000, len(baseline)))
    assert np.quantile(baseline[resampled].mean(axis=1) - floor, 0.025) > 0
    assert np.quantile((reference - baseline)[resampled].mean(axis=1), 0.025) > 0


@every_draw
def test_scores_are_finite_and_within_the_limit(name: str, seed: int) -> None:
    files = draft(name, seed)
    scores = play(files, baseline_of(files))
    assert 20 <= len(scores) <= 200
    assert all(type(score) is float and math.isfinite(score) and score >= 0 for score in scores)
    limit = files.recipe.scoring.limit
    assert limit is not None
    assert max(scores) <= limit if files.recipe.scoring.direction == "max" else min(scores) >= limit


@every_family
def test_judging_is_deterministic_and_the_parts_differ(name: str) -> None:
    files = draft(name, 0)
    private = play(files, baseline_of(files))
    assert play(files, baseline_of(files)) == private
    assert play(files, baseline_of(files), "public") != private


@every_family
def test_equal_arguments_give_equal_bytes_and_another_salt_gives_other_cases(name: str) -> None:
    family = FAMILIES[name]
    knobs = family.knobs(random.Random(0))
    again = family.draft(f"{name}-0", knobs, "salt")
    assert again.content_hash == draft(name, 0).content_hash
    other = family.draft(f"{name}-0", knobs, "pepper")
    differing = [key for key in again.hidden if again.hidden[key] != other.hidden[key]]
    assert differing == ["judge.py"]
    visible = [key for key in again.starter if again.starter[key] != other.starter[key]]
    assert set(visible) <= {"evaluate.py"}
    assert play(again, baseline_of(again)) != play(other, baseline_of(other))


@every_family
def test_knobs_are_plain_json_and_make_distinct_tasks(name: str) -> None:
    family = FAMILIES[name]
    drawn = [family.knobs(random.Random(seed)) for seed in range(40)]
    assert all(json.loads(json.dumps(knobs)) == knobs for knobs in drawn)
    assert len({json.dumps(knobs, sort_keys=True) for knobs in drawn}) == 40
    drafts = [family.draft(f"t{seed}", knobs, "salt") for seed, knobs in enumerate(drawn)]
    assert len({files.config.name for files in drafts}) >= 3
    for files in drafts:
        text = files.config.text()
        assert "{" not in text.replace("{}", "")
        assert "None" not in text
        for source in [*files.starter.values(), *files.hidden.values()]:
            ast.parse(source)


@pytest.mark.parametrize(
    ("name", "seed", "bad"),
    [
        ("repeated-game", 0, [-1, 99, 1.0, True, "rock", None]),
        ("online-bin-packing", 0, [-1, 1, 0.0, False, None, [0]]),
        ("cache-eviction", 3, [-1, 10_000, 0.0, False, "first"]),
        ("classic-control", 0, [1e9, math.nan, math.inf, True, "left", None]),
        ("classic-control", 1, [2, -1, 1.0, True, [1], None]),
        ("classic-control", 6, [3, -1, 1.0, False, "up", None]),
        ("shop-scheduling", 3, [None, "first", [], [0] * 18, [0.0, *range(1, 18)], [True, *range(18)], [[0]]]),
        ("vehicle-routing", 2, [None, 1, [1], [[0]], [[1, 1]], [[1], [2]], [[1.0]], [[True]], [["a"]], [[-1]]]),
        ("graph-labelling", 2, [None, [], ["red"] * 50, [0] * 49, [0.0] * 50, [True] * 50, [50] * 50, [0] * 50]),
        ("slippery-grid", 1, [None, "east", [4] * 36, [-1] * 36, [1.0] * 36, [True] * 36, [[1]] * 36, [1] * 35]),
        ("inventory-control", 0, [-1, 1.0, math.inf, math.nan, True, None, "all", 10**9, [1]]),
        ("changing-bandit", 0, [-1, 6, 0.0, False, None, "best"]),
        ("connection-game", 3, [-1, 8, 0.0, False, None, "centre", [0]]),
        ("one-card-poker", 0, [-1, 3, 1.0, True, None, "call"]),
    ],
)
def test_illegal_results_are_named_to_the_agent(name: str, seed: int, bad: list[Any]) -> None:
    files = draft(name, seed)
    function = files.recipe.submission.functions[0]  # type: ignore[union-attr]  # every draft here is a code task
    for value in bad:
        with pytest.raises(ValueError, match=rf"{function} returned .+; allowed are"):
            answer(files, value)


def test_an_item_does_not_fit_into_a_full_bin() -> None:
    files = draft("online-bin-packing", 1)
    with pytest.raises(ValueError, match=r"place put an item of size \d+ into a bin with \d+ free"):
        play(files, b"def place(item, free):\n    return 0 if free else len(free)\n")


@every_family
def test_the_simulator_prints_a_score_that_follows_seed_and_submission(name: str, tmp_path: Path) -> None:
    files = draft(name, 3)
    score = simulate(tmp_path, files)
    assert simulate(tmp_path, files, "0") == score
    assert simulate(tmp_path, files, "1") != score
    reference = simulate(tmp_path, files, source=files.hidden["reference.py"])
    assert reference > score if files.recipe.scoring.direction == "max" else reference < score


@every_draw
def test_the_simulator_is_the_judge_with_a_public_seed(name: str, seed: int) -> None:
    files = draft(name, seed)
    simulator, judge = (ast.parse(source) for source in (files.starter["simulate.py"], files.hidden["judge.py"]))

    def world(tree: ast.Module) -> dict[str, str]:
        definitions = (node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef))
        return {node.name: ast.dump(node) for node in definitions if node.name not in ("main", "judge")}

    assert "play" in world(judge)
    assert world(simulator) == world(judge)
    assert "SEEDS" not in files.starter["simulate.py"].decode()
    imported = {alias.name for node in ast.walk(judge) if isinstance(node, ast.Import) for alias in node.names}
    assert imported <= {"math", "random", "numpy", "gymnasium"}


@every_draw
def test_the_baseline_can_be_tuned_by_its_constants(name: str, seed: int) -> None:
    module = load(baseline_of(draft(name, seed)), "baseline")
    tunable = [key for key, value in vars(module).items() if key.isupper() and isinstance(value, float)]
    assert len(tunable) >= 3


@every_family
def test_the_random_control_follows_its_seed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files = draft(name, 0)
    source = files.hidden["controls/random.py"]
    monkeypatch.delitem(os.environ, "MLGYM_SEED", raising=False)
    unseeded = play(files, source)
    monkeypatch.setenv("MLGYM_SEED", "0")
    assert play(files, source) == unseeded
    monkeypatch.setenv("MLGYM_SEED", "1")
    assert play(files, source) != unseeded


@pytest.mark.parametrize("game", GAMES)
def test_no_fixed_move_of_a_game_dominates(game: str) -> None:
    seed = next(seed for seed in range(1000) if REPEATED_GAME.knobs(random.Random(seed))["game"] == game)
    payoff = np.array(REPEATED_GAME.knobs(random.Random(seed))["payoff"])
    assert payoff.shape == (len(GAMES[game].actions),) * 2
    assert payoff.min() >= 0
    assert len(set(payoff.argmax(axis=0).tolist())) >= 3


def test_a_cache_that_knows_the_future_is_never_beaten() -> None:
    files = draft("cache-eviction", 12)
    judge = load(files.hidden["judge.py"], "judge")
    rng = random.Random(0)
    for _ in range(5):
        trace = judge.draw_trace(rng)
        for _ in range(5):
            cached = judge.Cache(trace)
            while cached.run():
                cached.evict(rng.randrange(judge.CAPACITY))
            assert cached.hits <= judge.most_hits(trace)


def test_the_hits_of_a_short_trace_by_hand() -> None:
    judge = load(draft("cache-eviction", 12).hidden["judge.py"], "judge")
    judge.__dict__["CAPACITY"] = 2
    # 2 pushes out 1 (needed last), 0 is kept; 1 then pushes out 2; hits: 0, 0, 1.
    assert judge.most_hits([0, 1, 2, 0, 1, 0, 1]) == 3
