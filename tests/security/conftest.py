"""Makes the tiny tasks of tests/environment importable here, and lends the suite and its episodes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "environment"))

from adversary import make_suite  # tests/environment has to be on the path first

from mlgym_synth.environment import TaskEnv


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_suite(tmp_path_factory.mktemp("suite"), tmp_path_factory.mktemp("source"))


@pytest.fixture(scope="module")
def shared_env(suite: Path) -> Iterator[TaskEnv]:
    env = TaskEnv("tiny-csv", suite)
    yield env
    env.close()


@pytest.fixture
def env(shared_env: TaskEnv) -> TaskEnv:
    """An episode on the table, with a submission written and not yet validated."""
    shared_env.reset(seed=0)
    shared_env.step("python baseline.py")
    return shared_env


@pytest.fixture(scope="module")
def shared_code_env(suite: Path) -> Iterator[TaskEnv]:
    env = TaskEnv("tiny-code", suite)
    yield env
    env.close()


@pytest.fixture
def code_env(shared_code_env: TaskEnv) -> TaskEnv:
    shared_code_env.reset(seed=0)
    return shared_code_env
