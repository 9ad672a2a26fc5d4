"""A process that forks has two owners of one environment; only the one that made it may touch it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tasks_for_tests import add, csv_files

pytestmark = pytest.mark.isolated

SCRIPT = """
import os, sys
from mlgym_synth.environment import TaskEnv
from mlgym_synth.errors import SandboxError

env = TaskEnv("tiny-csv", sys.argv[1])
env.reset(seed=0)
child = os.fork()
if child == 0:
    try:
        env.reset(seed=1)
    except SandboxError as error:
        os._exit(0 if "before a fork" in str(error) else 1)
    os._exit(2)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
observation, *_ = env.step("python baseline.py; validate")
assert "accuracy on the public part" in observation, observation
env.close()
"""


def test_a_fork_can_neither_use_nor_end_what_it_inherits(tmp_path: Path) -> None:
    suite = tmp_path / "suite"
    add(suite, csv_files(tmp_path))
    result = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(suite)], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
