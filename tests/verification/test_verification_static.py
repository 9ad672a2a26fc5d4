"""The checks that need no execution, each on a copy of a sound task that is broken in one place."""

from __future__ import annotations

from typing import Any

import pytest

from mlgym_synth.sandboxes.runtime import build_runtime
from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.tasks.recipe import Recipe
from mlgym_synth.tasks.suite import Task
from mlgym_synth.verification.static import MAX_BYTES, check_static, importable_modules


@pytest.fixture(scope="session")
def modules() -> frozenset[str]:
    return importable_modules(build_runtime().path)


def failures(task: Task, modules: frozenset[str]) -> dict[str, str]:
    return {check.name: check.detail for check in check_static(task, modules) if check.verdict is Verdict.FAIL}


def described(files, old: str, new: str) -> dict[str, Any]:
    assert old in files.config.description
    return {"config": files.config.model_copy(update={"description": files.config.description.replace(old, new)})}


def licensed(files, licence: str, name: str = "sklearn/digits") -> dict[str, Any]:
    recipe = files.recipe.model_dump(mode="json")
    recipe["data"]["source"] |= {"licence": licence, "name": name}
    return {"recipe": Recipe.model_validate(recipe)}


def scored(files, **scoring: Any) -> dict[str, Any]:
    return {"recipe": files.recipe.model_copy(update={"scoring": files.recipe.scoring.model_copy(update=scoring)})}


@pytest.mark.parametrize("kind", ["csv_files", "code_files"])
def test_sound_tasks_pass(kind, request, store, modules):
    assert failures(store(request.getfixturevalue(kind)), modules) == {}


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        ("accuracy", "quality", "metric accuracy"),
        ("higher", "other", "higher or lower"),
        ("submission.csv", "it", "submission.csv"),
        ("train.csv", "the table", "train.csv"),
        ("seconds", "moments", "time limit"),
        ("MB", "units", "memory limit"),
    ],
)
def test_incomplete_description_fails(old, new, named, csv_files, store, modules):
    text = csv_files.config.description.replace(old.capitalize(), new)
    changed = csv_files.config.model_copy(update={"description": text.replace(old, new)})
    found = failures(store(csv_files, config=changed), modules)
    assert list(found) == ["description"]
    assert named in found["description"]


@pytest.mark.parametrize("brace", ["{x}", "{0}", "{", "}", "{dataset_docs.__class__}", "{dataset_docs[0]}"])
def test_braces_that_are_not_doubled_fail(brace, csv_files, store, modules):
    assert list(failures(store(csv_files, **described(csv_files, "Name the", f"{brace} Name the")), modules)) == [
        "description"
    ]


def test_doubled_braces_pass(csv_files, store, modules):
    changed = described(csv_files, "Name the", "A set {{1, 2}}. {dataset_docs} Name the")
    assert failures(store(csv_files, **changed), modules) == {}


@pytest.mark.parametrize("name", ["baseline.py", "sample_submission.csv", "evaluate.py"])
def test_missing_starter_file_fails(name, csv_files, store, modules):
    assert name in failures(store(csv_files, starter={name: None}), modules)["files"]


@pytest.mark.parametrize("name", ["judge.py", "reference.py", "controls/zero.py"])
def test_missing_hidden_file_fails(name, code_files, store, modules):
    assert name.split("/")[0] in failures(store(code_files, hidden={name: None}), modules)["files"]


def test_hidden_file_in_the_workspace_fails(code_files, store, modules):
    judge = code_files.hidden["judge.py"].decode()
    assert "files" in failures(store(code_files, starter={"helper.py": judge}), modules)


def test_too_large_task_fails(csv_files, store, modules):
    assert "bytes" in failures(store(csv_files, starter={"notes.txt": "x" * MAX_BYTES}), modules)["files"]


@pytest.mark.parametrize("licence", ["CC-BY-NC-4.0", "GPL-3.0-only", "unknown", ""])
def test_forbidden_licence_fails(licence, csv_files, store, modules):
    assert list(failures(store(csv_files, **licensed(csv_files, licence)), modules)) == ["licence"]


def test_unknown_licence_of_a_users_table_passes(csv_files, store, modules):
    assert failures(store(csv_files, **licensed(csv_files, "unknown", "file/mine")), modules) == {}


@pytest.mark.parametrize(
    "source",
    [
        "import torch",
        "def f():\n    from requests import get",
        "from . import x",
        "import turtle",
        "import mlgym_synth",
    ],
)
def test_import_that_the_runtime_lacks_fails(source, csv_files, store, modules):
    assert list(failures(store(csv_files, hidden={"reference.py": source}), modules)) == ["imports"]


@pytest.mark.parametrize("source", ["def f(:", "\0", "(" * 5000])
def test_source_that_is_no_python_fails(source, csv_files, store, modules):
    assert list(failures(store(csv_files, starter={"baseline.py": source}), modules)) == ["imports"]


def test_workspace_files_may_import_each_other(code_files, store, modules):
    assert failures(store(code_files, starter={"simulate.py": "import json\nimport policy\n"}), modules) == {}


@pytest.mark.parametrize("wrong", [{"direction": "min"}, {"limit": 2.0}, {"metric": "accuracies"}, {"metric": "rmse"}])
def test_scoring_that_contradicts_the_registry_fails(wrong, csv_files, store, modules):
    assert "scoring" in failures(store(csv_files, **scored(csv_files, **wrong)), modules)
