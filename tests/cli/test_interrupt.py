"""Ctrl-C at any moment: one line, nothing left running or half-written, and the same command goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from mlgym_synth.tasks.suite import Suite

ARGUMENTS = ("synthesize", "--family", "name-script", "--tasks", "3", "--seeds", "1", "--out", "suite")


def start(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "mlgym_synth", *ARGUMENTS],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("undisturbed")
    process = start(folder)
    _, errors = process.communicate()
    assert process.returncode == 0, errors
    return folder / "suite"


@pytest.mark.isolated
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill"])
def test_a_run_cut_short_goes_on_and_ends_like_an_undisturbed_one(
    tmp_path: Path, undisturbed: Path, number: signal.Signals
) -> None:
    for delay in (0.0, 1.0, 2.0):
        process = start(tmp_path)
        while not (tmp_path / "suite" / ".lock").exists():
            time.sleep(0.01)
        time.sleep(delay)
        children = psutil.Process(process.pid).children(recursive=True)
        # As a terminal does it: Ctrl-C goes to the whole process group, SIGKILL to one process.
        (os.killpg if number is signal.SIGINT else os.kill)(process.pid, number)
        _, errors = process.communicate(timeout=30)
        assert "Traceback" not in errors, errors
        if number is signal.SIGINT:
            assert process.returncode == 1 and errors.splitlines()[-1].startswith("stopped"), errors
        assert not psutil.wait_procs(children, timeout=10)[1], "what ran in sandboxes dies with the command"
    process = start(tmp_path)
    _, errors = process.communicate()
    assert process.returncode == 0, errors

    ours, theirs = Suite.open(tmp_path / "suite"), Suite.open(undisturbed)
    assert [(task.id, task.content_hash) for task in ours] == [(task.id, task.content_hash) for task in theirs]
    assert all(task.certificate and task.certificate.certified for task in ours)
    assert not (tmp_path / "suite" / ".staging").exists()
    journal = [json.loads(line) for line in (tmp_path / "suite" / "journal.jsonl").read_text().splitlines()]
    assert len({decision["topic"] for decision in journal}) == len(journal) == 3, "nothing lost, nothing twice"
