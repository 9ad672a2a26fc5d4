"""The tuner as an agent runs it: as a program, beside a starter file and its simulator."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import resources
from pathlib import Path

import pytest

SCRIPT = resources.files("mlgym_synth.agents") / "files" / "search_constants.py"
SIMULATOR = """
import json
import sys

WORLD = 5

import policy

shift = 0.01 * int(sys.argv[1]) if len(sys.argv) > 1 else 0
print(json.dumps({"score": -(policy.SPEED - 3 - shift) ** 2 - (policy.WEIGHTS[1] + 2) ** 2}))
"""
POLICY = '''"""Größe: a docstring whose bytes are more than its characters."""
SPEED = 1.0  # stays a comment
WEIGHTS = [1, -1.0]
WORLD = 5
FLAG = True
NAMES = ["a", 1]
lower = 2
'''


def tune(folder: Path, policy: str, simulator: str = SIMULATOR, *, seed: int = 0, seconds: float = 2) -> str:
    """Runs the script and returns what it printed."""
    (folder / "policy.py").write_text(policy, encoding="utf-8")
    (folder / "simulate.py").write_text(simulator, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, str(SCRIPT), "policy.py", "--direction", "max", "--seconds", str(seconds)],
        cwd=folder,
        env={**os.environ, "MLGYM_SEED": str(seed)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_climbs_and_leaves_all_else_as_it_was(tmp_path: Path) -> None:
    output = tune(tmp_path, POLICY)
    assert "wrote policy.py" in output
    before, after = POLICY.splitlines(), (tmp_path / "policy.py").read_text(encoding="utf-8").splitlines()
    assert len(after) == len(before)
    assert after[0] == before[0]
    assert after[1].endswith("  # stays a comment")
    assert after[3:5] == before[3:5]
    assert after[6] == before[6]
    values: dict[str, object] = {}
    exec("\n".join(after), values)  # the file that the test wrote, with other numbers
    weights = values["WEIGHTS"]
    assert isinstance(weights, list)
    assert (values["SPEED"] - 3) ** 2 + (weights[1] + 2) ** 2 < 4 + 1  # type: ignore[operator]


@pytest.mark.parametrize(
    ("policy", "simulator"),
    [
        ("def act(x):\n    return x\n", SIMULATOR),
        ("SPEED = 1.0\nWEIGHTS = [0, 1]\n", "raise SystemExit(1)"),
        ("SPEED = 1.0\nWEIGHTS = [0, 1]\n", "print('no JSON')"),
        ("SPEED = 1.0\nWEIGHTS = [0, 1]\n", "print('{\"score\": NaN}')"),
        ("SPEED = 1.0\nWEIGHTS = [0, 1]\n", "import time\ntime.sleep(60)"),
        ("SPEED = 3.01\nWEIGHTS = [0, -2]\n", SIMULATOR),
    ],
    ids=["no constants", "fails", "no JSON", "no number", "too slow", "better only by luck"],
)
def test_leaves_the_file_where_nothing_is_proved_better(tmp_path: Path, policy: str, simulator: str) -> None:
    output = tune(tmp_path, policy, simulator, seconds=0.7)
    assert "stays as it is" in output
    assert (tmp_path / "policy.py").read_text() == policy


def test_trials_leave_nothing_behind(tmp_path: Path) -> None:
    tune(tmp_path, POLICY, seconds=0.5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["policy.py", "simulate.py"]
