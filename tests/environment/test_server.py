"""The grader's socket: hostile clients get an error or nothing, and never stop others."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tasks_for_tests import ask, exchange, table

from mlgym_synth.environment import server
from mlgym_synth.environment.grader import LARGEST_SUBMISSION, Grader
from mlgym_synth.environment.grading import Grading
from mlgym_synth.environment.server import CONNECTIONS, GraderServer


@pytest.fixture
def serving(csv_grader: Grader, tmp_path: Path) -> Iterator[GraderServer]:
    serving = GraderServer(tmp_path / "grader.sock")
    serving.begin(Grading(csv_grader))
    yield serving
    serving.close()


@pytest.fixture
def submission(csv_grader: Grader) -> bytes:
    assert csv_grader.prepared is not None
    return table(list(csv_grader.prepared.labels().ids), ["yes"] * 30)


def header(value: object) -> bytes:
    text = json.dumps(value).encode()
    return struct.pack(">I", len(text)) + text


def test_validate_and_submit(serving: GraderServer, submission: bytes) -> None:
    status, text = ask(serving.path, "validate", submission)
    assert (status, text.splitlines()[1:]) == (0, ["validations left: 2"])
    status, text = ask(serving.path, "submit", submission)
    assert (status, json.loads(text.splitlines()[-1])["bytes"]) == (0, len(submission))
    status, text = ask(serving.path, "submit", submission)
    assert (status, text) == (1, "not accepted: the episode is over: a submission was taken or a limit reached\n")


@pytest.mark.parametrize(
    "request_bytes",
    [
        struct.pack(">I", 1 << 31),
        struct.pack(">I", 3) + b"{{{",
        struct.pack(">I", 4000) + b"[" * 4000,
        header([]),
        header({"op": "validate"}),
        header({"op": "private", "size": 0}),
        header({"op": ["validate"], "size": 0}),
        header({"op": "validate", "size": -1}),
        header({"op": "validate", "size": True}),
        header({"op": "validate", "size": 1.5}),
        header({"op": "validate", "size": LARGEST_SUBMISSION + 1}),
    ],
)
def test_a_malformed_request_gets_an_error(serving: GraderServer, request_bytes: bytes) -> None:
    status, text = exchange(serving.path, request_bytes)
    assert status == 1
    assert text.startswith("not accepted: the ")


@given(request_bytes=st.binary(max_size=64))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_leave_the_server_serving(serving: GraderServer, submission: bytes, request_bytes: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(serving.path))
        client.sendall(request_bytes)
    assert "(validations left: 3)" in ask(serving.path, "validate", b"").text


def test_silent_clients_do_not_block_others_and_are_limited(serving: GraderServer, submission: bytes) -> None:
    silent = []
    for _ in range(CONNECTIONS - 2):  # a slot is given back a moment after its answer
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(serving.path))
        silent.append(client)
    assert ask(serving.path, "validate", submission).status == 0
    for client in silent:
        client.close()
    assert ask(serving.path, "submit", submission).status == 0


def test_more_clients_than_slots_are_turned_away(serving: GraderServer) -> None:
    clients = []
    for _ in range(CONNECTIONS + 1):
        client = socket.socket(socket.AF_UNIX)
        client.connect(str(serving.path))
        clients.append(client)
    clients[-1].settimeout(10)
    assert clients[-1].recv(1) == b""
    for client in clients:
        client.close()


def test_a_slow_client_is_dropped(serving: GraderServer, submission: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.2)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(serving.path))
        client.sendall(b"\0\0")
        client.settimeout(10)
        assert client.recv(1) == b""


def test_a_request_left_over_from_one_episode_does_not_reach_the_next(
    serving: GraderServer, csv_grader: Grader, submission: bytes
) -> None:
    text = header({"op": "submit", "size": len(submission)})
    for _ in range(20):
        following = Grading(csv_grader)
        with socket.socket(socket.AF_UNIX) as late:
            late.connect(str(serving.path))
            late.sendall(text + submission)
            serving.begin(following)
            late.settimeout(10)
            with contextlib.suppress(ConnectionResetError):
                late.recv(1 << 16)
        assert not following.submitted
    assert ask(serving.path, "submit", submission).status == 0
    assert following.submitted


def test_between_episodes_clients_are_turned_away(serving: GraderServer, csv_grader: Grader, submission: bytes) -> None:
    serving.begin(None)
    with pytest.raises((OSError, struct.error)):  # closed before it is read from, or before the answer
        ask(serving.path, "submit", submission)
    following = Grading(csv_grader)
    serving.begin(following)
    assert ask(serving.path, "submit", submission).status == 0
    assert following.submitted


def test_one_thread_serves_many(csv_grader: Grader, tmp_path: Path, submission: bytes) -> None:
    servers = [GraderServer(tmp_path / str(index)) for index in range(30)]
    for each in servers:
        each.begin(Grading(csv_grader))
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("grader") == 1
    with ThreadPoolExecutor(30) as clients:
        answers = list(clients.map(lambda each: ask(each.path, "validate", submission), servers))
    assert {status for status, _ in answers} == {0}
    for each in servers:
        each.close()


def test_an_episode_does_not_wait_for_another(csv_grader: Grader, tmp_path: Path, submission: bytes) -> None:
    slow, fast = GraderServer(tmp_path / "slow"), GraderServer(tmp_path / "fast")
    stalled = Grading(csv_grader)
    slow.begin(stalled)
    fast.begin(Grading(csv_grader))
    with ThreadPoolExecutor(1) as clients, stalled._lock:  # as while a judge runs
        waiting = clients.submit(ask, slow.path, "validate", submission)
        for _ in range(3):
            assert ask(fast.path, "validate", submission).status == 0
        assert not waiting.done()
        stalled._lock.release()
        assert waiting.result(60).status == 0
        stalled._lock.acquire()
    slow.close()
    fast.close()


def test_a_forked_process_serves_by_itself(serving: GraderServer, csv_grader: Grader, tmp_path: Path) -> None:
    """As gymnasium's AsyncVectorEnv makes them."""
    child = os.fork()
    if child == 0:
        mine = GraderServer(tmp_path / "mine.sock")
        mine.begin(Grading(csv_grader))
        os._exit(0 if "(validations left: 3)" in ask(mine.path, "validate", b"").text else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert "(validations left: 3)" in ask(serving.path, "validate", b"").text


def test_others_may_connect_and_closing_removes_the_socket(csv_grader: Grader, tmp_path: Path) -> None:
    serving = GraderServer(tmp_path / "grader.sock")
    assert serving.path.stat().st_mode & 0o777 == 0o666
    serving.close()
    serving.close()
    assert not serving.path.exists()


def test_a_long_path_is_no_obstacle(csv_grader: Grader, tmp_path: Path) -> None:
    folder = tmp_path / ("d" * 120)
    folder.mkdir()
    serving = GraderServer(folder / "grader.sock")
    serving.begin(Grading(csv_grader))
    serving.close()


Client = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def client(serving: GraderServer, tmp_path: Path) -> Client:
    """Runs one of the two tools as an agent does."""
    source = Path(server.__file__).parent / "files" / "grader_client.py"

    def run(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        shutil.copyfile(source, tmp_path / name)
        return subprocess.run(
            [sys.executable, "-I", "-S", tmp_path / name, *arguments],
            env={"MLGYM_GRADER": str(serving.path), "MLGYM_SUBMISSION": str(tmp_path / "submission.csv")},
            capture_output=True,
            text=True,
        )

    return run


def test_the_client_prints_the_score_and_what_is_left(client: Client, tmp_path: Path, submission: bytes) -> None:
    (tmp_path / "submission.csv").write_bytes(submission)
    ended = client("validate")
    assert ended.returncode == 0
    assert ended.stdout.splitlines()[0].startswith("accuracy on the public part: 0.")
    assert ended.stdout.splitlines()[1:] == ["validations left: 2"]


def test_the_client_submits_a_named_file_and_prints_the_marks(
    client: Client, tmp_path: Path, submission: bytes
) -> None:
    (tmp_path / "other.csv").write_bytes(submission)
    first, second, receipt = client("submit", str(tmp_path / "other.csv")).stdout.splitlines()
    assert (first, second) == ("COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT", "<<SWE_AGENT_SUBMISSION>>")
    assert json.loads(receipt)["bytes"] == len(submission)


@pytest.mark.parametrize(
    ("arguments", "content", "message"),
    [
        ([], None, "cannot read"),
        ([], b"nonsense", "not accepted: "),
        ([], b"x" * (LARGEST_SUBMISSION + 1), "more than"),
        (["a", "b"], b"", "usage: submit [FILE]"),
        (["--help"], b"", "usage: submit [FILE]"),
    ],
)
def test_the_client_fails_with_one_line(
    client: Client, tmp_path: Path, arguments: list[str], content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / "submission.csv").write_bytes(content)
    ended = client("submit", *arguments)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert message in ended.stderr
    assert ended.stderr.count("\n") == 1


@pytest.mark.parametrize("answer", [b"", b"\0\0", b"\0\0\0\x09\0", b"\0\0\0\x09\0half"])
def test_the_client_fails_with_one_line_where_the_answer_is_cut_short(
    client: Client, serving: GraderServer, tmp_path: Path, answer: bytes
) -> None:
    (tmp_path / "submission.csv").write_bytes(b"id,target\n")
    serving.close()
    with socket.socket(socket.AF_UNIX) as listener, ThreadPoolExecutor(1) as clients:
        listener.bind(str(serving.path))
        listener.listen()
        asked = clients.submit(client, "validate")
        connection, _ = listener.accept()
        with connection:
            connection.recv(1 << 16)
            connection.sendall(answer)
        ended = asked.result()
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "cannot reach the grader: ConnectionError: it left without an answer\n"


def test_the_client_imports_nothing_that_is_slow(client: Client, tmp_path: Path) -> None:
    (tmp_path / "submission.csv").write_bytes(b"")
    source = Path(server.__file__).parent / "files" / "grader_client.py"
    listed = subprocess.run([sys.executable, "-I", "-S", "-X", "importtime", source], capture_output=True, text=True)
    imported = {line.rsplit("|")[-1].strip() for line in listed.stderr.splitlines() if line.startswith("import time:")}
    assert "_socket" in imported
    assert not imported & {"json", "re", "enum", "socket", "struct", "selectors", "pathlib", "typing"}


def test_the_client_fails_with_one_line_where_nobody_serves(
    client: Client, serving: GraderServer, tmp_path: Path
) -> None:
    (tmp_path / "submission.csv").write_bytes(b"")
    serving.close()
    ended = client("validate")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("cannot reach the grader: ")
