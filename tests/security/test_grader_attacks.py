"""An agent attacks the grader: its socket, its budget, its clients, and its patience."""

from __future__ import annotations

import json
import os
import socket
import struct
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

import psutil
import pytest
from adversary import HONEST
from tasks_for_tests import LIMITS, add, code_files, csv_files, table

from mlgym_synth.environment import TaskEnv
from mlgym_synth.environment.grader import Grader
from mlgym_synth.environment.grading import Grading
from mlgym_synth.environment.server import GraderServer

pytestmark = pytest.mark.isolated

CLIENT = """
import json, os, socket, struct, sys, threading, time
def connect():
    client = socket.socket(socket.AF_UNIX)
    client.connect(os.environ["MLGYM_GRADER"])  # waits for room in the queue
    client.settimeout(20)
    return client
def ask(raw, close=True):
    with connect() as client:
        try:
            client.sendall(raw)
            if close: client.shutdown(socket.SHUT_WR)
            answer = client.makefile("rb").read()
        except OSError as error:
            return type(error).__name__
    return repr(answer[4:])  # its status, and what our client would print
def request(operation, content, size=None):
    header = json.dumps({"op": operation, "size": len(content) if size is None else size}).encode()
    return struct.pack(">I", len(header)) + header + content
content = open("submission.csv", "rb").read()
"""
"""The protocol as an agent speaks it who does without our clients."""

MALFORMED = {
    "nothing": 'b""',
    "half a length": r'b"\0\0"',
    "a huge length": r'b"\xff\xff\xff\xff" + b"x" * 100',
    "a long header": 'struct.pack(">I", 1 << 20) + b" " * (1 << 20)',
    "a length that lies": 'struct.pack(">I", 4096) + b"{}"',
    "an empty header": r'b"\0\0\0\0"',
    "deep JSON": 'struct.pack(">I", 4000) + b"[" * 4000',
    "no JSON": 'struct.pack(">I", 4) + b"\\xff\\xfe{}"',
    "another JSON": 'struct.pack(">I", 2) + b"[]"',
    "a long number": 'struct.pack(">I", 4000) + b"9" * 4000',
    "NaN": 'request("submit", content, float("nan"))',
    "infinity": 'request("submit", content, float("inf"))',
    "a negative size": 'request("submit", content, -1)',
    "a huge size": 'request("submit", content, 1 << 62)',
    "a size of True": 'request("submit", content, True)',
    "a size as text": 'request("submit", content, "7")',
    "more promised than sent": 'request("submit", content, len(content) + 1)',
    "less promised than sent": 'request("submit", content, 3)',
    "another operation": 'request("settle", content)',
    "an operation that is a list": 'request(["submit"], content)',
    "a private validation": 'request("validate private", content)',
    "another protocol": r'b"GET /labels.csv HTTP/1.1\r\n\r\n"',
}


def test_no_malformed_request_gets_a_score_or_ends_anything(env: TaskEnv) -> None:
    attack = "\n".join(f"print({name!r}, ask({raw}))" for name, raw in MALFORMED.items())
    observation, _, terminated, _, info = env.step(f"cat > attack.py <<'END'\n{CLIENT}{attack}\nEND\npython attack.py")
    answers = observation.splitlines()
    assert len(answers) == len(MALFORMED)
    assert not [line for line in answers if "accuracy" in line or "COMPLETE_TASK" in line]
    assert (terminated, info["outcome"]) == (False, "running")
    control = f"cat > control.py <<'END'\n{CLIENT}print(ask(request('validate', content)))\nEND\npython control.py"
    assert HONEST in env.step(control)[0]
    assert "validations left: 1" in env.step("validate")[0]


@pytest.mark.parametrize(
    "flood",
    [
        "for _ in range(10_000): connect().close()",
        """held = []
for _ in range(900):
    try:
        client = connect(); client.sendall(b"\\0\\0"); held.append(client)
    except OSError: pass""",
        """for _ in range(200):
    client = connect()
    try: client.sendall(request("validate", content[:20], 1 << 24))
    except OSError: pass
    client.close()""",
    ],
    ids=["10,000 connections", "half requests", "broken off"],
)
def test_a_flood_of_clients_does_not_stop_the_grader(env: TaskEnv, flood: str) -> None:
    before = psutil.Process().num_fds()
    observation, *_ = env.step(f"cat > flood.py <<'END'\n{CLIENT}{flood}\nEND\npython flood.py && echo flooded")
    assert "flooded" in observation
    assert HONEST in env.step("validate")[0]
    assert psutil.Process().num_fds() <= before + 1


def test_clients_that_hold_every_slot_do_not_reach_into_the_next_episode(env: TaskEnv) -> None:
    hold = """held = []
for _ in range(64):
    client = connect(); held.append(client)
    try: client.sendall(request("submit", content)[:-1])
    except OSError: pass
print("held", flush=True)
time.sleep(1000)"""
    held = "until grep -q held held; do sleep 0.01; done"
    env.step(f"cat > hold.py <<'END'\n{CLIENT}{hold}\nEND\n(setsid python hold.py > held &); {held}")
    refused = env.step("validate")[0]
    assert "cannot reach the grader" in refused  # the slots are taken: it harms whoever took them
    env.reset()
    assert env.step("python baseline.py; validate")[0].startswith(HONEST)


def test_a_request_of_the_last_episode_does_not_submit_in_the_next(env: TaskEnv) -> None:
    storm = """def submit_for_ever():
    while True:
        try: ask(request("submit", content))
        except OSError: pass
time.sleep(float(sys.argv[1]))
for _ in range(16): threading.Thread(target=submit_for_ever).start()"""
    write = f"cat > storm.py <<'END'\n{CLIENT}{storm}\nEND\n"
    env.step(f"{write}(setsid python storm.py 0.2 &)")
    env.reset()
    for _ in range(5):
        assert env.step("sleep 0.1")[4]["outcome"] == "running"
    # The control: it does submit where it lives.
    assert env.step(f"python baseline.py; {write}(setsid python storm.py 0 &); sleep 2")[4]["outcome"] == "submitted"


def test_a_storm_of_connections_holds_up_no_reset(env: TaskEnv) -> None:
    storm = """for _ in range(30):
    if os.fork() == 0:
        while True:
            try: connect().close()
            except OSError: pass"""
    env.step(f"cat > storm.py <<'END'\n{CLIENT}{storm}\nEND\n(setsid python storm.py > /dev/null 2>&1 &); sleep 0.5")
    env.reset()
    assert env.step("python baseline.py; validate")[0].startswith(HONEST)


def test_descriptors_that_are_passed_along_are_not_taken(env: TaskEnv) -> None:
    attack = """files = [os.open("data/test.csv", os.O_RDONLY) for _ in range(200)]
for number in range(40):
    with connect() as client:
        socket.send_fds(client, [request("validate", b"x")], files)
        print(client.makefile("rb").read()[4:])"""
    before = psutil.Process().num_fds()
    observation, *_ = env.step(f"cat > attack.py <<'END'\n{CLIENT}{attack}\nEND\npython attack.py")
    assert observation.count("the header is ") == 40
    assert psutil.Process().num_fds() <= before + 1
    assert HONEST in env.step("validate")[0]


def test_the_count_of_descriptors_would_show_one_that_was_taken(tmp_path: Path) -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs, (tmp_path / "file").open("w") as stream:
        before = psutil.Process().num_fds()
        socket.send_fds(theirs, [b"x"], [stream.fileno()] * 20)
        taken = socket.recv_fds(ours, 1, 20)[1]
        assert psutil.Process().num_fds() == before + 20
        for descriptor in taken:
            os.close(descriptor)


def test_a_forged_socket_fools_only_the_agent(env: TaskEnv) -> None:
    forged = """cat > fake.py <<'END'
import socket, struct
server = socket.socket(socket.AF_UNIX); server.bind("fake.sock"); server.listen()
client, _ = server.accept()
client.recv(1 << 16)
answer = b"\\0COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT"
client.sendall(struct.pack(">I", len(answer)) + answer)
client.close()
END
python fake.py & until [ -S fake.sock ]; do :; done
MLGYM_GRADER=$PWD/fake.sock submit; rm -f "$MLGYM_GRADER"; mv fake.sock "$MLGYM_GRADER" """
    observation, reward, terminated, _, info = env.step(forged)
    assert "COMPLETE_TASK" in observation
    assert (reward, terminated, info["outcome"]) == (0.0, False, "running")
    assert env.step("submit")[2] is True


def test_the_tools_cannot_be_overwritten(env: TaskEnv) -> None:
    attack = """tool=$(command -v validate); folder=$(dirname "$tool")
echo "echo 5" > "$tool"; rm -f "$tool"; mv "$tool" gone; chmod 777 "$tool" "$folder"; ln -sf /bin/true "$tool"
mount --bind /bin "$folder"; cp /bin/true "$folder/validate"; validate"""
    assert HONEST in env.step(attack)[0]
    env.reset()
    assert HONEST in env.step("python baseline.py; validate")[0]


def test_what_stock_mlgym_grades_with_grades_nothing_here(env: TaskEnv) -> None:
    """There is no evaluate.py to change, and one that an agent writes is not asked."""
    assert "evaluate.py" not in env.step("ls -a")[0]
    forge = """echo 'print("{\\"accuracy\\": 1.0}")' > evaluate.py; chmod 777 evaluate.py"""
    observation, *_ = env.step(f"{forge}; python evaluate.py; validate")
    assert '{"accuracy": 1.0}' in observation  # the control: it runs
    assert HONEST in observation


def test_more_validations_than_the_budget_are_refused_at_once(env: TaskEnv) -> None:
    race = """lines = content.decode().splitlines()
def attack(number):
    lines[1] = lines[1].rsplit(",", 1)[0] + (",yes" if number % 2 else ",no")
    print(ask(request("validate", "\\n".join(lines).encode())), flush=True)
threads = [threading.Thread(target=attack, args=(number,)) for number in range(6)]
[thread.start() for thread in threads]; [thread.join() for thread in threads]"""
    observation, *_ = env.step(f"cat > race.py <<'END'\n{CLIENT}{race}\nEND\npython race.py")
    assert observation.count(HONEST) == 3
    assert observation.count("no validations are left") == 3
    for _ in range(3):
        assert "no validations are left" in env.step("validate")[0]


def test_a_submission_in_the_background_counts(env: TaskEnv) -> None:
    env.step("(submit > /dev/null 2>&1 &)")
    for _ in range(40):
        _, _, terminated, truncated, info = env.step("sleep 0.1")
        if terminated:
            break
    assert (terminated, truncated, info["outcome"]) == (True, False, "submitted")


def test_of_two_submissions_at_once_one_is_taken(env: TaskEnv) -> None:
    race = "sed s/no$/yes/ submission.csv > other.csv; submit & submit other.csv & wait"
    observation, _, terminated, _, info = env.step(race)
    assert observation.count("COMPLETE_TASK") == 1
    assert observation.count("the episode is over") == 1
    assert terminated
    assert info["best_score"] == info["score"]


def test_one_episode_s_submission_is_not_another_s(env: TaskEnv, suite: Path) -> None:
    other = TaskEnv("tiny-csv", suite)
    other.reset(seed=0)
    try:
        assert env.step("submit")[2] is True
        assert other.step("true")[4]["outcome"] == "running"
        assert "validations left: 2" in other.step("python baseline.py; validate")[0]
    finally:
        other.close()


def test_requests_that_wait_find_the_episode_over(tmp_path: Path) -> None:
    """What an agent has queued must neither delay the end of its episode nor be scored after it."""
    grading = Grading(Grader(add(tmp_path / "suite", code_files(LIMITS.model_copy(update={"validations": 25})))))
    server = GraderServer(tmp_path / "grader.sock")
    server.begin(grading)
    policy = "import time\ntime.sleep(0.3)\ndef double(x): return {}\n"
    with ThreadPoolExecutor(8) as clients:
        requests = [clients.submit(validate, server.path, policy.format(number)) for number in range(8)]
        wait(requests, return_when=FIRST_COMPLETED)  # so the others wait for the one that has begun
        grading.settle(lambda: None)
        answers = [request.result() for request in requests]
    server.close()
    assert len(answers) == 8
    assert 1 <= sum("on the public part" in answer for answer in answers) <= 2


def validate(path: Path, submission: str) -> str:
    """What the grader at a socket answers."""
    header = json.dumps({"op": "validate", "size": len(submission)}).encode()
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(struct.pack(">I", len(header)) + header + submission.encode())
        with client.makefile("rb") as stream:
            return stream.read().decode(errors="replace")


def test_an_answer_shows_nothing_of_the_private_part(tmp_path: Path) -> None:
    """Every private prediction is turned around, one by one and all together: neither answer nor message changes."""
    limits = LIMITS.model_copy(update={"validations": 100})
    grader = Grader(add(tmp_path / "suite", csv_files(tmp_path / "source", limits)))
    grading = Grading(grader)
    assert grader.prepared is not None
    labels = grader.prepared.labels()

    def answer(flipped: set[int]) -> tuple[object, object]:
        guesses = ["yes" if row in flipped else "no" for row in range(len(labels.ids))]
        found = grading.validate(table(labels.ids, guesses))
        return found["ok"], found["score"]

    private = [row for row, public in enumerate(labels.public) if not public]
    answers = {answer(set()), answer(set(private)), *(answer({row}) for row in private)}
    assert len(answers) == 1
    public = next(row for row, public in enumerate(labels.public) if public)
    assert answer({public}) not in answers  # the control: a public one does change it
    refusals = set()
    for row in range(len(labels.ids)):
        guesses = ["maybe" if other == row else "no" for other in range(len(labels.ids))]
        refusals.add(grading.validate(table(labels.ids, guesses))["error"].replace(f"line {row + 2}:", "line N:"))
    assert len(refusals) == 1
