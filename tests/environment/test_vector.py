"""Many environments step together as Gymnasium's own vector environments do, and none disturbs another."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from tasks_for_tests import LIMITS, add, code_files

from mlgym_synth import register_suite
from mlgym_synth.environment import TaskEnv, TaskVectorEnv
from mlgym_synth.errors import InputError

pytestmark = pytest.mark.isolated

Make = Callable[..., TaskVectorEnv]


@pytest.fixture
def make(suite: Path) -> Iterator[Make]:
    made = []

    def make(num_envs: int, task_id: str = "tiny-csv", **settings: Any) -> TaskVectorEnv:
        made.append(TaskVectorEnv(task_id, suite, num_envs, **settings))
        return made[-1]

    yield make
    for envs in made:
        envs.close()


def test_gymnasium_makes_it(suite: Path) -> None:
    register_suite(suite)
    envs = gymnasium.make_vec("mlgym-synth/tiny-csv", num_envs=3, max_steps=5)
    assert isinstance(envs, TaskVectorEnv)
    assert envs.spec is not None
    assert envs.spec.kwargs["num_envs"] == 3
    assert envs.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    observations, infos = envs.reset(seed=1)
    assert observations in envs.observation_space
    assert observations == tuple(observation for observation in observations if "Say whether x > y." in observation)
    assert infos["outcome"].tolist() == ["running"] * 3
    observations, rewards, terminations, truncations, infos = envs.step(envs.action_space.sample())
    assert observations in envs.observation_space
    for values, kind in ((rewards, np.float64), (terminations, np.bool_), (truncations, np.bool_)):
        assert values.dtype == kind
        assert values.shape == (3,)
    assert infos["step"].tolist() == [1, 1, 1]
    assert infos["_step"].tolist() == [True, True, True]
    envs.close()
    envs.close()


EPISODES = [
    ("echo one", "python baseline.py", "echo $MLGYM_SEED"),
    ("exit 3", "validate", "cd /; pwd"),
    ("pwd; ls", "submit", "false"),
    ("ls", "ls", "pwd"),
    ("pwd", "echo $MLGYM_SEED", "python baseline.py"),
    ("kill -9 $$", "ls", "ls"),
    ("echo after", "ls", "validate"),
    ("true", "true", "submit"),
    ("true", "true", "true"),
    ("true", "true", "true"),
]


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_it_does_what_gymnasiums_own_does(suite: Path, make: Make, mode: AutoresetMode) -> None:
    ours = make(3, max_steps=4, autoreset_mode=mode)
    theirs = SyncVectorEnv([lambda: TaskEnv("tiny-csv", suite, max_steps=4)] * 3, autoreset_mode=mode)
    try:
        assert ours.metadata["autoreset_mode"] is theirs.metadata["autoreset_mode"]
        assert ours.action_space == theirs.action_space
        assert ours.observation_space == theirs.observation_space
        for seed in (7, [3, 5, 2**40]):
            _check_equal(ours.reset(seed=seed), theirs.reset(seed=seed))  # type: ignore[arg-type]
            assert ours.np_random_seed == theirs.np_random_seed
        for actions in EPISODES:
            _check_equal(ours.step(actions), theirs.step(actions))
        mask = np.array([True, False, True])
        options = {"reset_mask": mask}
        _check_equal(ours.reset(seed=1, options=options), theirs.reset(seed=1, options=dict(options)))
        assert set(options) == {"reset_mask"}
        _check_equal(ours.step(EPISODES[4]), theirs.step(EPISODES[4]))
    finally:
        theirs.close()


def _check_equal(ours: Any, theirs: Any) -> None:
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            _check_equal(ours[key], theirs[key])
    elif isinstance(ours, np.ndarray):
        assert ours.dtype == theirs.dtype
        _check_equal(ours.tolist(), theirs.tolist())
    elif isinstance(ours, tuple | list):
        assert len(ours) == len(theirs)
        for our, their in zip(ours, theirs, strict=True):
            _check_equal(our, their)
    elif isinstance(ours, float) and np.isnan(ours):
        assert np.isnan(theirs)
    else:
        assert ours == theirs


def test_without_autoreset_an_ended_episode_has_to_be_reset(make: Make) -> None:
    envs = make(2, max_steps=2, autoreset_mode="Disabled")
    envs.reset(seed=0)
    envs.step(("python baseline.py", "ls"))
    _, _, terminations, truncations, _ = envs.step(("submit", "ls"))
    assert (terminations.tolist(), truncations.tolist()) == ([True, False], [False, True])
    with pytest.raises(ResetNeeded):
        envs.step(("ls", "ls"))
    _, infos = envs.reset(options={"reset_mask": np.array([True, False])})
    assert infos["_outcome"].tolist() == [True, False]
    with pytest.raises(ResetNeeded):
        envs.step(("ls", "ls"))
    envs.reset(options={"reset_mask": np.array([False, True])})
    assert envs.step(("echo one", "echo two"))[0] == ("one\n", "two\n")


def test_all_commands_run_at_the_same_time(make: Make) -> None:
    envs = make(8)
    envs.reset(seed=0)
    began = time.monotonic()
    observations, *_ = envs.step(("sleep 2; echo slept",) * 8)
    together = time.monotonic() - began
    assert observations == ("slept\n",) * 8
    began = time.monotonic()
    envs.step(("sleep 2", *("true",) * 7))
    alone = time.monotonic() - began
    assert together < 4 * alone


def test_a_command_out_of_time_does_not_hold_up_the_others(suite: Path, tmp_path: Path) -> None:
    add(tmp_path, code_files(LIMITS.model_copy(update={"action_seconds": 1.0})))
    envs = TaskVectorEnv("tiny-code", tmp_path, 3)
    try:
        envs.reset(seed=0)
        observations, *_ = envs.step(("echo begun; sleep 60", "while true; do echo x; done", "echo done"))
        assert observations[0].startswith("begun\n")
        for observation in observations[:2]:
            assert observation.endswith("[the command ran out of time and was stopped]\n")
        assert observations[2] == "done\n"
        assert envs.step(("echo alive",) * 3)[0] == ("alive\n",) * 3
    finally:
        envs.close()


def test_a_sandbox_that_breaks_truncates_its_own_episode_only(make: Make) -> None:
    envs = make(3)
    envs.reset(seed=0)
    broken = envs.envs[1]._workplace
    assert broken is not None
    broken.sandbox.stop()
    observations, rewards, terminations, truncations, infos = envs.step(("echo one", "echo two", "echo three"))
    assert observations == ("one\n", "[the sandbox failed]\n", "three\n")
    assert (terminations.tolist(), truncations.tolist()) == ([False] * 3, [False, True, False])
    assert infos["outcome"].tolist() == ["running", "sandbox_error", "running"]
    assert rewards.tolist() == [0.0] * 3
    observations, _, _, truncations, infos = envs.step(("pwd", "ignored", "pwd"))
    assert "Say whether x > y." in observations[1]
    assert not truncations.any()
    assert infos["step"].tolist() == [2, 0, 2]
    assert envs.step(("echo one", "echo two", "echo three"))[0] == ("one\n", "two\n", "three\n")


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_an_autoreset_that_fails_is_tried_again(
    make: Make, mode: AutoresetMode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here because the temporary folder cannot be used for a while."""
    envs = make(1, max_steps=1, autoreset_mode=mode)
    envs.reset(seed=0)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    outcomes = []
    for _ in range(6):
        for workplace in list(envs._pool._made):
            workplace.sandbox.stop()
        *_, truncations, infos = envs.step(("ls",))
        outcomes.append(str(infos["outcome"][0]))
        assert truncations.tolist() == [outcomes[-1] != "running"] or mode is AutoresetMode.SAME_STEP
    assert "sandbox_error" in outcomes
    monkeypatch.setattr("tempfile.tempdir", None)
    for _ in range(4):
        *_, infos = envs.step(("true",))
    assert infos["outcome"][0] in ("running", "max_steps")


def test_the_pool_hides_nothing_of_the_last_episode(make: Make) -> None:
    envs = make(2, max_steps=3)
    for episode in range(6):  # more than there are sandboxes
        envs.reset(seed=episode)
        observations, *_ = envs.step(("pwd; ls -A; echo [$LEFT]; pgrep -c sleep; ls /tmp; cat ~/left", "true"))
        assert observations[0].splitlines()[1:5] == ["baseline.py", "data", "[]", "0"]
        assert "left" not in observations[0].replace("/home/agent/left", "")
        spoil = "rm baseline.py; echo x > left; echo x > ~/left; touch /tmp/left; export LEFT=over; cd /; (sleep 300 &)"
        envs.step((f"{spoil}; (setsid sleep 300 &)", "true"))
        observations, *_ = envs.step(("cd ~/workspace; python -c 'print(1)' > submission.csv; validate", "true"))
        assert "(validations left: 3)" in observations[0]


def test_an_interrupted_step_has_to_be_followed_by_a_reset(make: Make) -> None:
    envs = make(2)
    envs.reset(seed=0)
    with pytest.raises(AssertionError, match="here"), envs._cut_off({}):
        raise AssertionError("here")
    with pytest.raises(ResetNeeded):
        envs.step(("ls", "ls"))
    with pytest.raises(ResetNeeded):
        envs.reset(options={"reset_mask": np.array([True, False])})
    envs.reset()
    assert envs.step(("echo one", "echo two"))[0] == ("one\n", "two\n")


def test_closing_during_a_step_ends_it(make: Make) -> None:
    envs = make(3)
    envs.reset(seed=0)
    results: list[Any] = []
    stepping = threading.Thread(target=lambda: results.append(envs.step(("sleep 600",) * 3)))
    stepping.start()
    time.sleep(0.5)
    envs.close()
    stepping.join(60)
    assert not stepping.is_alive()
    assert len(results) == 1
    envs.close()
    with pytest.raises(ClosedEnvironmentError):
        envs.step(("ls",) * 3)
    with pytest.raises(ClosedEnvironmentError):
        envs.reset()


def test_closing_leaves_nothing_behind(suite: Path) -> None:
    def count() -> tuple[int, int]:
        return len(list(Path("/proc/self/fd").iterdir())), threading.active_count()

    TaskEnv("tiny-csv", suite).close()
    first = TaskVectorEnv("tiny-csv", suite, 1)
    first.reset()
    first.close()  # the serving thread and the launcher stay
    before = count()
    for reset in (True, False):
        envs = TaskVectorEnv("tiny-csv", suite, 5)
        if reset:
            envs.reset(seed=0)
            envs.step(("(sleep 300 &)",) * 5)
        envs.close()
        assert count() == before


def test_many_environments_have_one_thread_for_all_their_graders(make: Make) -> None:
    envs = make(20)
    envs.reset(seed=0)
    envs.step(("python baseline.py; validate",) * 20)
    assert [thread.name for thread in threading.enumerate()].count("grader") == 1


@pytest.mark.parametrize(
    ("actions", "error"),
    [(("ls",), ValueError), (("ls",) * 3, ValueError), (("ls", 1), TypeError), ((None, "ls"), TypeError)],
)
def test_actions_that_do_not_fit_change_nothing(make: Make, actions: Any, error: type[Exception]) -> None:
    envs = make(2)
    envs.reset(seed=0)
    with pytest.raises(error):
        envs.step(actions)
    assert envs.step(("echo one", "echo two"))[4]["step"].tolist() == [1, 1]


@pytest.mark.parametrize("seed", [[1], [1, 2, 3]])
def test_seeds_that_do_not_fit_are_refused(make: Make, seed: Any) -> None:
    with pytest.raises(ValueError, match="seeds for 2 environments"):
        make(2).reset(seed=seed)


@pytest.mark.parametrize("mask", [[True, False], np.array([1, 0]), np.array([True]), np.array([False, False])])
def test_masks_that_do_not_fit_are_refused(make: Make, mask: Any) -> None:
    envs = make(2)
    envs.reset(seed=0)
    with pytest.raises(ValueError, match="reset_mask"):
        envs.reset(options={"reset_mask": mask})


def test_what_cannot_be_used_is_an_input_error(suite: Path, make: Make) -> None:
    for settings, message in (
        ({"num_envs": 0}, "num_envs"),
        ({"num_envs": 1, "max_steps": 0}, "max_steps"),
        ({"num_envs": 1, "sandbox": "process"}, "allow_unsafe=True"),
        ({"num_envs": 1, "task_id": "tiny-csw"}, "did you mean tiny-csv"),
    ):
        with pytest.raises(InputError, match=message):
            make(**settings)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="sandbox provider"):
        make(1, sandbox="bubblewarp").reset()


def test_before_the_first_reset_there_is_no_step(make: Make) -> None:
    with pytest.raises(ResetNeeded):
        make(1).step(("ls",))


def test_code_is_graded_for_all_at_once(make: Make) -> None:
    envs = make(4, task_id="tiny-code")
    envs.reset(seed=0)
    envs.step(("echo 'def double(x): return 2 * x' > policy.py",) * 4)
    observations, *_ = envs.step(("validate",) * 4)
    assert [text.splitlines()[0] for text in observations] == [
        "share_doubled on the public part: 1 (higher is better)"
    ] * 4
    _, rewards, terminations, _, infos = envs.step(("submit",) * 4)
    assert rewards.tolist() == [1.0] * 4
    assert terminations.all()
    assert infos["score"].tolist() == [1.0] * 4
