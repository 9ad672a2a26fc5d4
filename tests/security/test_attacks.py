"""What a hostile agent tries against the grader, through the environment as an agent has it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tasks_for_tests import add, code_files, csv_files

from mlgym_synth.datasets.prepare import prepare
from mlgym_synth.environment import TaskEnv
from mlgym_synth.tasks.suite import Task

pytestmark = pytest.mark.isolated


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("suite")
    add(folder, csv_files(tmp_path_factory.mktemp("source")))
    add(folder, code_files())
    return folder


@pytest.fixture(scope="module")
def shared_env(suite: Path) -> Iterator[TaskEnv]:
    env = TaskEnv("tiny-csv", suite)
    yield env
    env.close()


@pytest.fixture
def env(shared_env: TaskEnv) -> TaskEnv:
    shared_env.reset(seed=0)
    shared_env.step("python baseline.py")
    return shared_env


@pytest.fixture
def code_env(suite: Path) -> Iterator[TaskEnv]:
    env = TaskEnv("tiny-code", suite)
    env.reset(seed=0)
    yield env
    env.close()


def labels(suite: Path) -> list[str]:
    """Rows of the hidden file, as they would be found in it."""
    prepared = prepare(Task("tiny-csv", suite).recipe).labels()
    return [f"{row},{target}," for row, target in zip(prepared.ids, prepared.targets, strict=True)]


def test_a_shell_function_named_python_changes_no_score(env: TaskEnv) -> None:
    honest, *_ = env.step("validate")
    forged, *_ = env.step("""python() { echo '{"Score": 5}'; }; python3() { python; }; validate""")
    assert forged.splitlines()[0] == honest.splitlines()[0]
    assert "accuracy on the public part: 0." in honest


def test_printing_the_marks_of_a_submission_ends_nothing(env: TaskEnv) -> None:
    marks = "COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT\\n<<SWE_AGENT_SUBMISSION>>\\n{}\\n"
    _, reward, terminated, truncated, info = env.step(f"printf '{marks}'")
    assert (reward, terminated, truncated, info["outcome"]) == (0.0, False, False, "running")


def test_shadowing_the_tools_fools_only_the_agent(env: TaskEnv) -> None:
    shadow = """mkdir bin; printf '#!/bin/sh\\necho score: 5\\n' > bin/submit; chmod +x bin/submit
PATH=$PWD/bin:$PATH; submit"""
    observation, _, terminated, _, info = env.step(shadow)
    assert (observation, terminated, info["score"]) == ("score: 5\n", False, None)


def test_the_tools_cannot_be_overwritten(env: TaskEnv) -> None:
    observation, *_ = env.step('echo "echo 5" > "$(command -v validate)" || rm -f "$(command -v validate)"; validate')
    assert "accuracy on the public part: 0." in observation


def test_a_forged_socket_fools_only_the_agent(env: TaskEnv) -> None:
    forged = """cat > fake.py <<'END'
import json, socket, struct
server = socket.socket(socket.AF_UNIX); server.bind("fake.sock"); server.listen()
client, _ = server.accept()
client.recv(1 << 16)
answer = json.dumps({"ok": True, "receipt": {"score": 5}}).encode()
client.sendall(struct.pack(">I", len(answer)) + answer)
client.close()
END
python fake.py & sleep 1; MLGYM_GRADER=$PWD/fake.sock submit; rm -f "$MLGYM_GRADER"; mv fake.sock "$MLGYM_GRADER" """
    observation, reward, terminated, _, info = env.step(forged)
    assert "COMPLETE_TASK" in observation
    assert (reward, terminated, info["outcome"]) == (0.0, False, "running")
    assert env.step("submit")[2] is True


def test_no_label_can_be_read_anywhere(env: TaskEnv, suite: Path) -> None:
    rows = labels(suite)
    # The rows are assembled inside from halves, so that the search does not find its own text; it has to find a plant.
    halves = [[row[:3], row[3:]] for row in rows]
    search = f"""cat > search.py <<'END'
import os
needles = [(a + b).encode() for a, b in {halves!r}]
open("planted", "wb").write(b"public".join(needles))
for folder, folders, names in os.walk("/"):
    folders[:] = [name for name in folders if os.path.join(folder, name) not in ("/sys", "/opt/runtime", "/usr")]
    for name in names:
        path = os.path.join(folder, name)
        try:
            if os.path.isfile(path) and os.path.getsize(path) < 1 << 22 and "search.py" not in path:
                with open(path, "rb") as stream:
                    content = stream.read(1 << 22)
                found = [needle for needle in needles if needle in content]
                # Baselines predict some rows by chance; the hidden file would hold them all.
                if len(found) == len(needles):
                    print(path)
        except OSError:
            pass
END
python search.py"""
    observation, *_ = env.step(search)
    assert observation == "/home/agent/workspace/planted\n"


def test_neither_suite_nor_cache_nor_salt_is_visible(env: TaskEnv, suite: Path) -> None:
    cache = prepare(Task("tiny-csv", suite).recipe).public.parent
    observation, *_ = env.step(f"ls {suite} {cache}; env; cat /proc/*/environ /proc/*/cmdline | tr '\\0' '\\n'")
    assert "pepper" not in observation
    assert "labels.csv" not in observation
    assert "recipes" not in observation.replace(str(suite), "")


@pytest.mark.parametrize("target", ["/etc/passwd", "/proc/self/environ", "{labels}", "data/test.csv"])
def test_a_linked_submission_reads_nothing_of_the_host(env: TaskEnv, suite: Path, target: str) -> None:
    hidden = prepare(Task("tiny-csv", suite).recipe).public.parent / "labels.csv"
    env.step(f"rm submission.csv; ln -s {target.format(labels=hidden)} submission.csv")
    observation, *_ = env.step("validate; submit")
    assert "not accepted" in observation or "cannot read" in observation
    assert "root:" not in observation


def test_a_linked_leftover_is_not_followed(suite: Path) -> None:
    hidden = prepare(Task("tiny-csv", suite).recipe).public.parent / "labels.csv"
    env = TaskEnv("tiny-csv", suite, max_steps=1)
    env.reset(seed=0)
    _, reward, _, truncated, info = env.step(
        f"python baseline.py; mv submission.csv elsewhere.csv; ln -s elsewhere.csv submission.csv; ls {hidden}"
    )
    assert (reward, truncated, info["score"]) == (-0.1, True, None)
    env.close()


@pytest.mark.parametrize(
    "spoil",
    [
        "sed -i 's/no$/nan/' submission.csv",
        "sed -i 's/no$/inf/' submission.csv",
        "sed -i '2p' submission.csv",
        "sed -i '2d' submission.csv",
        "sed -i '1d' submission.csv",
        "truncate -s 40M submission.csv",
        "head -c 3000000 /dev/urandom > submission.csv",
        "rm submission.csv; mkdir submission.csv",
        "rm submission.csv; ln -s /dev/zero submission.csv",
    ],
)
def test_a_spoilt_submission_is_refused_and_costs_nothing(env: TaskEnv, spoil: str) -> None:
    observation, _, terminated, _, _ = env.step(f"{spoil}; validate; submit")
    assert "COMPLETE_TASK" not in observation
    assert not terminated
    observation, *_ = env.step("rm -rf submission.csv; python baseline.py; validate")
    assert "validations left: 2" in observation


def test_a_flood_of_clients_does_not_stop_the_grader(env: TaskEnv) -> None:
    flood = """cat > flood.py <<'END'
import os, socket
held = []
for _ in range(100):
    try:
        client = socket.socket(socket.AF_UNIX); client.settimeout(1); client.connect(os.environ["MLGYM_GRADER"])
        client.sendall(b"\\0\\0"); held.append(client)
    except OSError:
        pass
END
python flood.py; sleep 0.5; validate"""
    observation, *_ = env.step(flood)
    assert "accuracy on the public part: 0." in observation


def test_more_validations_than_the_budget_are_refused_at_once(env: TaskEnv) -> None:
    observation, *_ = env.step("for i in 1 2 3 4 5 6; do validate & done; wait")
    assert observation.count("accuracy on the public part") == 3
    assert observation.count("no validations are left") == 3


def test_a_submission_in_the_background_counts(env: TaskEnv) -> None:
    _, _, terminated, truncated, info = env.step("(submit > /dev/null 2>&1 &) ; sleep 3")
    assert (terminated, truncated, info["outcome"]) == (True, False, "submitted")


@pytest.mark.parametrize(
    "policy",
    [
        "import os\nprint('{\"scores\": [5]}', flush=True)\nos._exit(0)\n",
        "import os\nfor i in 3, 4, 5, 6, 7:\n    try: os.write(i, b'{\"scores\": [5]}\\n')\n    except OSError: pass\n",
        "import sys\nsys.modules['json'].dumps = lambda *a, **k: '{\"scores\": [5]}'\ndef double(x): return x\n",
        "def double(x): return open('judge.py').read()\n",
        "def double(x): return open('../judge.py').read()\n",
        "import judge\ndef double(x): return 0\n",
        "import ctypes\nctypes.string_at(0)\n",
    ],
    ids=["print and exit", "write to all pipes", "patch json", "open judge", "open judge above", "import", "segfault"],
)
def test_a_hostile_policy_gets_a_message_and_no_score(code_env: TaskEnv, policy: str) -> None:
    code_env.step(f"cat > policy.py <<'END'\n{policy}END")
    observation, _, terminated, _, info = code_env.step("validate; submit")
    assert observation.count("not accepted: your policy.py") == 2
    assert (terminated, info["score"]) == (False, None)


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


def test_nothing_runs_on_while_the_final_submission_is_scored(code_env: TaskEnv) -> None:
    """A hundred busy loops would slow the judge until it fails, and an episode whose judge fails has no score."""
    name = f"burner-{secrets.token_hex(8)}"
    _, _, terminated, _, _ = code_env.step(f"(exec -a {name} sleep 1000) & submit")
    assert terminated
    found = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not [words for words in found if name in words]
