"""Where nothing isolates: an episode of trusted commands, by permission. And what an import brings along."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mlgym_synth.environment import TaskEnv


@pytest.mark.parametrize(("task_id", "score"), [("tiny-csv", "accuracy"), ("tiny-code", "share_doubled")])
def test_an_episode_by_permission(suite: Path, task_id: str, score: str) -> None:
    env = TaskEnv(task_id, suite, sandbox="process", allow_unsafe=True)
    for _ in range(2):
        env.reset(seed=0)
        env.step("[ ! -e baseline.py ] || python baseline.py")
        observation, *_ = env.step("cd / && validate")
        assert observation.startswith(f"{score} on the public part: ")
        assert "validations left: 2" in observation
        _, _, terminated, _, info = env.step("submit")
        assert terminated
        assert info["score"] is not None
    env.close()


def test_importing_the_environment_stays_light() -> None:
    heavy = {"pandas", "sklearn", "openai", "docker", "matplotlib", "huggingface_hub", "pyarrow"}
    program = f"import sys, mlgym_synth.environment; print(sorted({heavy!r} & set(sys.modules)))"
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
