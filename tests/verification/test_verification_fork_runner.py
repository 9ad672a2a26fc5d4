"""The driver that runs scripts in forks, as a process of its own, the way a sandbox runs it."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import psutil
import pytest

from mlgym_synth.sandboxes import Result
from mlgym_synth.verification.solutions import RUNNER, _reports


@pytest.fixture
def drive(tmp_path):
    """Runs scripts one after another and returns their reports."""

    def run(*scripts: str, seconds: float = 30.0, preload=(), shared=()) -> list[dict]:
        (tmp_path / "folder").mkdir()
        runs = []
        for seed, source in enumerate(scripts):
            (tmp_path / "folder" / f"script{seed}.py").write_text(source)
            runs.append({"folder": "folder", "script": f"script{seed}.py", "seed": seed})
        order = {"preload": preload, "shared": shared, "seconds": seconds, "runs": runs}
        done = subprocess.run(
            [sys.executable, "-c", RUNNER.read_text()],
            input=json.dumps(order),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.stderr == ""
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def test_script_runs_as_python_would_run_it(drive, tmp_path):
    source = """
import atexit, os, sys
assert __name__ == "__main__" and sys.argv == ["script0.py"] and sys.stdin.read() == ""
atexit.register(print, "left")
handle = open("made.txt", "w")
handle.write(os.environ["MLGYM_SEED"])
print("in", sys.path[0])
"""
    (report,) = drive(source)
    assert report["exit_code"] == 0
    assert report["output"] == f"in {tmp_path / 'folder'}\nleft\n"
    assert (tmp_path / "folder" / "made.txt").read_text() == "0"


def test_seed_is_that_of_the_run(drive):
    source = "import os; print(os.environ['MLGYM_SEED'])"
    assert [report["output"] for report in drive(source, source, source)] == ["0\n", "1\n", "2\n"]


@pytest.mark.parametrize(
    ("source", "code", "said"),
    [
        ("import sys; sys.exit(3)", 3, ""),
        ("import sys; sys.exit('no data')", 1, "no data"),
        ("1 / 0", 1, "ZeroDivisionError"),
        ("def f(:", 1, "SyntaxError"),
        ("import os; os._exit(9)", 9, ""),
        ("import os; os.abort()", -6, ""),
        ("raise KeyboardInterrupt", 1, "KeyboardInterrupt"),
        ("import nosuch", 1, "No module named 'nosuch'"),
    ],
)
def test_failure_is_reported_and_does_not_reach_the_next_run(source, code, said, drive):
    failed, after = drive(source, "print('fine')", preload=("nosuch",))
    assert failed["exit_code"] in (code, -2 if source.endswith("Interrupt") else code)
    assert said in failed["output"]
    assert (after["exit_code"], after["output"]) == (0, "fine\n")


def test_run_is_stopped_at_its_limit_with_all_it_started(drive, tmp_path):
    source = """
import pathlib, subprocess, time
child = subprocess.Popen(["sleep", "300"])
pathlib.Path("pid").write_text(str(child.pid))
time.sleep(300)
"""
    stopped, after = drive(source, "print('fine')", seconds=3.0)
    assert stopped["timed_out"]
    assert after["exit_code"] == 0
    pid = int((tmp_path / "folder" / "pid").read_text())
    deadline = time.monotonic() + 30
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the child of a stopped run is still there"
        time.sleep(0.05)


def test_long_output_keeps_its_end(drive):
    (report,) = drive("print('x' * 100_000); 1 / 0")
    assert len(report["output"]) <= 2000
    assert report["output"].endswith("ZeroDivisionError: division by zero\n")


def test_script_cannot_write_a_report_through_its_descriptors(drive):
    source = """
import os
for descriptor in range(1, 64):
    try:
        os.write(descriptor, b'{"exit_code": 0, "forged": true}\\n')
    except OSError:
        pass
1 / 0
"""
    reports = drive(source, "pass")
    assert [report["exit_code"] for report in reports] == [1, 0]
    assert not any("forged" in report for report in reports)


def test_preloaded_library_is_shared_and_its_noise_is_not_reported(drive, tmp_path):
    (tmp_path / "noisy.py").write_text("import os; print('noise'); PID = os.getpid()")
    source = "import os, noisy; print(noisy.PID == os.getppid())"
    assert [report["output"] for report in drive(source, source, preload=("noisy",))] == ["True\n"] * 2


def test_each_run_finds_what_is_shared_in_its_own_folder(drive, tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train.csv").write_text("rows")
    (report,) = drive("print(open('data/train.csv').read())", shared=("data",))
    assert report["output"] == "rows\n"


def test_lines_that_are_no_reports_count_as_lost_runs():
    report = {"exit_code": 0, "timed_out": False, "seconds": 0.5, "output": ""}
    lines = ["{not json}", '{"exit_code": 0}', "[]", json.dumps(report)]
    reports = _reports(Result(exit_code=0, output="\n".join(lines)), 2)
    assert reports[0] == report
    assert reports[1]["exit_code"] is None
