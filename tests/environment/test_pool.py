"""The pool hands out pristine workplaces only, whatever comes back to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from mlgym_synth.environment import TaskEnv
from mlgym_synth.environment.pool import WarmPool
from mlgym_synth.environment.workplace import Workplace
from mlgym_synth.errors import DataError, InputError, SandboxError
from mlgym_synth.tasks.suite import Task

pytestmark = pytest.mark.isolated


@pytest.fixture
def pool(csv_task: Task) -> Iterator[WarmPool]:
    pool = WarmPool(csv_task, 2)
    pool.start()
    yield pool
    pool.close()


def test_a_workplace_comes_back_pristine(pool: WarmPool) -> None:
    first = pool.take()
    first.begin(1)
    first.run("rm baseline.py; echo x > left; (setsid sleep 1234 &); until pgrep -x sleep; do true; done", 60)
    sleeping = [process for process in psutil.process_iter(["cmdline"]) if process.info["cmdline"] == ["sleep", "1234"]]
    assert len(sleeping) == 1
    pool.give_back(first)
    other = pool.take()
    assert other is not first
    again = pool.take()
    assert again is first
    assert not sleeping[0].is_running()
    again.begin(2)
    assert again.run("ls; echo $MLGYM_SEED", 60).output == "baseline.py\ndata\n2\n"


def test_all_may_be_exchanged_at_once(pool: WarmPool) -> None:
    for _ in range(3):
        taken = [pool.take(), pool.take()]
        for index, workplace in enumerate(taken):
            workplace.begin(index)
            assert workplace.run("echo $MLGYM_SEED", 60).output == f"{index}\n"
        for workplace in taken:
            pool.give_back(workplace)


def test_nobody_is_served_between_episodes(pool: WarmPool) -> None:
    workplace = pool.take()
    workplace.begin(0)
    grading = workplace.grading
    assert workplace.run("python baseline.py; validate", 60).exit_code == 0
    workplace.restore()
    late = workplace.sandbox.exec(["sh", "-c", "python baseline.py; MLGYM_SUBMISSION=submission.csv submit"])
    assert late.exit_code == 1
    assert "cannot reach the grader" in late.output
    assert not grading.submitted
    workplace.begin(0)
    assert not workplace.grading.submitted
    assert "validations left: 2" in workplace.run("python baseline.py; validate", 60).output


def test_a_broken_workplace_is_replaced(pool: WarmPool) -> None:
    first = pool.take()
    first.begin(0)
    first.sandbox.stop()
    pool.give_back(first)
    taken = [pool.take(), pool.take()]
    assert first not in taken
    for workplace in taken:
        workplace.begin(0)
        assert workplace.run("echo hello", 60).output == "hello\n"


def test_environments_share_it_and_give_back(pool: WarmPool, suite: Path) -> None:
    envs = [TaskEnv("tiny-csv", suite, pool=pool) for _ in range(2)]
    for _ in range(3):
        for env in envs:
            env.reset(seed=0)
            assert env.step("ls")[0] == "baseline.py\ndata\n"
            env.step("rm baseline.py")
    for env in envs:
        env.close()
        env.close()
    assert {pool.take(), pool.take()} == pool._made


def test_closing_closes_what_is_handed_out_too(csv_task: Task) -> None:
    before = len(list(Path("/proc/self/fd").iterdir()))
    pool = WarmPool(csv_task, 3)
    pool.start()
    workplace = pool.take()
    workplace.begin(0)
    pool.close()
    pool.close()
    with pytest.raises(SandboxError):
        workplace.run("echo", 60)
    with pytest.raises(SandboxError, match="pool of workplaces is closed"):
        pool.take()
    pool.give_back(workplace)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + 3  # the serving loop's, if it is the first


@pytest.mark.parametrize("provider", ["bubblewarp", "process"])
def test_what_cannot_be_made_is_told_to_each_who_asks(csv_task: Task, provider: str) -> None:
    pool = WarmPool(csv_task, 1, provider)
    pool.start()
    for _ in range(3):
        with pytest.raises(InputError):
            pool.take()
    pool.close()


def test_it_recovers(csv_task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = WarmPool(csv_task, 1)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    pool.start()
    with pytest.raises(SandboxError):
        pool.take()
    monkeypatch.setattr("tempfile.tempdir", None)
    found: list[Workplace] = []
    while not found:
        try:
            found.append(pool.take())
        except (SandboxError, DataError):  # the one that was begun before
            continue
    found[0].begin(0)
    assert found[0].run("echo hello", 60).output == "hello\n"
    pool.close()
