"""Every task that is registered on import keeps Gymnasium's contract."""

from __future__ import annotations

import gymnasium as gym
import pytest
from gymnasium.utils.env_checker import check_env

import mlgym_synth
from mlgym_synth.tasks.registration import registered

IDS = sorted(registered())


def test_the_shipped_suites_are_registered() -> None:
    assert mlgym_synth.__version__ and len(IDS) >= 8


@pytest.mark.isolated
@pytest.mark.parametrize("task_id", IDS)
def test_check_env(task_id: str) -> None:
    env = gym.make(f"mlgym-synth/{task_id}", max_steps=3)
    try:
        check_env(env.unwrapped, skip_render_check=True)
    finally:
        env.close()


@pytest.mark.isolated
def test_make_vec_steps_several_environments() -> None:
    envs = gym.make_vec(f"mlgym-synth/{IDS[0]}", num_envs=2, max_steps=3)
    try:
        observations, _ = envs.reset(seed=1)
        assert len(observations) == 2
        observations, rewards, _, _, info = envs.step(("echo one", "echo two"))
        assert list(observations) == ["one\n", "two\n"]
        assert rewards.shape == (2,) and info["step"].tolist() == [1, 1]
    finally:
        envs.close()
