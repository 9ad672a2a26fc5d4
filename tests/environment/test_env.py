"""The environment keeps Gymnasium's contract, and its own: what ends an episode, what is scored, what is shown."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import gymnasium
import pytest
from gymnasium.error import ResetNeeded
from gymnasium.utils.env_checker import check_env
from tasks_for_tests import LIMITS, add, code_files

from mlgym_synth import register_suite
from mlgym_synth.environment import TaskEnv
from mlgym_synth.errors import InputError

pytestmark = pytest.mark.isolated

RIGHT = """python - <<'END'
import csv
rows = csv.DictReader(open("data/test.csv"))
lines = [row["id"] + "," + ("yes" if float(row["x"]) > float(row["y"]) else "no") for row in rows]
open("submission.csv", "w").write("id,target\\n" + "\\n".join(lines) + "\\n")
END"""


@pytest.fixture
def env(suite: Path) -> Iterator[TaskEnv]:
    env = TaskEnv("tiny-csv", suite, max_steps=4)
    yield env
    env.close()


def test_gymnasium_finds_no_fault(suite: Path) -> None:
    names = register_suite(suite)
    assert sorted(names) == ["mlgym-synth/tiny-code", "mlgym-synth/tiny-csv"]
    for name in names:
        env = gymnasium.make(name)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            check_env(env.unwrapped, skip_render_check=True)
        env.close()


def test_it_can_be_vectorised(suite: Path) -> None:
    register_suite(suite)
    envs = gymnasium.make_vec("mlgym-synth/tiny-csv", num_envs=2, vectorization_mode="sync")
    observations, infos = envs.reset(seed=1)
    assert len(observations) == 2
    assert list(infos["outcome"]) == ["running", "running"]
    observations, _, _, _, _ = envs.step(("echo one > mine; cat mine", "ls mine; echo two"))
    assert observations[0] == "one\n"
    assert observations[1].endswith("two\n")
    assert "No such file" in observations[1]
    envs.close()


def test_it_can_be_vectorised_over_processes_without_shared_memory(suite: Path) -> None:
    (name, *_) = register_suite(suite)
    settings = {"shared_memory": False}  # which has no room for texts of any length
    envs = gymnasium.make_vec(name, num_envs=2, vectorization_mode="async", vector_kwargs=settings)
    envs.reset(seed=1)
    observations, rewards, *_ = envs.step(("echo one", "echo two"))
    assert list(observations) == ["one\n", "two\n"]
    assert list(rewards) == [0.0, 0.0]
    envs.close()


def test_the_first_observation_says_how_to_work(env: TaskEnv) -> None:
    observation, info = env.reset(seed=0)
    for part in ("Say whether x > y.", "validate", "submit", "submission.csv", "baseline.py", "4 commands", "3 times"):
        assert part in observation
    assert info == {"outcome": "running", "score": None, "baseline": 0.75, "best_score": None, "step": 0}


def test_an_episode_with_a_submission(env: TaskEnv) -> None:
    env.reset(seed=0)
    _, reward, terminated, truncated, info = env.step(RIGHT)
    assert (reward, terminated, truncated, info["step"], info["score"]) == (0.0, False, False, 1, None)
    observation, *_ = env.step("cd / && validate")
    assert observation == ("accuracy on the public part: 1 (higher is better)\nvalidations left: 2\n")
    observation, reward, terminated, truncated, info = env.step("submit")
    assert observation.startswith("COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT\n<<SWE_AGENT_SUBMISSION>>\n{")
    assert (reward, terminated, truncated) == (1.0, True, False)
    assert info == {"outcome": "submitted", "score": 1.0, "baseline": 0.75, "best_score": 1.0, "step": 3}
    with pytest.raises(ResetNeeded):
        env.step("ls")


def test_an_episode_of_code(suite: Path) -> None:
    env = TaskEnv("tiny-code", suite)
    env.reset(seed=0)
    observation, *_ = env.step("validate")
    assert observation.startswith("share_doubled on the public part: 0.05 ")
    env.step("echo 'def double(x): return 2 * x' > policy.py")
    _, reward, terminated, _, info = env.step("submit")
    assert (reward, terminated, info["score"], info["best_score"]) == (1.0, True, 1.0, 1.0)
    env.close()


def test_a_reset_is_pristine(env: TaskEnv) -> None:
    env.reset(seed=0)
    env.step("python baseline.py; rm baseline.py; cd /; export LEFT=over; validate; (sleep 300 &)")
    first, _ = env.reset(seed=0)
    second, _ = env.reset(seed=0)
    assert first == second
    observation, *_ = env.step("pwd | grep -c workspace; ls; echo [$LEFT]; pgrep -c sleep")
    assert observation.split() == ["1", "baseline.py", "data", "[]", "0", "[exit", "code", "1]"]
    observation, *_ = env.step("python baseline.py && validate")
    assert "validations left: 2" in observation


def test_the_seed_reaches_the_shell_and_outlasts_it(env: TaskEnv) -> None:
    def seeds(seed: int) -> list[str]:
        env.reset(seed=seed)
        first, *_ = env.step("echo $MLGYM_SEED; exit 3")
        again, *_ = env.step("echo $MLGYM_SEED")
        return [first, again]

    first, again = seeds(5)
    assert first == f"{again}[exit code 3; the shell ended, a new one has begun]\n" or first.startswith(again)
    assert "the shell ended" in first
    assert int(again) >= 0
    assert seeds(5) == [first, again]
    assert seeds(6) != [first, again]


def test_at_the_last_step_the_last_validated_submission_is_scored(env: TaskEnv) -> None:
    env.reset(seed=0)
    env.step(RIGHT)
    env.step("validate")
    env.step("python baseline.py")
    _, reward, terminated, truncated, info = env.step("true")
    assert (reward, terminated, truncated) == (1.0, False, True)
    assert (info["outcome"], info["score"]) == ("max_steps", 1.0)


def test_at_the_last_step_the_file_in_the_workspace_is_scored(env: TaskEnv) -> None:
    env.reset(seed=0)
    for _ in range(3):
        env.step("true")
    _, reward, _, truncated, info = env.step(RIGHT)
    assert (reward, truncated, info["score"]) == (1.0, True, 1.0)


def test_no_submission_has_its_small_cost(env: TaskEnv) -> None:
    env.reset(seed=0)
    for _ in range(4):
        _, reward, _, truncated, info = env.step("echo nonsense > submission.csv")
    assert (reward, truncated, info["score"], info["best_score"]) == (-0.1, True, None, None)


def test_a_task_that_failed_certification_has_no_reward(tmp_path: Path) -> None:
    """Its anchors need not even differ: a reward between equal ones would divide by zero."""
    task = add(tmp_path, code_files())
    certificate = task.certificate
    assert certificate is not None
    assert certificate.anchors is not None
    flat = certificate.anchors.model_copy(update={"floor": 0.5, "reference": 0.5})
    certificate.model_copy(update={"certified": False, "anchors": flat}).write(task.certificate_path)
    env = TaskEnv("tiny-code", tmp_path)
    _, info = env.reset(seed=0)
    assert info["baseline"] is None
    _, reward, terminated, _, info = env.step("submit")
    env.close()
    assert (reward, terminated, info["score"]) == (0.0, True, 0.0)


def test_without_a_certificate_there_is_no_reward(suite: Path, tmp_path: Path) -> None:
    task = add(tmp_path, code_files())
    task.certificate_path.unlink()
    env = TaskEnv("tiny-code", tmp_path)
    _, info = env.reset(seed=0)
    assert info["baseline"] is None
    _, reward, terminated, _, info = env.step("submit")
    assert (reward, terminated, info["score"]) == (0.0, True, 0.0)
    env.close()


def test_the_time_limit_of_an_episode_truncates_it(tmp_path: Path) -> None:
    add(tmp_path, code_files(LIMITS.model_copy(update={"episode_seconds": 3.0})))
    env = TaskEnv("tiny-code", tmp_path)
    env.reset(seed=0)
    observation, _, terminated, truncated, info = env.step("echo begun; sleep 60")
    assert observation.startswith("begun\n")
    assert observation.endswith("[the command ran out of time and was stopped]\n")
    assert (terminated, truncated, info["outcome"]) == (False, True, "timeout")
    env.close()


@pytest.mark.parametrize("action", ["echo \ud800", "echo a\0b", "'", "((", "exec true", "kill -9 $$", "cat <<X", ""])
def test_any_text_is_an_action(env: TaskEnv, action: str) -> None:
    env.reset(seed=0)
    observation, reward, terminated, truncated, _ = env.step(action)
    assert observation in env.observation_space
    assert (reward, terminated, truncated) == (0.0, False, False)
    assert env.step("echo alive")[0] == "alive\n"


def test_a_broken_sandbox_is_no_score_and_the_next_reset_makes_another(env: TaskEnv) -> None:
    env.reset(seed=0)
    assert env._workplace is not None
    env._workplace.sandbox.stop()
    observation, reward, terminated, truncated, info = env.step("ls")
    assert observation == "[the sandbox failed]\n"
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert info == {"outcome": "sandbox_error", "score": None, "baseline": 0.75, "best_score": None, "step": 1}
    env.reset(seed=0)
    assert env.step("echo hello")[0] == "hello\n"


def test_a_broken_judge_is_no_score(suite: Path) -> None:
    env = TaskEnv("tiny-code", suite, max_steps=2)
    env.reset(seed=0)
    observation, *_ = env.step("echo 'def double(x): return 77' > policy.py; validate; submit")
    assert observation.count("the grader failed, which is not the submission's fault") == 2
    _, reward, terminated, truncated, info = env.step("true")
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert (info["outcome"], info["score"]) == ("sandbox_error", None)
    env.close()


def test_an_interrupt_from_another_thread_ends_the_command(env: TaskEnv) -> None:
    env.reset(seed=0)
    timer = threading.Timer(2.0, env.interrupt)
    timer.start()
    observation, _, terminated, truncated, _ = env.step("echo begun; sleep 60; echo slept")
    timer.join()
    assert "begun" in observation
    assert "slept" not in observation
    assert (terminated, truncated) == (False, False)


def test_closing_twice_is_once_and_a_reset_begins_anew(env: TaskEnv) -> None:
    env.reset(seed=0)
    assert env.provider
    env.close()
    env.close()
    assert env.provider == ""
    with pytest.raises(ResetNeeded):
        env.step("ls")
    env.reset(seed=0)
    assert env.step("echo hello")[0] == "hello\n"


def test_what_cannot_be_used_is_an_input_error(suite: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean tiny-csv"):
        TaskEnv("tiny-csw", suite)
    with pytest.raises(InputError, match="is not a suite"):
        TaskEnv("tiny-csv", tmp_path)
    with pytest.raises(InputError, match="max_steps"):
        TaskEnv("tiny-csv", suite, max_steps=0)
    register_suite(suite)
    with pytest.raises(InputError, match="allow_unsafe=True"):
        gymnasium.make("mlgym-synth/tiny-csv", sandbox="process")


def test_the_data_in_the_workspace_is_read_only(env: TaskEnv) -> None:
    env.reset(seed=0)
    observation, *_ = env.step("ls data; echo x >> data/train.csv")
    assert observation.splitlines()[:2] == ["test.csv", "train.csv"]
    assert "exit code 1" in observation
