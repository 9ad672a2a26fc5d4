"""A code submission attacks its judge, its driver, and the end of its episode."""

from __future__ import annotations

import dataclasses
import json
import math
import random
import secrets
import types
from functools import cache
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tasks_for_tests import LIMITS, add, code_files

from mlgym_synth.environment import TaskEnv
from mlgym_synth.environment.boxes import judge_code
from mlgym_synth.metrics.submission import SubmissionError
from mlgym_synth.synthesis.templates import FAMILIES
from mlgym_synth.tasks.recipe import CodeSubmission
from mlgym_synth.tasks.suite import TaskFiles

FORGED = '{"scores": [5], "results": [5], "ready": true, "illegal": null}'
WRONG = "def double(x):\n    return 0\n"
"""The honest part of a hostile submission: it earns nothing."""

HOSTILE = {
    "print and exit": f"import os\nprint('{FORGED}', flush=True)\nos._exit(0)\n",
    "write to all descriptors": f"""import os
for number in range(256):
    try: os.write(number, b'{FORGED}\\n')
    except OSError: pass
""",
    "write through /proc": f"""import glob
for path in glob.glob('/proc/[0-9]*/fd/*'):
    try:
        with open(path, 'wb', 0) as stream: stream.write(b'{FORGED}\\n')
    except OSError: pass
""",
    "answer ahead": """import os, threading, time
def answer():
    while True:
        for number in range(3, 16):
            try: os.write(number, b'{"results": [0, 2, 4, 6, 8, 10, 12, 14, 16, 18]}\\n')
            except OSError: pass
threading.Thread(target=answer, daemon=True).start()
""",
    "read requests ahead": """import os
for number in range(16):
    try:
        os.set_blocking(number, False)
        os.read(number, 1 << 20)
    except OSError: pass
""",
    "close everything": "import os\nos.closerange(0, 256)\n",
    "patch json": f"import sys\nsys.modules['json'].dumps = lambda *a, **k: '{FORGED}'\n",
    "patch the driver": f"""import sys
driver = sys.modules['__main__']
driver.tell = lambda frame: (driver.answers.write(b'{FORGED}\\n'), driver.answers.flush())
driver.plain = driver.explain = lambda value: 5
""",
    "patch built-ins": """import builtins, sys
builtins.isinstance = lambda *a: True
builtins.len = lambda *a: 30
sys.modules['math'] = sys.modules['judge'] = sys.modules['numpy'] = sys.modules['__main__']
""",
    "plant modules": """import os
for name in 'judge', 'numpy', 'json', 'struct', 'sitecustomize', 'usercustomize', 'judge_driver', 'player_driver':
    for folder in '.', os.path.expanduser('~'), '/tmp', '/dev/shm':
        try:
            with open(f'{folder}/{name}.py', 'w') as stream:
                stream.write('def judge(part, call): return [1.0]\\n')
        except OSError: pass
""",
    "rewrite the driver": """with open('player_driver.py', 'w') as stream: stream.write('print(5)')\n""",
    "import the judge": "import judge\n",
    "open the judge": "open('judge.py').read()\n",
    "open the judge above": "open('../judge.py').read()\n",
    "search for the judge": """import os
found = [os.path.join(f, n) for f, _, names in os.walk('/') for n in names if 'judge' in n and '/proc/' not in f]
assert found, 'no judge'
""",
    "search memory for the judge": """import glob
for path in glob.glob('/proc/[0-9]*/mem'):
    try:
        with open(path, 'rb') as stream: stream.seek(1 << 46); stream.read(1)
    except (OSError, OverflowError): pass
assert len(glob.glob('/proc/[0-9]*')) > 20, 'alone'
""",
    "trace the parent": """import ctypes, os
for pid in 1, os.getppid():
    ctypes.CDLL(None).ptrace(16, pid, 0, 0)
""",
    "signal everybody": "import os, signal\nos.kill(-1, signal.SIGKILL)\n",
    "signal its group and session": "import os, signal\nos.killpg(0, signal.SIGINT)\nos.kill(1, signal.SIGTERM)\n",
    "stop": "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)\n",
    "ignore signals and hang": "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\ntime.sleep(1000)\n",
    "segfault": "import ctypes\nctypes.string_at(0)\n",
    "fork": "import os\nfor _ in range(4): os.fork()\n",
    "a fork bomb": """import os
try:
    while True: os.fork()
except OSError: pass
""",
    "a process that stays": """import subprocess
subprocess.Popen(['sleep', '1000'], start_new_session=True)
""",
    "a flood": "import sys, os\nfor _ in range(64): os.write(3, b'x' * (1 << 20)); os.write(4, b'x' * (1 << 20))\n",
    "memory": "kept = []\nwhile True: kept.append(bytearray(1 << 24))\n",
    "deep recursion": "def f(): return f()\nimport sys\nsys.setrecursionlimit(1 << 30)\nf()\n",
    "a socket": "import os, socket\nsocket.socket(socket.AF_UNIX).connect(os.environ['MLGYM_GRADER'])\n",
    "the seed": "import os\nassert os.environ['MLGYM_SEED'] != '0'\n",
    "no text": "\\xff\\xfe",
    "NUL": "x = 1\\0\n",
}


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> TaskFiles:
    """The task of doubling, with less time for a call."""
    return code_files(LIMITS.model_copy(update={"action_seconds": 10.0, "processes": 32}), call_seconds=2.0)


@pytest.mark.isolated
@pytest.mark.parametrize("hostile", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_submission_earns_what_its_answers_earn(impatient: TaskFiles, hostile: str) -> None:
    source = (hostile + WRONG).encode().replace(b"\\xff\\xfe", b"\xff\xfe").replace(b"\\0", b"\0")
    try:
        scores = judge_code(impatient, source, "public", "auto", False)
    except SubmissionError as error:
        assert str(error).startswith("your ")
        assert "\n" not in str(error)
    else:
        # Who guesses the cases may answer them ahead; that is an honest answer by other means.
        assert scores.sum() <= (10 if "results" in hostile and "2, 4" in hostile else 1)
    assert judge_code(impatient, b"def double(x):\n    return 2 * x\n", "public", "auto", False).tolist() == [1.0] * 20


ANSWERS = {
    "True": "True",
    "a float": "float(2 * x)",
    "text": "str(2 * x)",
    "bytes": "b'\\xff'",
    "None": "None",
    "a list": "[2 * x]",
    "nested lists": "[[[[2 * x]]]]",
    "a deep list": "__import__('functools').reduce(lambda inner, _: [inner], range(900), 2 * x)",
    "a dictionary": "{'results': 2 * x}",
    "NaN": "float('nan')",
    "infinity": "float('inf')",
    "beyond a float": "1e308 * 10",
    "a huge integer": "10 ** 4000",
    "too huge an integer": "10 ** 5000",
    "a long text": "'x' * 5_000_000",
    "a surrogate": "'\\ud800'",
    "a complex": "2j * x",
    "an object": "object()",
    "a function": "double",
    "a generator": "(2 * x for _ in 'x')",
    "a numpy array": "__import__('numpy').array([2 * x, 2 * x])",
    "numpy's NaN": "__import__('numpy').float64('nan')",
    "an integer that equals everything": "type('I', (int,), {'__eq__': lambda a, b: True, '__hash__': None})(0)",
    "an object that claims to be an integer": "type('I', (), {'__class__': int, '__eq__': lambda a, b: True})()",
    "an object with a false tolist": "type('I', (), {'tolist': lambda self: {'scores': [5]}})()",
    "an exception": "(_ for _ in ()).throw(SystemExit(5))",
    "a stop": "(_ for _ in ()).throw(KeyboardInterrupt())",
}


@pytest.mark.isolated
@pytest.mark.parametrize("expression", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_of_the_wrong_kind_earns_nothing(impatient: TaskFiles, expression: str) -> None:
    source = f"def double(x):\n    return {expression}\n".encode()
    try:
        scores = judge_code(impatient, source, "public", "auto", False)
    except SubmissionError as error:
        assert str(error).startswith("your ")
        assert len(str(error)) < 1000
    else:
        assert scores.sum() <= 1  # the double of 0 is 0


@cache
def drafts() -> list[TaskFiles]:
    """A draft of every family whose submissions are code."""
    made = [
        family.draft(name, family.knobs(random.Random(0)), "salt")
        for name, family in FAMILIES.items()
        if family.category in ("games", "reinforcement learning", "algorithmic heuristics")
    ]
    made = [files for files in made if "judge.py" in files.hidden]
    assert len(made) >= 4
    return made


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 10)
    | st.sampled_from([10**4000, -(10**4000), 1e308, -1e308, 5e-324, -0.0, 0.5, "", "0", "x" * 10_000, "\ud800"]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@settings(max_examples=50)
@given(draft=st.integers(0, 99), answers=st.lists(JSON, min_size=1, max_size=5))
def test_no_answer_breaks_a_judge_of_ours(draft: int, answers: list[Any]) -> None:
    """A judge that an answer can break would turn a bad score into none: it has to call such an answer illegal."""
    files = drafts()[draft % len(drafts())]
    judge = types.ModuleType("judge")
    exec(compile(files.hidden["judge.py"], "judge.py", "exec"), judge.__dict__)
    calls = 0

    def call(function: str, arguments: list[Any]) -> list[Any]:
        nonlocal calls
        calls += 1
        if calls > 2:
            raise ValueError("enough")
        json.dumps(arguments, allow_nan=False)
        return [json.loads(json.dumps(answers[number % len(answers)])) for number in range(len(arguments))]

    try:
        scores = judge.judge("public", call)
    except (ValueError, RecursionError):  # what the driver takes for the submission's fault
        return
    assert all(math.isfinite(score) for score in scores)


@pytest.mark.isolated
def test_a_submission_cannot_starve_its_judge(tmp_path: Path) -> None:
    """Busy processes left behind slow the judge; were that the grader's failure, the episode would have no score."""
    judge = """
import time
def judge(part, call):
    (answer,) = call("double", [[1]])
    began = time.process_time()
    while time.process_time() - began < 0.2:
        pass
    return [float(answer == 2)]
"""
    policy = """
import os
def double(x):
    for _ in range(100):
        if os.fork() == 0:
            os.setsid()
            while True:
                pass
    return 2 * x
"""
    files = code_files(LIMITS.model_copy(update={"action_seconds": 6.0}))
    files = dataclasses.replace(files, hidden={**files.hidden, "judge.py": judge.encode()})
    assert judge_code(files, b"def double(x):\n    return 2 * x\n", "private", "auto", False).tolist() == [1.0]
    try:
        assert judge_code(files, policy.encode(), "private", "auto", False).tolist() == [1.0]
    except SubmissionError as error:
        assert str(error).startswith("your ")


@pytest.mark.isolated
def test_a_policy_cannot_carry_private_cases_out(code_env: TaskEnv) -> None:
    """It passes the public part and fails on the private one with all it saw there: nobody hears of it."""
    policy = "def double(x):\n    assert x < 100, f'private case {x}'\n    return 2 * x\n"
    code_env.step(f"cat > policy.py <<'END'\n{policy}END")
    observation, *_ = code_env.step("validate")
    assert "share_doubled on the public part: 1 " in observation
    assert "private case" not in observation
    observation, reward, terminated, _, info = code_env.step("submit")
    assert "private case" not in observation
    assert (reward, terminated, info["score"], info["best_score"]) == (-0.1, True, None, None)


@pytest.mark.isolated
def test_no_answer_waits_for_the_private_part(code_env: TaskEnv) -> None:
    """It hangs on private cases alone. Were they judged before an answer, its time would tell: it would be refused."""
    policy = "import time\ndef double(x):\n    if x >= 100: time.sleep(1000)\n    return 2 * x\n"
    code_env.step(f"cat > policy.py <<'END'\n{policy}END")
    observation, *_ = code_env.step("time validate; submit > receipt; cat receipt")
    assert "share_doubled on the public part: 1 " in observation
    assert "COMPLETE_TASK" in observation


@pytest.mark.isolated
def test_one_judging_leaves_nothing_for_the_next(code_env: TaskEnv) -> None:
    """A submission that counts how often it was judged, wherever it can write, always counts to one."""
    policy = """import os
count = 0
for folder in '.', os.path.expanduser('~'), '/tmp', '/dev/shm', '/var/tmp', '/opt/runtime':
    try:
        with open(f'{folder}/count', 'a+') as stream:
            stream.write('x'); stream.seek(0); count = max(count, len(stream.read()))
    except OSError: pass
assert count, 'nowhere to write'
def double(x): return 2 * x if count > 1 else 0
"""
    code_env.step(f"cat > policy.py <<'END'\n{policy}END")
    for _ in range(3):
        assert "share_doubled on the public part: 0.05 " in code_env.step("validate")[0]  # the double of 0


@pytest.mark.isolated
def test_what_lies_beside_a_submission_is_not_judged_with_it(code_env: TaskEnv) -> None:
    helper = "def double(x): return 2 * x"
    code_env.step(f"echo '{helper}' | tee helper.py judge.py player_driver.py sitecustomize.py > /dev/null")
    code_env.step("echo 'from helper import double' > policy.py; python -c 'import policy; print(policy.double(4))'")
    assert "not accepted: your policy.py failed (its import" in code_env.step("validate")[0]
    code_env.step(f"echo '{helper}' > policy.py")
    assert "share_doubled on the public part: 1 " in code_env.step("validate")[0]


@pytest.mark.isolated
def test_nothing_runs_on_while_the_final_submission_is_scored(code_env: TaskEnv) -> None:
    """A hundred busy loops would slow the judge until it fails, and an episode whose judge fails has no score."""
    name = f"burner-{secrets.token_hex(8)}"
    code_env.step(f"(exec -a {name} sleep 1000) & sleep 0.2")
    assert running(name)
    _, _, terminated, _, _ = code_env.step("submit")
    assert terminated
    assert not running(name)


def running(name: str) -> bool:
    """Whether a process of the host goes by a name."""
    return any(name in (process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"]))


@pytest.mark.isolated
def test_a_judge_that_a_submission_breaks_is_no_way_out_of_a_validated_score(suite: Path) -> None:
    """The control for the fuzzing above: what a broken judge does to an episode."""
    env = TaskEnv("tiny-code", suite)
    env.reset(seed=0)
    env.step("echo 'def double(x): return 77' > policy.py")
    observation, _, terminated, _, info = env.step("validate")
    assert "the grader failed" in observation
    assert (terminated, info["score"]) == (False, None)
    env.close()


def test_judges_come_from_the_suite_alone(tmp_path: Path) -> None:
    files = code_files()
    assert isinstance(files.recipe.submission, CodeSubmission)
    task = add(tmp_path, files)
    assert not {"judge.py", "reference.py"} & set(task.workspace)
