"""What every provider keeps. Cases that need isolation run on those that isolate."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from mlgym_synth.errors import InputError, SandboxError
from mlgym_synth.sandboxes import Sandbox, Session, Spec, create, probe
from mlgym_synth.sandboxes.runtime import MASKED_MODULES
from mlgym_synth.tasks.recipe import Limits

PROBES = {found.provider: found for found in probe()}
LIMITS = Limits(memory_mb=1024, processes=48, disk_mb=16, output_kb=8, action_seconds=60)


def providers(*names: str) -> list[object]:
    return [
        pytest.param(
            name,
            marks=[pytest.mark.skipif(not PROBES[name].usable, reason=f"{name}: {PROBES[name].detail}")]
            + ([pytest.mark.isolated] if PROBES[name].isolates else []),
        )
        for name in names
    ]


ALL = providers("bubblewrap", "process")
ISOLATING = providers("bubblewrap")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    folder.chmod(0o755)
    (folder / "train.csv").write_text("x,y\n1,2\n")
    return folder


def make(provider: str, data: Path, **changes: object) -> Sandbox:
    spec = {
        "files": {"baseline.py": b"print('made')\n", "src/part.txt": b"part"},
        "read_only": {"data": data},
        "environment": {"MLGYM_SEED": "7"},
        "limits": LIMITS,
        **changes,
    }
    return create(Spec(**spec), provider, allow_unsafe=True)  # type: ignore[arg-type]


@pytest.fixture(params=ALL)
def sandbox(request: pytest.FixtureRequest, data: Path) -> Iterator[Sandbox]:
    with make(request.param, data) as made:
        yield made


@pytest.fixture
def session(sandbox: Sandbox) -> Session:
    return sandbox.open_session()


@pytest.fixture(params=ISOLATING)
def isolated(request: pytest.FixtureRequest, data: Path) -> Iterator[Sandbox]:
    with make(request.param, data) as made:
        yield made


def processes(*command: str) -> list[psutil.Process]:
    return [found for found in psutil.process_iter(["cmdline"]) if found.info["cmdline"] == list(command)]


def test_a_session_keeps_folder_and_variables(session: Session, sandbox: Sandbox) -> None:
    first = session.run("pwd; cat src/part.txt; export COLOUR=blue; name=kept; cd src")
    assert (first.exit_code, first.output) == (0, f"{sandbox.workspace}\npart")
    assert session.run('echo "$COLOUR $name $MLGYM_SEED"; pwd').output == f"blue kept 7\n{sandbox.workspace}/src\n"
    assert session.run("false").exit_code == 1
    assert session.run("(exit 42)").exit_code == 42


@pytest.mark.parametrize(
    ("command", "status", "output"),
    [
        ("cat", 0, ""),
        ("read line", 1, ""),
        ("break; continue; return 3", 3, "only meaningful"),
        ("echo 'never closed", 2, "unexpected EOF"),
        ("cat <<EOF\nhello\nEOF\necho after", 0, "hello\nafter\n"),
        ("echo out; echo err >&2", 0, "out\nerr\n"),
        ("exec 1>&-", 0, ""),
        ("exec >/dev/null 2>&1", 0, ""),
        ("exec 250>&- 251>&- 3>&1", 0, ""),
        ("echo a\\", 0, "a"),
        ("set -u; shopt -s nullglob", 0, ""),
        ("printf 'a\\0b\\377\\n'", 0, "a\0b\ufffd\n"),
        ("cat /dev/null | while read x; do :; done; echo é", 0, "é\n"),
        ("", 0, ""),
    ],
)
def test_a_session_survives(session: Session, command: str, status: int, output: str) -> None:
    result = session.run(command, timeout=20)
    assert result.exit_code == status
    assert output in result.output
    assert not result.shell_lost
    assert session.run("echo next; ls baseline.py").output == "next\nbaseline.py\n"


@pytest.mark.parametrize("command", ["exit 3", "exec true", "exec bash", "kill -9 $$", "set -e; false; echo no"])
def test_a_lost_shell_is_replaced_in_the_same_folder(session: Session, command: str) -> None:
    assert session.run("cd src; export GONE=1").exit_code == 0
    lost = session.run(command, timeout=20)
    assert (lost.shell_lost, lost.exit_code, lost.timed_out) == (True, None, False)
    assert "no" not in lost.output.split()
    assert session.run("cat part.txt; echo ${GONE-fresh}").output == "partfresh\n"


def test_errexit_ends_with_its_command(session: Session) -> None:
    assert session.run("set -e; true").exit_code == 0
    assert session.run("false; echo on").output == "on\n"


def test_a_command_of_any_length(session: Session) -> None:
    text = "x" * 300_000
    result = session.run(f"value='{text}'\necho ${{#value}}", timeout=60)
    assert result.output == "300000\n"


@pytest.mark.parametrize(
    "command",
    [
        "sleep 31415; echo later",
        "while :; do :; done; echo later",
        "while :; do sleep 0.01; done; echo later",
        "work() { sleep 31415; }; work; sleep 31415",
        "(sleep 31415 &); setsid sleep 31415 & wait; echo later",
        "mkfifo pipe; read line < pipe; echo later",
        "trap '' INT TERM HUP; sleep 31415",
    ],
)
def test_a_time_out_ends_the_command_and_keeps_the_shell(session: Session, command: str) -> None:
    session.run("export KEPT=1; cd src")
    result = session.run(f"echo before; {command}", timeout=0.5)
    assert result.timed_out
    assert result.exit_code is None
    assert result.output.startswith("before\n")
    assert "later" not in result.output.split()
    assert result.seconds >= 0.5
    assert not result.shell_lost
    assert session.run("echo $KEPT; cat part.txt").output.endswith("1\npart")
    assert not processes("sleep", "31415")


def test_a_stuck_shell_is_replaced(session: Session) -> None:
    session.run("cd src")
    result = session.run("trap '' RTMAX; while :; do :; done", timeout=0.3)
    assert (result.timed_out, result.shell_lost) == (True, True)
    assert session.run("cat part.txt").output == "part"


def test_a_background_process_outlives_its_command(session: Session) -> None:
    session.run("(sleep 0.3; echo late) & echo started")
    assert session.run("sleep 0.6; echo end").output == "late\nend\n"


def test_output_keeps_head_and_tail(session: Session) -> None:
    before = psutil.Process().memory_info().rss
    result = session.run("echo first; head -c 100000000 /dev/zero | tr '\\0' z; echo; echo last", timeout=120)
    assert (result.exit_code, result.truncated) == (0, True)
    assert result.output.startswith("first\nzzz")
    assert result.output.endswith("zzz\nlast\n")
    left_out = 100_000_000 + len("first\n\nlast\n") - (LIMITS.output_kb << 10)
    assert f"\n[{left_out} bytes left out]\n" in result.output
    assert psutil.Process().memory_info().rss - before < 50 << 20


def test_sessions_and_sandboxes_work_at_once(data: Path) -> None:
    provider = next(found.provider for found in PROBES.values() if found.usable)

    def work(number: int) -> str:
        with make(provider, data) as made:
            shell = made.open_session()
            shell.run(f"n={number}; mkdir -p out; echo $n > out/n")
            return shell.run("cat out/n").output

    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(work, range(20))) == [f"{number}\n" for number in range(20)]


def test_a_sandbox_outlives_the_thread_that_started_it(data: Path, sandbox: Sandbox) -> None:
    found: list[Session] = []
    thread = threading.Thread(target=lambda: found.append(sandbox.open_session()))
    thread.start()
    thread.join()
    time.sleep(0.1)
    result = found[0].run("echo alive")
    assert (result.output, result.shell_lost) == ("alive\n", False)


def test_interrupt_from_another_thread(session: Session) -> None:
    session.run("true")  # so that the shell is up, and a second is enough for an echo
    timer = threading.Timer(1.0, session.interrupt)
    timer.start()
    result = session.run("echo begun; sleep 1000", timeout=60)
    timer.join()
    assert (result.output, result.shell_lost, result.timed_out) == ("begun\n", True, False)
    assert session.run("echo again").output == "again\n"


def test_exec(sandbox: Sandbox) -> None:
    assert sandbox.exec(["python", "baseline.py"]).output == "made\n"
    assert sandbox.exec(["cat"], stdin=b"z" * 3_000_000).truncated
    assert sandbox.exec(["sh", "-c", "echo $EXTRA >&2; exit 9"], environment={"EXTRA": "e"}).output == "e\n"
    assert sandbox.exec(["sh", "-c", "exit 9"], stdin=b"z" * 3_000_000).exit_code == 9
    assert sandbox.exec(["no-such-program"]).exit_code == 127
    assert sandbox.exec(["sh", "-c", "kill -9 $$"]).exit_code == 137
    slow = sandbox.exec(["sh", "-c", "echo part; sleep 1000 & sleep 1000"], timeout=0.5)
    assert (slow.exit_code, slow.timed_out, slow.output) == (None, True, "part\n")


def test_spawn(sandbox: Sandbox) -> None:
    pipe = sandbox.spawn(["python", "-c", "for line in open(0): print(line.upper(), end='', flush=True)"])
    for word in (b"one\n", b"two\n"):
        pipe.stdin.write(word)
        pipe.stdin.flush()
        assert pipe.stdout.readline() == word.upper()
    pipe.close()
    pipe.close()


def test_read_and_write(sandbox: Sandbox, session: Session, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    sandbox.write("new/deep.txt", b"host")
    assert session.run("cat new/deep.txt; echo agent >> new/deep.txt").output == "host"
    assert sandbox.read("new/deep.txt") == b"hostagent\n"
    assert sandbox.read(f"{sandbox.workspace}/new/deep.txt") == b"hostagent\n"
    assert sandbox.read("data/train.csv") == b"x,y\n1,2\n"
    session.run(f"ln -s {secret} link; ln -s {tmp_path} folder; ln -s / root; mkfifo pipe; mkdir dir")
    for path in ("link", "folder/secret", f"root{secret}", "pipe", "dir", "none", "new/deep.txt/x", "x" * 5000):
        with pytest.raises(FileNotFoundError):
            sandbox.read(path)
    for path in ("../secret", "/etc/passwd", "", "a/../../b", "."):
        with pytest.raises(ValueError, match="no path in the workspace"):
            sandbox.read(path)
    with pytest.raises(ValueError, match="larger than 3"):
        sandbox.read("new/deep.txt", limit=3)
    with pytest.raises(ValueError, match="read-only"):
        sandbox.write("data/train.csv", b"")
    with pytest.raises(OSError):
        sandbox.write("folder/secret", b"overwritten")
    sandbox.write("link", b"replaced")
    assert sandbox.read("link") == b"replaced"
    assert secret.read_text() == "secret"


def test_reset_and_snapshot(sandbox: Sandbox, session: Session) -> None:
    session.run(
        "echo 1 > made; mkdir -p a/b; echo 2 > a/b/c; ln -s /etc/passwd link; mkfifo pipe; chmod +x baseline.py"
    )
    session.run("mkdir closed; touch closed/x; chmod 0 closed; sleep 1000 &")
    snapshot = sandbox.snapshot()
    assert not (snapshot / "data").exists()
    sandbox.reset()
    with pytest.raises(SandboxError):
        session.run("echo")
    pristine = sandbox.open_session().run("ls; cat data/train.csv; pgrep -c sleep; cat baseline.py")
    assert pristine.output.splitlines()[:3] == ["baseline.py", "data", "src"]
    sandbox.reset(snapshot)
    again = sandbox.open_session()
    assert again.run("cat a/b/c made; readlink link; test -x baseline.py; echo $?").output == "2\n1\n/etc/passwd\n0\n"
    assert again.run("ls data; echo 3 >> a/b/c; ls pipe").exit_code == 2


def test_a_workspace_that_resists_removal(sandbox: Sandbox) -> None:
    deep = "import os\nfor _ in range(1500): os.mkdir('d'); os.chdir('d')\nopen('last', 'w'); os.chmod('.', 0)"
    assert sandbox.exec(["python", "-c", deep]).exit_code == 0
    with pytest.raises(ValueError, match="deep"):
        sandbox.snapshot()
    sandbox.reset()
    assert sandbox.open_session().run("ls").output == "baseline.py\ndata\nsrc\n"


def test_stop_leaves_nothing(data: Path, sandbox: Sandbox, session: Session) -> None:
    session.run("sleep 98765 & setsid sleep 98765 & (sleep 98765 &)")
    folder = sandbox.snapshot().parent
    sandbox.stop()
    sandbox.stop()
    assert not folder.exists()
    assert not processes("sleep", "98765")
    with pytest.raises(SandboxError):
        session.run("echo")
    with pytest.raises(SandboxError):
        sandbox.exec(["true"])


def test_specs_that_cannot_be(data: Path) -> None:
    for changes in ({"files": {"../x": b""}}, {"read_only": {"a/b": data}}, {"read_only": {"a": data / "none"}}):
        with pytest.raises(InputError):
            make("process", data, **changes)


# Isolation


def run_python(sandbox: Sandbox, code: str) -> str:
    result = sandbox.exec(["python", "-c", code], timeout=120)
    return result.output


def test_no_network(isolated: Sandbox) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port), timeout=5):
            pass
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), timeout=5)"
        assert "ConnectionRefusedError" in run_python(isolated, code)
    assert "Error" in run_python(isolated, "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)")


def test_nothing_of_the_host(isolated: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-hidden-from-agents")
    (tmp_path / "labels.csv").write_text("labels")
    shell = isolated.open_session()
    variables = shell.run("env; cat /proc/*/environ | tr '\\0' '\\n'")
    assert "PYTHONDONTWRITEBYTECODE=1" in variables.output
    assert "sk-hidden-from-agents" not in variables.output
    for path in (tmp_path, Path.home(), Path(__file__).parent, Path(tmp_path.root) / "var", Path("/usr/local")):
        assert shell.run(f"ls -d {path} || ls {path}").exit_code == 2 or path == Path("/home/agent")
    assert shell.run("ls -A /tmp /usr/lib/python3*").output.count("\n") <= 2
    assert shell.run("find / -name labels.csv 2>/dev/null").output == ""
    assert shell.run("cut -d: -f1 /etc/passwd; ls /proc | grep -c '^[0-9]'").output.split()[0] == "agent"


def test_an_unprivileged_user_inside_and_outside(isolated: Sandbox) -> None:
    shell = isolated.open_session()
    assert shell.run("id -un").output == "agent\n"
    status = shell.run("cat /proc/self/status").output
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert "0" not in fields["Uid"].split()
    assert {int(fields[name], 16) for name in ("CapInh", "CapPrm", "CapEff", "CapAmb")} == {0}
    assert fields["NoNewPrivs"] == "1"
    shell.run("sleep 54321 & sleep 0.2")
    (outside,) = processes("sleep", "54321")
    users = set(outside.uids())
    assert 0 not in users
    assert users == {os.geteuid()} or (os.geteuid() == 0 and min(users) >= 2_000_000)
    assert "denied" in shell.run("kill -9 1; sudo -n true || su -c true < /dev/null || echo denied").output


def test_what_is_read_only(isolated: Sandbox) -> None:
    shell = isolated.open_session()
    for path in ("data/train.csv", "data/new", "/opt/runtime/new", "/usr/bin/new", "/etc/passwd", "/new", "/dev/new"):
        assert shell.run(f"echo x >> {path}").exit_code == 1, path
    assert shell.run("mv data gone || rm -r data || rmdir data").exit_code == 1
    assert shell.run("mv ../workspace ../gone").exit_code == 1
    assert shell.run("echo x > ~/new && echo x > /tmp/new && echo x > /dev/shm/new && echo x > new").exit_code == 0


def test_the_grader_s_socket(isolated: Sandbox, data: Path, tmp_path: Path) -> None:
    path = tmp_path / "grader"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()
        with make(isolated.provider, data, socket=path) as made:
            code = (
                "import os, socket; s = socket.socket(socket.AF_UNIX); s.connect(os.environ['MLGYM_GRADER']); print(1)"
            )
            assert run_python(made, code) == "1\n"


def test_tools_come_first(isolated: Sandbox, data: Path, tmp_path: Path) -> None:
    tool = tmp_path / "ls"
    tool.write_text("#!/usr/bin/env python3\nprint('tool')\n")
    tool.chmod(0o755)
    tmp_path.chmod(0o755)
    with make(isolated.provider, data, tools=tmp_path) as made:
        assert made.open_session().run("ls").output == "tool\n"


def test_the_runtime_serves(isolated: Sandbox) -> None:
    code = """
import numpy, pandas, scipy.optimize, scipy.stats, scipy.sparse, sklearn, gymnasium
from sklearn import datasets, ensemble, linear_model, model_selection, neural_network, pipeline, svm
x, y = datasets.make_classification(200, random_state=0)
for model in (linear_model.LogisticRegression(), ensemble.HistGradientBoostingClassifier(max_iter=5)):
    assert model_selection.cross_val_score(model, x, y, n_jobs=1).mean() > 0.7
frame = pandas.read_csv("data/train.csv")
frame.to_csv("submission.csv"); frame.groupby("x").mean(); frame.to_json(); repr(frame)
env = gymnasium.make("CartPole-v1"); env.reset(seed=0); env.step(0)
import asyncio, multiprocessing, concurrent.futures, logging, unittest, doctest, pdb, http.client, email.message
import urllib.request, json, csv, ctypes, ssl, hashlib, lzma, bz2, zoneinfo
print(numpy.__file__)
"""
    assert run_python(isolated, code).splitlines()[-1].startswith("/opt/runtime/")


@pytest.mark.parametrize("loader", ["load_breast_cancer()", "load_digits()", "load_sample_image('china.jpg')"])
def test_no_data_inside_packages(isolated: Sandbox, loader: str) -> None:
    output = run_python(
        isolated, f"import sklearn.datasets as d; print('begun', flush=True); d.{loader}; print('found')"
    )
    assert output.startswith("begun\n")
    assert "Error" in output
    assert "found" not in output.split()


def test_neither_this_package_nor_the_frozen_sources(isolated: Sandbox) -> None:
    assert "ModuleNotFoundError" in run_python(isolated, "import mlgym_synth")
    code = f"import importlib.util as u; print([m for m in {MASKED_MODULES} if u.find_spec(m)])"
    assert run_python(isolated, code) == "[]\n"
    found = isolated.exec(
        ["find", "/", "(", "-name", "imaplib*", "-o", "-name", "json", ")", "-not", "-path", "/proc/*"]
    )
    paths = [line for line in found.output.splitlines() if not line.startswith("find:")]
    assert any(path.startswith("/opt/runtime/lib/python3") for path in paths)
    assert not [path for path in paths if "imaplib" in path]


def test_a_fork_bomb_is_contained(isolated: Sandbox) -> None:
    shell = isolated.open_session()
    result = shell.run("bomb() { bomb | bomb & }; bomb; wait; sleep 1000", timeout=2)
    assert result.timed_out
    assert shell.run("echo alive", timeout=60).output.endswith("alive\n")
    isolated.reset()
    assert isolated.open_session().run("ls | wc -l").output == "3\n"


def test_processes_are_limited(isolated: Sandbox) -> None:
    code = """
import os
born = 0
try:
    while born < 1000:
        if os.fork() == 0:
            import time; time.sleep(1000)
        born += 1
except OSError:
    print(born)
"""
    assert 10 < int(run_python(isolated, code)) < LIMITS.processes


def test_memory_is_limited(isolated: Sandbox) -> None:
    output = isolated.exec(
        ["python", "-c", "x = bytearray(3 << 30); x[::4096] = b'1' * len(x[::4096]); print('had it')"]
    )
    assert output.exit_code not in (0, None)
    assert "had it" not in output.output


def test_file_size_is_limited(isolated: Sandbox) -> None:
    shell = isolated.open_session()
    shell.run("head -c 40000000 /dev/zero > big")
    assert int(shell.run("stat -c %s big").output) <= LIMITS.disk_mb << 20
    assert shell.run("head -c 40000000 /dev/zero > /tmp/big").exit_code != 0


OWNER = """
import sys, time
from pathlib import Path
from mlgym_synth.sandboxes import Spec, create
sandbox = create(Spec(), sys.argv[1])
sandbox.start()
session = sandbox.open_session()
session.run("setsid sleep 86421 & (sleep 86421 &); sleep 0.2")
print(sandbox.snapshot().parent, flush=True)
session.run("sleep 86421")
"""


@pytest.mark.parametrize("provider", ISOLATING)
def test_a_killed_owner_leaves_nothing(provider: str) -> None:
    owner = subprocess.Popen([sys.executable, "-c", OWNER, provider], stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    folder = Path(owner.stdout.readline().strip())
    assert processes("sleep", "86421")
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    psutil.wait_procs(processes("sleep", "86421"), timeout=10)
    assert not processes("sleep", "86421")
    assert folder.exists()
    with create(Spec(), provider):
        assert not folder.exists()
