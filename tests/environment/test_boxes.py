"""Code submissions: what the judge sees, and that a submission can do no more than answer or fail."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tasks_for_tests import JUDGE, LIMITS, POLICY, code_files

from mlgym_synth.environment.grader import Grader
from mlgym_synth.errors import GradingError
from mlgym_synth.metrics.submission import SubmissionError
from mlgym_synth.tasks.suite import TaskFiles

pytestmark = pytest.mark.isolated


def score(source: str, part: str = "public", files: TaskFiles | None = None) -> float:
    grader = Grader(files or code_files())
    return grader.evaluate(source.encode(), "public" if part == "public" else "private").score


def with_judge(source: str) -> TaskFiles:
    files = code_files()
    return replace(files, hidden={**files.hidden, "judge.py": source.encode()})


def test_parts_have_cases_of_their_own() -> None:
    small_only = "def double(x):\n    return 2 * x if x < 100 else 0\n"
    assert score(POLICY, "private") == 1.0
    assert score(small_only) == 1.0
    assert score(small_only, "private") == 0.0


def test_the_score_is_the_mean_over_cases_and_resamples_draw_cases() -> None:
    evaluation = Grader(code_files()).evaluate(b"def double(x):\n    return 2 * (x % 10)\n", "public")
    assert (evaluation.score, evaluation.size) == (0.5, 20)
    assert evaluation.resampled(np.array([0, 0, 19])) == pytest.approx(2 / 3)


def test_what_the_submission_prints_disturbs_nothing() -> None:
    noisy = "import os\nprint('{\"results\": [1]}')\nos.system('echo noise; echo noise >&2')\n" + POLICY
    assert score(noisy) == 1.0


def test_numpy_numbers_are_answers() -> None:
    assert score("import numpy as np\ndef double(x):\n    return np.int64(2 * x)\n") == 1.0


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def double(x:\n", r"line 1: SyntaxError"),
        ("import no_such_module\n", r"line 1: ModuleNotFoundError"),
        ("x = 1\n", r"does not define double"),
        ("def double(x):\n\n    return 1 // 0\n", r"failed \(double\): line 3: ZeroDivisionError"),
        ("def double(x):\n    raise SystemExit(0)\n", r"line 2: SystemExit"),
        ("def double(x):\n    raise KeyboardInterrupt\n", r"line 2: KeyboardInterrupt"),
        ("def double(x):\n    return 'two'\n", r"your submission answered 'two', which is no whole number"),
        ("def double(x):\n    return float('nan')\n", r"not JSON compliant"),
        ("def double(x):\n    return {1, 2}\n", r"a set is not a JSON value"),
        ("def double(x):\n    return 'x' * 300_000\n", r"answered with more than"),
        ("import os\nos._exit(0)\n", r"ended before it answered"),
        ("import os\ndef double(x):\n    os.kill(os.getpid(), 9)\n", r"ended before it answered"),
        ("import time\ndef double(x):\n    time.sleep(60)\n", r"ran longer than its time limit \(double; 1 s a call"),
        ("import os, time\nif os.fork():\n    os._exit(0)\ntime.sleep(60)\n", r"time limit|ended before"),
        ("def double(x):\n    return [[x]] * 10**9\n", r"time limit|ended before|MemoryError"),
    ],
)
def test_a_bad_submission_is_told_why(source: str, message: str) -> None:
    with pytest.raises(SubmissionError, match=message):
        score(source, files=code_files(call_seconds=1.0 if "sleep" in source else 10.0))


@pytest.mark.parametrize(
    "frame",
    [
        '{"scores": [5, 5, 5]}',
        '{"results": [5]}',
        '{"results": 5}',
        '{"results": [NaN' + ", NaN" * 19 + "]}",
        '{"results": [1e999' + ", 1e999" * 19 + "]}",
        '{"ready": true}',
        "[]",
        "[" * 100_000,
        "9" * 10_000,
        "garbage",
        "\\x00\\xff",
    ],
)
def test_a_forged_frame_is_an_error_and_no_score(frame: str) -> None:
    forging = f"""
import os
for descriptor in range(3, 64):
    try:
        os.write(descriptor, b'{frame}' + bytes([10]))
    except OSError:
        pass
os._exit(0)
"""
    with pytest.raises(SubmissionError):
        score(forging)


def test_a_flood_without_end_is_cut() -> None:
    flood = """
import os
while True:
    for descriptor in range(3, 16):
        try:
            os.write(descriptor, b"x" * 65536)
        except OSError:
            pass
"""
    with pytest.raises(SubmissionError):
        score(flood)


def test_all_calls_together_have_a_limit() -> None:
    judge = "def judge(part, call):\n    return [call('double', [[1]])[0] for _ in range(1000)]\n"
    slow = "import time\ndef double(x):\n    time.sleep(0.5)\n    return 1\n"
    files = replace(with_judge(judge))
    recipe = files.recipe.model_copy(update={"limits": LIMITS.model_copy(update={"action_seconds": 5.0})})
    with pytest.raises(SubmissionError, match="time limit"):
        score(slow, files=replace(files, recipe=recipe))


@pytest.mark.parametrize(
    ("judge", "message"),
    [
        ("def judge(part, call):\n    return []\n", "no scores"),
        ("def judge(part, call):\n    return {}['x']\n", "KeyError"),
        ("def judge(part, call):\n    return call('other', [[1]])\n", "does not name"),
        ("def judge(part, call):\n    return call('double', [[float('inf')]])\n", "not JSON"),
        ("import os\ndef judge(part, call):\n    os._exit(0)\n", "ended before it answered"),
        ("import nothing_of_the_kind\n", "loading judge.py: ModuleNotFoundError"),
        ("def judge(part, call):\n    while True: pass\n", "time limit"),
    ],
)
def test_a_broken_judge_is_a_grading_error(judge: str, message: str) -> None:
    files = with_judge(judge)
    recipe = files.recipe.model_copy(update={"limits": LIMITS.model_copy(update={"action_seconds": 6.0})})
    with pytest.raises(GradingError, match=message):
        score(POLICY, files=replace(files, recipe=recipe))


def test_a_judge_that_prints_is_understood() -> None:
    assert score(POLICY, files=with_judge(JUDGE + "\nprint('hello')\n")) == 1.0


def test_a_score_that_is_not_finite_is_a_submission_error() -> None:
    with pytest.raises(SubmissionError, match="not a finite number"):
        score(POLICY, files=with_judge("def judge(part, call):\n    return [float('nan')]\n"))


def test_the_submission_cannot_read_the_judge() -> None:
    searching = """
import os
found = [name for name in os.listdir() if name not in ("policy.py", "player_driver.py", "__pycache__")]
for folder, folders, names in os.walk("/"):
    folders[:] = [name for name in folders if folder + name not in ("/proc", "/sys", "/usr") and name != "runtime"]
    found += [name for name in names if "judge" in name]
def double(x):
    return str(found)
"""
    with pytest.raises(SubmissionError, match=r"answered '\[\]'"):
        score(searching, files=code_files(call_seconds=10.0))


def test_an_answer_that_is_too_deep_for_the_judge_is_the_submissions_fault() -> None:
    files = with_judge("def judge(part, call):\n    return judge(part, call)\n")  # as its parser goes, or repr
    with pytest.raises(SubmissionError, match="too deep"):
        score(POLICY, files=files)
