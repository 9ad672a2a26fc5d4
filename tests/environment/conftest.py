"""The tiny tasks of `tasks_for_tests.py`, made once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tasks_for_tests import add, code_files, csv_files

from mlgym_synth.environment.grader import Grader
from mlgym_synth.tasks.suite import Task


@pytest.fixture(scope="session")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    add(folder, csv_files(tmp_path_factory.mktemp("source")))
    add(folder, code_files())
    return folder


@pytest.fixture(scope="session")
def csv_task(suite: Path) -> Task:
    return Task("tiny-csv", suite)


@pytest.fixture(scope="session")
def code_task(suite: Path) -> Task:
    return Task("tiny-code", suite)


@pytest.fixture(scope="session")
def csv_grader(csv_task: Task) -> Grader:
    return Grader(csv_task)
