from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import gymnasium as gym
import pytest

import mlgym_synth
from mlgym_synth.errors import InputError
from mlgym_synth.tasks.certificate import Anchors, Certificate, Check
from mlgym_synth.tasks.mlgym_yaml import TaskConfig
from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.tasks.recipe import CodeSubmission, Recipe, Scoring
from mlgym_synth.tasks.registration import registered
from mlgym_synth.tasks.suite import Suite, TaskFiles


def make_files(task_id: str = "game-1") -> TaskFiles:
    return TaskFiles(
        config=TaskConfig(id=task_id, name="A game", description="Play {{well}}."),
        recipe=Recipe(
            id=task_id,
            family="game",
            category="games",
            author="test",
            submission=CodeSubmission(file="strategy.py", functions=["strategy"]),
            scoring=Scoring(metric="payoff", direction="max"),
        ),
        dataset=None,
        starter={"strategy.py": b"def strategy(history): return 0\n", "evaluate.py": b"print(1)\n"},
        hidden={"judge.py": b"def judge(part, call): return [0.0]\n", "controls/zero.py": b"x = 1\n"},
        dockerfile="FROM scratch\n",
    )


def make_certificate(files: TaskFiles) -> Certificate:
    return Certificate(
        task_id=files.id,
        content_hash=files.content_hash,
        certified=True,
        provisional=False,
        provider="bubblewrap",
        runtime="abc",
        seeds=1,
        anchors=Anchors(metric="payoff", direction="max", floor=0.0, baseline=1.0, reference=2.0),
        checks=[Check(name="controls", verdict=Verdict.PASS)],
    )


def test_a_task_reads_back_as_it_was_written(tmp_path: Path) -> None:
    files = make_files()
    suite = Suite.create(tmp_path, "s", "test")
    suite.add(files, make_certificate(files))
    task = Suite.open(tmp_path).task("game-1")
    assert task.files == files
    assert task.content_hash == files.content_hash
    assert task.description == "Play {well}."
    assert set(task.workspace) == {"strategy.py"}, "what serves stock MLGym is not laid into our sandboxes"
    assert task.certificate == make_certificate(files)


@pytest.mark.parametrize("where", ["data/game-1/strategy.py", "hidden/game-1/judge.py", "images/game-1/Dockerfile"])
def test_a_changed_file_voids_the_certificate(tmp_path: Path, where: str) -> None:
    files = make_files()
    Suite.create(tmp_path, "s", "test").add(files, make_certificate(files))
    path = tmp_path / where
    path.write_bytes(path.read_bytes() + b"# changed\n")
    assert Suite.open(tmp_path).task("game-1").certificate is None


def test_measured_scores_do_not_change_the_content_hash() -> None:
    files = make_files()
    config = files.config.model_copy(update={"baseline_scores": [{"payoff": 1.0}]})
    assert replace(files, config=config).content_hash == files.content_hash
    renamed = files.config.model_copy(update={"name": "Another game"})
    assert replace(files, config=renamed).content_hash != files.content_hash


def test_adding_anew_leaves_nothing_of_the_old_task(tmp_path: Path) -> None:
    files = make_files()
    suite = Suite.create(tmp_path, "s", "test")
    suite.add(files, make_certificate(files))
    suite.add(replace(files, starter={"strategy.py": b"y = 2\n"}, hidden={}))
    task = Suite.open(tmp_path).task("game-1")
    assert set(task.files.starter) == {"strategy.py"} and not task.files.hidden
    assert task.certificate is None


def test_the_order_of_adding_does_not_change_the_suite(tmp_path: Path) -> None:
    for name, ids in (("one", ["a", "b", "c"]), ("two", ["c", "a", "b"])):
        suite = Suite.create(tmp_path / name, "s", "test")
        for task_id in ids:
            suite.add(make_files(task_id))
    read = [(tmp_path / name / "index.json").read_bytes() for name in ("one", "two")]
    assert read[0] == read[1]


def test_an_unknown_id_suggests_the_nearest(tmp_path: Path) -> None:
    suite = Suite.create(tmp_path, "s", "test")
    suite.add(make_files())
    with pytest.raises(InputError, match="did you mean game-1"):
        suite.task("gane-1")


@pytest.mark.parametrize(
    "index",
    [
        "",
        "\x80",
        "[]",
        '{"tasks": {}}',
        '{"name": "s", "tasks": []}',
        '{"name": "s", "tasks": {"a": 1}}',
        '{"name": "s", "tasks": {"a": {}}}',
        '{"name": "s", "tasks": {"../../etc": {"content_hash": ""}}}',
        "[" * 100_000,
    ],
)
def test_a_damaged_index_is_bad_input(tmp_path: Path, index: str) -> None:
    (tmp_path / "index.json").write_bytes(index.encode("latin-1"))
    with pytest.raises(InputError, match="damaged"):
        Suite.open(tmp_path)


def test_a_folder_that_is_no_suite_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a suite"):
        mlgym_synth.register_suite(tmp_path)


def test_register_suite_registers_every_id(tmp_path: Path) -> None:
    suite = Suite.create(tmp_path, "s", "test")
    suite.add(make_files("registered-1"))
    assert mlgym_synth.register_suite(tmp_path) == ["mlgym-synth/registered-1"]
    assert gym.spec("mlgym-synth/registered-1").kwargs["suite"] == str(tmp_path)
    assert "registered-1" in registered()
    assert json.loads(gym.spec("mlgym-synth/registered-1").to_json())["kwargs"]["task_id"] == "registered-1"


def run_python(code: str, **environment: str) -> str:
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def test_the_environment_variable_adds_suites(tmp_path: Path) -> None:
    for name in ("one", "two"):
        Suite.create(tmp_path / name, name, "test").add(make_files(f"from-{name}"))
    code = "import mlgym_synth; from mlgym_synth.tasks.registration import registered; print(*registered())"
    ids = run_python(code, MLGYM_SYNTH_SUITES=f"{tmp_path / 'one'}{os.pathsep}{tmp_path / 'two'}").split()
    assert {"from-one", "from-two"} <= set(ids)


def test_importing_stays_light_with_a_thousand_tasks(tmp_path: Path) -> None:
    suite = Suite.create(tmp_path, "big", "test")
    entry = {"content_hash": "0" * 64, "family": "f", "category": "games", "metric": "m", "direction": "max"}
    index = {**suite.index, "tasks": {f"task-{number}": entry for number in range(1000)}}
    (tmp_path / "index.json").write_text(json.dumps(index))
    heavy = "pandas sklearn openai docker matplotlib pyarrow huggingface_hub pydantic yaml"
    code = (
        "import sys, mlgym_synth; from mlgym_synth.tasks.registration import registered\n"
        "assert len([i for i in registered() if i.startswith('task-')]) == 1000\n"
        f"print(*sorted(set({heavy!r}.split()) & set(sys.modules)))"
    )
    assert run_python(code, MLGYM_SYNTH_SUITES=str(tmp_path)) == ""


@pytest.mark.parametrize("place", ["data/game-1/notes.txt", "data/game-1/more", "hidden/game-1/judge.py"])
def test_a_link_in_a_suite_is_refused_and_not_followed(place: str, tmp_path: Path) -> None:
    secret = tmp_path / "home"
    secret.mkdir()
    (secret / "id_rsa").write_text("PRIVATE KEY")
    suite = Suite.create(tmp_path / "suite", "hostile", "somebody")
    suite.add(make_files())
    (suite.path / place).unlink(missing_ok=True)
    (suite.path / place).symlink_to(secret if place.endswith("more") else secret / "id_rsa")
    with pytest.raises(InputError, match="is a link"):
        _ = suite.task("game-1").workspace
