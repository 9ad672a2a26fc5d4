"""An agent looks for the answers wherever it can read, and infers them from whatever it can hand in."""

from __future__ import annotations

import gzip
import io
import pickle
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from adversary import HONEST, ISOLATING, labels_file
from hypothesis import given, settings
from hypothesis import strategies as st

from mlgym_synth.environment import TaskEnv
from mlgym_synth.metrics.registry import METRICS
from mlgym_synth.metrics.submission import LARGEST_NUMBER

SEARCH = """
import os, stat
UNRELATED = ("/proc", "/sys", "/usr", "/opt/runtime", "/opt/pip")  # the same for all tasks
def files(folder="/"):
    for folder, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if os.path.join(folder, name) not in UNRELATED]
        for name in names:
            yield os.path.join(folder, name)
def content(path):
    try:
        if stat.S_ISREG(os.lstat(path).st_mode):
            with open(path, "rb") as stream:
                return stream.read(1 << 26)
    except OSError:
        pass
    return b""
"""


@pytest.fixture(scope="module", params=ISOLATING)
def each_shared_env(request: pytest.FixtureRequest, suite: Path) -> Iterator[TaskEnv]:
    env = TaskEnv("tiny-csv", suite, sandbox=request.param)
    yield env
    env.close()


@pytest.fixture
def each_env(each_shared_env: TaskEnv) -> TaskEnv:
    """An episode on the table under every provider."""
    each_shared_env.reset(seed=0)
    each_shared_env.step("python baseline.py")
    return each_shared_env


def run(env: TaskEnv, script: str) -> str:
    """What a Python script prints in the agent's shell."""
    return env.step(f"cat > script.py <<'SCRIPT'\n{script}\nSCRIPT\npython script.py")[0]


def test_no_file_holds_the_answers(each_env: TaskEnv, suite: Path) -> None:
    """Every third row of the hidden file, or the salt of the split: what was planted is found, and nothing else."""
    rows = labels_file(suite).read_text().splitlines()[1::3]
    needles = [rows, ["salt: pepper"]]
    # Split in two, so that the search does not find its own text.
    halves = [[[word[:3], word[3:]] for word in words] for words in needles]
    script = f"""{SEARCH}
needles = [[(a + b).encode() for a, b in words] for words in {halves!r}]
for number, words in enumerate(needles):
    with open(f"planted{{number}}", "wb") as stream:
        stream.write(b"#".join(words))
for path in files():
    found = content(path)
    if any(all(word in found for word in words) for words in needles):
        print(path)"""
    assert sorted(run(each_env, script).splitlines()) == [f"/home/agent/workspace/planted{number}" for number in (0, 1)]


def test_no_file_has_the_name_of_answers(each_env: TaskEnv) -> None:
    names = ["labels*", "ground_truth*", "answer*", "solution*", "judge*", "reference.py", "*.pepper", "evaluate.py"]
    match = " -o ".join(f"-iname '{name}'" for name in names)
    unrelated = "-path /proc -o -path /sys -o -path /usr -o -path /opt/runtime -o -path /opt/pip"
    command = rf"touch answer.csv; find / \( {unrelated} \) -prune -o \( {match} \) -print 2>/dev/null || :"
    assert each_env.step(command)[0] == "/home/agent/workspace/answer.csv\n"
    assert each_env.step("find data | sort")[0] == "data\ndata/test.csv\ndata/train.csv\n"


def test_no_memory_that_can_be_read_holds_the_answers(each_env: TaskEnv, suite: Path) -> None:
    rows = labels_file(suite).read_text().splitlines()[1:]
    halves = [[row[:3], row[3:]] for row in rows]
    script = f"""
import glob, os, subprocess, sys
halves = {halves!r}
hold = "import sys, time; kept = sys.stdin.buffer.read(); print(flush=True); time.sleep(100)"
plant = subprocess.Popen([sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
plant.stdin.write(b"\\n".join((a + b).encode() for a, b in halves)); plant.stdin.close(); plant.stdout.read(1)
for memory in glob.glob("/proc/[0-9]*/mem"):
    number = int(memory.split("/")[2])
    if number == os.getpid():
        continue
    left = set(range(len(halves)))
    try:
        regions = [line.split()[0].split("-") for line in open(f"/proc/{{number}}/maps") if " rw" in line]
        with open(memory, "rb", 0) as stream:
            for first, last in regions:
                try:
                    stream.seek(int(first, 16))
                    found = stream.read(int(last, 16) - int(first, 16))
                except (OSError, OverflowError):
                    continue
                left -= {{row for row in left if (halves[row][0] + halves[row][1]).encode() in found}}
    except OSError:
        continue
    if not left:
        print("plant" if number == plant.pid else open(f"/proc/{{number}}/cmdline").read())
plant.kill()"""
    assert run(each_env, script) == "plant\n"


def test_neither_suite_nor_cache_nor_key_can_be_reached(
    each_env: TaskEnv, suite: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hidden = labels_file(suite)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-not-for-agents")
    each_env.step("exit")  # the next shell starts while the key is set
    paths = [suite, hidden.parent, hidden, suite / "hidden" / "tiny-code" / "judge.py", Path(__file__)]
    assert all(path.exists() for path in paths)
    roots = ["", "/proc/1/root", "/proc/self/root", "/proc/1/cwd", "/proc/self/cwd/../../..", "/proc/2/root"]
    script = f"""
import os
for root in {roots!r}:
    for path in {[str(path) for path in paths]!r}:
        if os.path.exists(root + path):
            print(root + path)
open("planted", "w").close()
print([root for root in {roots!r} if os.path.exists(root + "/home/agent/workspace/planted")][0] == "")"""
    assert run(each_env, script) == "True\n"
    seen, *_ = each_env.step("env; cat /proc/*/environ /proc/*/cmdline /proc/*/mountinfo 2>/dev/null | tr '\\0' '\\n'")
    assert "MLGYM_SUBMISSION=" in seen
    for secret in ("sk-not-for-agents", "pepper", "labels.csv", "judge.py"):
        assert secret not in seen


LINKS = ["/etc/passwd", "/proc/self/environ", "/proc/1/environ", "{labels}", "data/test.csv", "/proc/self/fd/0", "."]


@pytest.mark.parametrize("target", LINKS)
def test_a_linked_submission_reads_nothing_of_the_host(each_env: TaskEnv, suite: Path, target: str) -> None:
    each_env.step(f"rm submission.csv; ln -s {target.format(labels=labels_file(suite))} submission.csv")
    observation, *_ = each_env.step("validate; submit")
    assert observation.count("not accepted") + observation.count("cannot read") == 2
    assert "root:" not in observation


@pytest.mark.isolated
@pytest.mark.parametrize(
    "leave",
    [
        "mv submission.csv elsewhere.csv; ln -s elsewhere.csv submission.csv",
        "rm submission.csv; ln -s {labels} submission.csv",
        "rm submission.csv; ln data/test.csv submission.csv || ln -s data/test.csv submission.csv",
        "rm submission.csv; mkfifo submission.csv; (cat data/test.csv > submission.csv &)",
        "rm submission.csv; mkdir submission.csv; cp data/test.csv submission.csv/",
        "rm submission.csv; mknod submission.csv c 1 5 || ln -s /dev/zero submission.csv",
        "rm submission.csv; python -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"submission.csv\")'",
        "truncate -s 17M submission.csv",
        "chmod 0 . submission.csv; rm -f submission.csv",
    ],
    ids=["link", "link to the labels", "hard link", "pipe", "folder", "device", "socket", "too large", "closed"],
)
def test_what_is_left_over_is_read_as_a_plain_file_or_not_at_all(suite: Path, leave: str) -> None:
    env = TaskEnv("tiny-csv", suite, max_steps=1)
    env.reset(seed=0)
    command = f"python baseline.py; test -s submission.csv && echo written; {leave.format(labels=labels_file(suite))}"
    observation, reward, _, truncated, info = env.step(command)
    env.close()
    assert observation.startswith("written\n")
    assert truncated
    if info["score"] is None:
        assert (reward, info["outcome"]) == (-0.1, "max_steps")
    else:
        assert "chmod" in leave  # removing failed, so the baseline counts


class Payload:
    """Pickled, it writes a file wherever it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (open, (str(self.path), "w"))


def archives(trace: Path) -> dict[str, bytes]:
    """What is more than it seems, if anybody unpacks it."""
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("submission.csv", b"\0" * (10 << 20))
    return {
        "pickle": pickle.dumps(Payload(trace)),
        "npy": b"\x93NUMPY" + pickle.dumps(np.array([Payload(trace)], dtype=object)),
        "zip": zipped.getvalue(),
        "gzip": gzip.compress(b"id,target\n" + b"\0" * (10 << 20)),
        "utf-16": "id,target\n".encode("utf-16"),
        "nul": b"id,target\n\0",
    }


@pytest.mark.isolated
@pytest.mark.parametrize("kind", archives(Path()))
def test_a_submission_is_plain_bytes_and_never_unpacked(env: TaskEnv, tmp_path: Path, kind: str) -> None:
    trace = tmp_path / "unpickled"
    made = archives(trace)[kind]
    script = f"open('submission.csv', 'wb').write(bytes.fromhex({made.hex()!r}))"
    run(env, script)
    observation, _, terminated, _, _ = env.step("validate; submit")
    assert observation.count("not accepted: ") == 2
    assert not terminated
    assert not trace.exists()
    if kind == "pickle":
        pickle.loads(made).close()
        assert trace.exists()  # the control: it would have been written


SPOIL = {
    "NaN": "sed -i 's/no$/nan/' submission.csv",
    "infinity": "sed -i 's/no$/inf/' submission.csv",
    "empty fields": "sed -i 's/no$//' submission.csv",
    "a row twice": "sed -i '2p' submission.csv",
    "a row missing": "sed -i '2d' submission.csv",
    "one row": "sed -i '3,$d' submission.csv",
    "no header": "sed -i '1d' submission.csv",
    "two columns of predictions": "sed -i 's/$/,yes/' submission.csv",
    "another id": "sed -i '2s/^/1/' submission.csv",
    "a formula": "sed -i 's/no$/=1+1/' submission.csv",
    "a quote without end": "sed -i '2s/,/,\"/' submission.csv",
    "40 MB": "truncate -s 40M submission.csv",
    "noise": "head -c 3000000 /dev/urandom > submission.csv",
    "nothing": ": > submission.csv",
    "a folder": "rm submission.csv; mkdir submission.csv",
    "a device": "rm submission.csv; ln -s /dev/zero submission.csv",
}


@pytest.mark.isolated
@pytest.mark.parametrize("spoil", SPOIL.values(), ids=SPOIL)
def test_a_spoilt_submission_is_refused_and_costs_nothing(env: TaskEnv, spoil: str) -> None:
    observation, _, terminated, _, _ = env.step(f"{spoil}; validate; submit")
    assert "COMPLETE_TASK" not in observation
    assert "accuracy" not in observation
    assert not terminated
    observation, *_ = env.step("rm -rf submission.csv; python baseline.py; validate")
    assert HONEST in observation
    assert "validations left: 2" in observation


@pytest.mark.parametrize("name", [metric.name for metric in METRICS.values() if metric.kind == "number"])
@settings(max_examples=50)
@given(data=st.data())
def test_whether_a_table_is_valid_says_nothing_about_the_labels(name: str, data: st.DataObject) -> None:
    """An invalid submission costs no validation: were validity a matter of labels, they could be read for nothing."""
    rows = data.draw(st.integers(1, 6))
    ordinary = st.floats(-1e6, 1e6).filter(lambda number: number == 0 or abs(number) > 1e-6)
    extreme = st.sampled_from([0.0, -0.0, 5e-324, LARGEST_NUMBER, -LARGEST_NUMBER])
    truth = np.array(data.draw(st.lists(ordinary, min_size=rows, max_size=rows)))
    guesses = np.array(data.draw(st.lists(extreme | ordinary, min_size=rows, max_size=rows)))
    assert np.isfinite(METRICS[name].function(truth, guesses))
