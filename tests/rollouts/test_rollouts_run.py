"""Runs of a quick agent in real sandboxes: what they record, and what stopping and resuming them does."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

import psutil
import pytest
from tiny_suite import IDS, Guesser, make_suite, run

from mlgym_synth.agents import AGENTS, Environment
from mlgym_synth.errors import InputError, SandboxError
from mlgym_synth.files import folder_lock
from mlgym_synth.rollouts import Event, RunResult, load_run
from mlgym_synth.tasks.outcomes import Outcome
from mlgym_synth.tasks.suite import Suite
from mlgym_synth.trajectories import Sink, Trajectory, read_trajectory

EPISODES = [f"{task_id}/{sample}" for sample in range(2) for task_id in IDS]


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_suite(tmp_path_factory.mktemp("tiny") / "suite")


@pytest.fixture(scope="module")
def undisturbed(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run(suite, tmp_path_factory.mktemp("undisturbed"))


def scores(result: RunResult) -> dict[str, float | None]:
    return {episode.episode: episode.score for episode in result.episodes}


def journal(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "journal.jsonl").read_text().splitlines()]


def start(suite: Path, out: Path, samples: int, pause: float, *more: str) -> subprocess.Popen[bytes]:
    """A run in a process of its own."""
    program = [sys.executable, str(Path(__file__).with_name("tiny_suite.py"))]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    return subprocess.Popen([*program, str(suite), str(out), str(samples), str(pause), *more], env=environment)


def wait_for(condition: Any, process: subprocess.Popen[bytes]) -> None:
    """Waits until something is so; the time limit of the test ends a wait in vain."""
    while not condition():
        assert process.poll() is None, "the run ended too early"
        time.sleep(0.02)


def finished(folder: Path) -> list[str]:
    path = folder / "journal.jsonl"
    events = journal(folder) if path.exists() else []
    return [event["episode"] for event in events if event["event"] == "finished"]


@pytest.mark.isolated
def test_a_run_records_every_episode(undisturbed: RunResult, suite: Path) -> None:
    assert [episode.episode for episode in undisturbed.episodes] == EPISODES
    assert (undisturbed.agent, undisturbed.suite) == ("guesser", suite.resolve())
    for episode in undisturbed.episodes:
        trajectory = read_trajectory(episode.path)
        assert episode.outcome is trajectory.outcome is Outcome.SUBMITTED
        assert episode.score == trajectory.score is not None
        assert (episode.steps, episode.seed) == (3, trajectory.seed)
        assert trajectory.episode == episode.sample
        assert trajectory.content_hash == Suite.open(suite).task(episode.task_id).content_hash
    assert len({episode.seed for episode in undisturbed.episodes}) == 4
    assert len(set(scores(undisturbed).values())) > 1, "seeds make a difference, or the tests below prove nothing"
    assert load_run(undisturbed.folder) == undisturbed


@pytest.mark.isolated
def test_intent_is_journalled_before_the_act(undisturbed: RunResult) -> None:
    events = journal(undisturbed.folder)
    assert Counter(event["event"] for event in events) == {"started": 4, "finished": 4}
    for episode in EPISODES:
        assert [each["event"] for each in events if each["episode"] == episode] == ["started", "finished"]


@pytest.mark.isolated
def test_concurrency_does_not_change_the_episodes(undisturbed: RunResult, suite: Path, tmp_path: Path) -> None:
    assert scores(run(suite, tmp_path, concurrency=4)) == scores(undisturbed)
    assert scores(run(suite, tmp_path / "seed", seed=1)) != scores(undisturbed)


@pytest.mark.isolated
def test_progress_is_told(suite: Path, tmp_path: Path) -> None:
    events: list[Event] = []
    result = run(suite, tmp_path, on_event=events.append)
    for episode in result.episodes:
        told = [event for event in events if event.episode == episode.episode]
        assert [event.stage for event in told] == ["started", "step", "step", "step", "finished"]
        assert [event.steps for event in told] == [0, 1, 2, 3, 3]
        assert told[-1].result == episode


@pytest.mark.isolated
def test_a_finished_run_is_not_played_again(suite: Path, tmp_path: Path) -> None:
    first = run(suite, tmp_path, samples=1)
    before = journal(tmp_path)
    events: list[Event] = []
    assert run(suite, tmp_path, samples=1, resume=True, on_event=events.append) == first
    assert journal(tmp_path) == before
    assert [event.stage for event in events] == ["finished", "finished"]


@pytest.mark.isolated
def test_killed_and_resumed_equals_undisturbed(undisturbed: RunResult, suite: Path, tmp_path: Path) -> None:
    process = start(suite, tmp_path, 2, 0.5)
    wait_for(lambda: finished(tmp_path), process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with (tmp_path / "journal.jsonl").open("a") as stream:
        stream.write('{"event": "fini')  # what a crash of the machine may leave
    before = finished_of_torn(tmp_path)
    assert len(load_run(tmp_path).episodes) == len(before) < 4
    result = run(suite, tmp_path, pause=0.5, resume=True)
    assert scores(result) == scores(undisturbed)
    assert sorted(finished(tmp_path)) == sorted(EPISODES), "every episode finishes once"
    assert all(read_trajectory(episode.path).outcome is Outcome.SUBMITTED for episode in result.episodes)


def finished_of_torn(folder: Path) -> list[str]:
    whole = (folder / "journal.jsonl").read_text().splitlines()[:-1]
    return [json.loads(line)["episode"] for line in whole if '"finished"' in line]


@pytest.mark.isolated
def test_ctrl_c_closes_the_sandboxes_and_keeps_the_journal(suite: Path, tmp_path: Path) -> None:
    process = start(suite, tmp_path, 1, 600)
    wait_for(lambda: len(list(tmp_path.rglob("*.jsonl"))) == 3, process)
    wait_for(lambda: all(b'"index":0' in path.read_bytes() for path in tmp_path.rglob("0.jsonl")), process)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    process.send_signal(signal.SIGINT)
    assert process.wait() == -signal.SIGINT, "KeyboardInterrupt reached the caller"
    _, alive = psutil.wait_procs(children, timeout=10)
    assert not alive
    assert {event["event"] for event in journal(tmp_path)} == {"started"}
    assert load_run(tmp_path).episodes == []


@pytest.mark.isolated
def test_a_second_process_is_refused(suite: Path, tmp_path: Path) -> None:
    with folder_lock(tmp_path), pytest.raises(InputError, match="another process"):
        run(suite, tmp_path)
    process = start(suite, tmp_path, 1, 600)
    try:
        wait_for((tmp_path / "journal.jsonl").exists, process)
        with pytest.raises(InputError, match="another process"):
            run(suite, tmp_path, samples=1, resume=True)
    finally:
        process.kill()
        process.wait()


@pytest.mark.isolated
def test_a_run_is_resumed_only_on_request_and_as_it_was_asked(suite: Path, tmp_path: Path) -> None:
    run(suite, tmp_path, samples=1)
    with pytest.raises(InputError, match="--resume"):
        run(suite, tmp_path, samples=1)
    for change, named in [
        ({"samples": 2}, "samples was 1 and is 2"),
        ({"max_steps": 4}, "max_steps was 5 and is 4"),
        ({"seed": 3}, "seed was 0 and is 3"),
        ({"pause": 0.1}, "agent_settings"),
        ({"agent": "reference"}, "agent was 'guesser' and is 'reference'"),
    ]:
        with pytest.raises(InputError, match=named):
            run(suite, tmp_path, **{"samples": 1, **change}, resume=True)  # type: ignore[arg-type]


@pytest.mark.isolated
def test_a_changed_task_is_another_run(tmp_path: Path) -> None:
    suite = make_suite(tmp_path / "suite")
    run(suite, tmp_path / "run", samples=1)
    path = suite / "tasks" / "tiny-2.yaml"
    path.write_text(path.read_text().replace("x > y", "x is above y"))
    with pytest.raises(InputError, match="changed: tiny-2"):
        run(suite, tmp_path / "run", samples=1, resume=True)
    assert load_run(tmp_path / "run").episodes, "the run itself is still there to be read"


class Unlucky(Guesser):
    """Its sandbox breaks in the first attempts at every episode."""

    name = "guesser"
    failures: ClassVar[Counter[str]] = Counter()
    lock = threading.Lock()

    def __init__(self, breaks: int) -> None:
        super().__init__()
        self.breaks = breaks

    def run(self, env: Environment, sink: Sink, *, seed: int, episode: int = 0) -> Trajectory:
        with self.lock:
            self.failures[env.task.id] += 1
            if self.failures[env.task.id] <= self.breaks:
                raise SandboxError("the disk is gone")
        return super().run(env, sink, seed=seed, episode=episode)


def unlucky(monkeypatch: pytest.MonkeyPatch, suite: Path, out: Path, breaks: int, **options: Any) -> RunResult:
    from mlgym_synth.rollouts import rollout

    Unlucky.failures.clear()
    monkeypatch.setitem(AGENTS, "guesser", lambda settings: Unlucky(breaks))
    return rollout(list(Suite.open(suite)), agent="guesser", samples=1, out=out, concurrency=2, max_steps=5, **options)


@pytest.mark.isolated
def test_what_breaks_is_tried_again(suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    result = unlucky(monkeypatch, suite, tmp_path, breaks=2)
    assert all(episode.outcome is Outcome.SUBMITTED for episode in result.episodes)
    events = [event for event in journal(tmp_path) if event["episode"] == "tiny-1/0"]
    assert [event["event"] for event in events] == ["started", "failed", "started", "failed", "started", "finished"]
    assert events[1]["error"] == "the disk is gone"


@pytest.mark.isolated
def test_what_stays_broken_is_no_score_and_resumable(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = unlucky(monkeypatch, suite, tmp_path, breaks=3)
    for episode in result.episodes:
        assert (episode.outcome, episode.score, episode.reward) == (Outcome.SANDBOX_ERROR, None, 0.0)
        assert episode.error == "the disk is gone"
    again = unlucky(monkeypatch, suite, tmp_path, breaks=0, resume=True)
    assert [episode.outcome for episode in again.episodes] == [Outcome.SUBMITTED] * 2


def test_what_cannot_be_run_is_refused(suite: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least one"):
        run(suite, tmp_path, samples=0)
    with pytest.raises(InputError, match="no agent 'nobody'"):
        run(suite, tmp_path, agent="nobody")
    with pytest.raises(InputError, match="isolates nothing"):
        run(suite, tmp_path / "unsafe", sandbox="process")
    with pytest.raises(InputError, match="is not a run"):
        load_run(tmp_path / "nothing")


def test_a_damaged_run_is_named(tmp_path: Path, suite: Path) -> None:
    (tmp_path / "run.json").write_text('{"topics": 3}')
    with pytest.raises(InputError, match="does not describe a rollout"):
        load_run(tmp_path)
