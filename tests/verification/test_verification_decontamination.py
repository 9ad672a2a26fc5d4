"""Copies of MLGym's tasks: found by name anywhere, by value where its checkout is."""

from __future__ import annotations

import csv
import random
from dataclasses import replace
from pathlib import Path

import pytest

from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.verification.decontamination import check_decontamination, mlgym_facts


@pytest.fixture(autouse=True)
def no_checkout(monkeypatch):
    monkeypatch.delenv("MLGYM_ROOT", raising=False)


def write_table(path: Path, columns: dict[str, list[object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([list(columns), *zip(*columns.values(), strict=True)])
    return path.parent


def houses(rows: int = 100) -> dict[str, list[object]]:
    draw = random.Random(1)
    return {
        "lot_area": [draw.randrange(1000, 90000) for _ in range(rows)],
        "GR_LIV_AREA": [draw.randrange(300, 9000) for _ in range(rows)],
        "year built": [draw.randrange(1870, 2011) for _ in range(rows)],
        "SalePrice": [draw.randrange(30_000, 900_000) for _ in range(rows)],
    }


def described(files, text: str):
    return replace(files, config=files.config.model_copy(update={"description": files.config.description + text}))


def test_facts_name_thirteen_tasks():
    assert len({fact.task for fact in mlgym_facts()} - {"titanic"}) == 13


def test_sound_tasks_pass(csv_files, code_files, store, tmp_path):
    folder = write_table(tmp_path / "train.csv", {"id": list(range(30)), "x": list(range(30)), "y": list(range(30))})
    assert check_decontamination(store(csv_files), folder).verdict is Verdict.PASS
    assert check_decontamination(store(code_files), None).verdict is Verdict.PASS


def test_columns_of_the_house_prices_are_found_however_they_are_written(csv_files, store, tmp_path):
    folder = write_table(tmp_path / "train.csv", {"id": list(range(100)), **houses()})
    check = check_decontamination(store(csv_files), folder)
    assert (check.verdict, "regressionKaggleHousePrice" in check.detail) == (Verdict.FAIL, True)


@pytest.mark.parametrize(
    ("text", "task"),
    [
        ("\nThis is the (Colonel) Blotto game.", "blotto"),
        ("\nAn iterated prisoner's dilemma.", "prisonersDilemma"),
        ("\nSolve 3-SAT.", "3SATTime"),
        ("\nMountainCarContinuous-v0", "rlMountainCarContinuous"),
    ],
)
def test_games_are_found_by_their_names(code_files, store, text, task):
    check = check_decontamination(store(described(code_files, text)), None)
    assert (check.verdict, check.detail.endswith(task)) == (Verdict.FAIL, True)


def test_data_sets_are_found_by_their_names(csv_files, store, tmp_path):
    recipe = csv_files.recipe
    source = recipe.data.source.model_copy(update={"name": "hub/zalando-datasets/fashion_mnist"})
    files = replace(
        csv_files, recipe=recipe.model_copy(update={"data": recipe.data.model_copy(update={"source": source})})
    )
    folder = write_table(tmp_path / "train.csv", {"id": list(range(30))})
    check = check_decontamination(store(files), folder)
    assert (check.verdict, "imageClassificationFMnist" in check.detail) == (Verdict.FAIL, True)


def test_renamed_columns_are_found_by_their_values(csv_files, store, tmp_path, monkeypatch):
    table = houses(300)
    write_table(tmp_path / "root" / "data" / "house" / "train.csv", {"Id": list(range(300)), **table})
    monkeypatch.setenv("MLGYM_ROOT", str(tmp_path / "root"))
    task = store(csv_files)
    part = {f"c{number}": values[:150] for number, values in enumerate(table.values())}
    folder = write_table(tmp_path / "copy" / "train.csv", {"id": list(range(150)), **part})
    check = check_decontamination(task, folder)
    assert (check.verdict, "data/house/train.csv" in check.detail) == (Verdict.FAIL, True)
    own = {f"c{number}": [random.Random(f"{number} {row}").random() for row in range(150)] for number in range(4)}
    folder = write_table(tmp_path / "own" / "train.csv", {"id": list(range(150)), **own})
    assert check_decontamination(task, folder).verdict is Verdict.PASS
