"""What is special about container engines: their labels, their images, their failures, and what a container shares."""

from __future__ import annotations

import os
import platform
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from docker.errors import NotFound

from mlgym_synth.errors import InputError, SandboxError
from mlgym_synth.sandboxes import Sandbox, Spec, create, probe
from mlgym_synth.sandboxes.container_program import find_group
from mlgym_synth.sandboxes.engine import EXPIRES, OWNER, EngineName, abandoned, connect, owner_labels
from mlgym_synth.tasks.recipe import Limits, image_tag

PROBES = {found.provider: found for found in probe()}
LIMITS = Limits(memory_mb=512, processes=48, disk_mb=16, action_seconds=60)
USABLE = [
    pytest.param(
        name,
        marks=[
            pytest.mark.engine,
            pytest.mark.isolated,
            pytest.mark.skipif(not PROBES[name].usable, reason=f"{name}: {PROBES[name].detail}"),
        ],
    )
    for name in ("docker", "podman")
]


@pytest.fixture(params=USABLE)
def engine(request: pytest.FixtureRequest) -> EngineName:
    name: EngineName = request.param
    return name


@pytest.fixture
def sandbox(engine: EngineName) -> Iterator[Sandbox]:
    with create(Spec(files={"a.txt": b"a"}, limits=LIMITS), engine) as made:
        yield made


def ours(engine: EngineName) -> set[str]:
    """Ids of the containers of this process."""
    found = connect(engine).api.containers(all=True, filters={"label": OWNER})
    return {each["Id"] for each in found if each["Labels"][OWNER] == owner_labels()[OWNER]}


def left_by(engine: EngineName, labels: dict[str, str]) -> str:
    """Makes a container as an owner leaves it who is killed before it starts."""
    made = connect(engine).api.create_container(image_tag("tabular"), ["true"], labels=labels)
    return str(made["Id"])


def test_an_owner_is_told_from_a_later_process_of_its_number() -> None:
    labels = owner_labels()
    assert not abandoned(labels)
    pid, started, host = labels[OWNER].split(" ", 2)
    assert abandoned({**labels, OWNER: f"{pid} {int(started) - 1} {host}"})
    other = subprocess.Popen(["sleep", "1000"])
    started = Path(f"/proc/{other.pid}/stat").read_text().split()[21]
    assert not abandoned({**labels, OWNER: f"{other.pid} {started} {host}"})
    other.kill()
    os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
    assert abandoned({**labels, OWNER: f"{other.pid} {started} {host}"})  # dead, though nobody has asked how
    other.wait()
    assert abandoned({**labels, OWNER: f"{other.pid} {started} {host}"})


def test_an_owner_on_another_host_has_until_the_label_says() -> None:
    far = f"1 1 not-{platform.node()} 4026531836"
    assert not abandoned({OWNER: far, EXPIRES: str(int(time.time()) + 60)})
    assert abandoned({OWNER: far, EXPIRES: str(int(time.time()) - 60)})


def test_a_start_removes_what_dead_owners_left(engine: EngineName) -> None:
    labels = owner_labels()
    _, started, host = labels[OWNER].split(" ", 2)
    dead = left_by(engine, {**labels, OWNER: f"{2**22 + 1} {started} {host}"})
    alive = left_by(engine, labels)
    try:
        with create(Spec(limits=LIMITS), engine):
            with pytest.raises(NotFound):
                connect(engine).api.inspect_container(dead)
            assert connect(engine).api.inspect_container(alive)["Id"] == alive
    finally:
        connect(engine).api.remove_container(alive)


def test_containers_go_with_their_sandbox(engine: EngineName) -> None:
    before = ours(engine)
    with create(Spec(limits=LIMITS), engine) as sandbox:
        sandbox.open_session().run("setsid sleep 1000 & (sleep 1000 &)")
        (container,) = ours(engine) - before
        group = find_group(container, connect(engine).api.inspect_container(container)["State"]["Pid"])
        assert group is not None
    assert ours(engine) == before
    assert not group.exists()


OWNER_PROGRAM = """
import sys
from mlgym_synth.sandboxes import Spec, create
sandbox = create(Spec(), sys.argv[1])
sandbox.start()
print(sandbox._id, flush=True)
sandbox.open_session().run("sleep 1000")
"""


def test_containers_go_with_their_killed_owner(engine: EngineName) -> None:
    with subprocess.Popen([sys.executable, "-c", OWNER_PROGRAM, engine], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        container = owner.stdout.readline().strip()
        connect(engine).api.inspect_container(container)
        owner.kill()
    for _ in range(300):
        if not connect(engine).api.containers(all=True, filters={"id": container}):
            return
        time.sleep(0.1)
    pytest.fail("the container outlived its owner")


def test_a_missing_image_is_named_with_the_command_that_builds_it(engine: EngineName) -> None:
    before = ours(engine)
    remedy = "image mlgym-synth/no-such-family:latest is not built: mlgym-synth images build --family no-such-family"
    with pytest.raises(InputError, match=f"^{remedy}$"):
        create(Spec(image="no-such-family"), engine).start()
    assert ours(engine) == before


@pytest.mark.parametrize(("name", "variable"), [("docker", "DOCKER_HOST"), ("podman", "CONTAINER_HOST")])
def test_an_engine_that_is_not_there(
    name: EngineName, variable: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(variable, f"unix://{tmp_path}/none.sock")
    with pytest.raises(InputError, match=f"^{name} does not answer at .*it is not running .*{variable}"):
        create(Spec(), name)


def test_an_engine_that_keeps_silent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "silent.sock"))
        server.listen()
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/silent.sock")
        with pytest.raises(InputError, match="no answer in time"):
            connect("docker", timeout=1)


@pytest.mark.isolated
@pytest.mark.skipif(not PROBES["bubblewrap"].usable, reason=f"bubblewrap: {PROBES['bubblewrap'].detail}")
def test_auto_asks_no_engine_where_bubblewrap_works(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "engine.sock"))
        server.listen()
        server.settimeout(0.1)
        address = f"unix://{tmp_path}/engine.sock"
        code = "from mlgym_synth.sandboxes import Spec, create; print(create(Spec()).provider)"
        environment = {**os.environ, "DOCKER_HOST": address, "CONTAINER_HOST": address}
        answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True)
        assert answer.stdout == b"bubblewrap\n"
        with pytest.raises(TimeoutError):
            server.accept()


class Relay:
    """A socket that passes everything on to an engine's, until it is cut."""

    def __init__(self, path: Path, target: str) -> None:
        self._target = target
        self._open: list[socket.socket] = []
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(path))
        self._server.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._server.accept()
            except OSError:
                return
            engine = socket.socket(socket.AF_UNIX)
            engine.connect(self._target)
            self._open += [client, engine]
            for pair in ((client, engine), (engine, client)):
                threading.Thread(target=self._pass_on, args=pair, daemon=True).start()

    @staticmethod
    def _pass_on(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(1 << 16):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def cut(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for each in self._open:
            each.close()


def test_an_engine_that_dies_is_one_line(engine: EngineName, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    variable = {"docker": "DOCKER_HOST", "podman": "CONTAINER_HOST"}[engine]
    address = os.environ.get(variable, {"docker": "unix:///var/run/docker.sock"}.get(engine, ""))
    if not address.startswith("unix://"):
        pytest.skip(f"{engine} is not reached by a unix socket named in {variable}")
    with monkeypatch.context() as changed:
        relay = Relay(tmp_path / "relay.sock", address.removeprefix("unix://"))
        changed.setenv(variable, f"unix://{tmp_path}/relay.sock")
        sandbox = create(Spec(limits=LIMITS), engine)
        sandbox.start()
        session = sandbox.open_session()
        relay.cut()
        assert session.run("echo on").output == "on\n"  # which needs no engine
        for action in (sandbox.open_session, lambda: sandbox.exec(["true"]), sandbox.stop):
            with pytest.raises(SandboxError) as caught:
                action()
            assert str(caught.value).startswith(f"{engine}: ")
            assert "\n" not in str(caught.value)
    sandbox.stop()


def test_reset_cleans_what_containers_keep(sandbox: Sandbox) -> None:
    folders = ("/home/agent", "/tmp", "/dev/shm")
    session = sandbox.open_session()
    for folder in folders:
        made = session.run(
            f"cd {folder}; mkdir -p .a/b .c; echo x > .a/b/x; chmod 0 .a/b .a; mkfifo -- -rf; ln -s / root;"
            " ln -s /home/agent/workspace/a.txt link; touch $'new\\nline' x{1..3000}; chmod 0 .c"
        )
        assert made.output == ""
    assert session.run("ls -A /tmp | wc -l").output == "3007\n"
    sandbox.reset()
    session = sandbox.open_session()
    assert session.run("ls -A /tmp /dev/shm").output == "/dev/shm:\n\n/tmp:\n"
    assert session.run("ls -A ~; cat a.txt; stat -c ' %a' a.txt").output == "workspace\na 644\n"


def test_nothing_but_files_carries_words_over_a_reset(sandbox: Sandbox) -> None:
    code = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
print(libc.shmget(7, 4096, 0o1600), libc.semget(7, 1, 0o1600), libc.msgget(7, 0o1600))
print(libc.mq_open(b"/q", 0o102, 0o600, None))
"""
    assert sandbox.exec(["python", "-c", code]).output == "-1 -1 -1\n-1\n"


def test_the_image_s_variables_are_not_the_program_s(sandbox: Sandbox) -> None:
    names = {line.split("=")[0] for line in sandbox.exec(["env"]).output.splitlines()}
    assert {"PATH", "HOME", "USER"} <= names
    assert not names & {"HOSTNAME", "container", "PYTHON_VERSION"}
    assert sandbox.exec(["printenv", "HOME"]).output == "/home/agent\n"


def test_orphans_are_buried(sandbox: Sandbox) -> None:
    session = sandbox.open_session()
    session.run("for i in {1..40}; do (sleep 0.01 &); done; sleep 1")
    assert session.run("ps -eo stat= | grep -c Z").output == "0\n"


def test_an_end_spares_what_other_programs_started(sandbox: Sandbox) -> None:
    session = sandbox.open_session()
    session.run("sleep 1000 & sleep 0.1")
    assert sandbox.exec(["sh", "-c", "sleep 2000 & setsid sleep 2000 & exit 3"]).exit_code == 3
    assert session.run("pgrep -c -f '^sleep 1000'; pgrep -c -f '^sleep 2000'").output == "1\n0\n"


def test_a_fork_bomb_ends_with_its_program(sandbox: Sandbox) -> None:
    bomb = "import os\nwhile True:\n  try: os.fork()\n  except OSError: pass"
    session = sandbox.open_session()
    session.run(f"setsid python -c '{bomb}' & setsid python -c '{bomb}' & sleep 1", timeout=3)
    sandbox.reset()
    assert sandbox.open_session().run("pgrep -c python").output == "0\n"


def test_a_thread_whose_leader_has_gone_is_ended(sandbox: Sandbox) -> None:
    code = """
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(1000,)).start()
ctypes.CDLL(None).syscall(60, 0)  # of the leader alone: to the eye the process is a zombie
"""
    session = sandbox.open_session()
    session.run(f"setsid python -c '{code}' & sleep 1")
    assert "Z" in session.run("ps -o stat= -C python").output
    sandbox.reset()
    assert sandbox.open_session().run("cat /proc/[0-9]*/comm").output == "bash\nbash\n"


def test_many_threads_use_one_engine(engine: EngineName) -> None:
    def work(number: int) -> tuple[str, int | None]:
        with create(Spec(limits=LIMITS), engine) as sandbox:
            output = sandbox.open_session().run(f"echo {number} > n; cat n").output
            return output, sandbox.exec(["sh", "-c", f"exit {number}"]).exit_code

    before = ours(engine)
    with ThreadPoolExecutor(20) as pool:
        assert list(pool.map(work, range(20))) == [(f"{number}\n", number) for number in range(20)]
    assert ours(engine) == before


def test_many_threads_use_one_sandbox(sandbox: Sandbox) -> None:
    with ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda code: sandbox.exec(["sh", "-c", f"exit {code}"]).exit_code, range(24)))
    assert codes == list(range(24))


def count_open() -> int:
    """Descriptors of this process but for sockets, which the SDK keeps in a pool."""
    links = [str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return sum(not target.startswith("socket:") for target in links)


def test_programs_leave_nothing_open(sandbox: Sandbox) -> None:
    before = count_open()
    for _ in range(5):
        sandbox.exec(["true"])
        sandbox.spawn(["cat"]).close()
        sandbox.open_session().close()
    assert count_open() == before
