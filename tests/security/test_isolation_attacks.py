"""Code inside attacks what is around it: the kernel, the host, its neighbours, and the files that the host touches."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from adversary import ISOLATING

from mlgym_synth.environment.vector import TaskVectorEnv
from mlgym_synth.errors import SandboxError
from mlgym_synth.sandboxes import Sandbox, Session, Spec, create
from mlgym_synth.tasks.recipe import Limits

LIMITS = Limits(memory_mb=256, processes=64, disk_mb=32, output_kb=64, action_seconds=60)
DATA = "x,y\n1,2\n"

SYSCALL = """
import ctypes, os, platform, sys
libc = ctypes.CDLL(None, use_errno=True)
NUMBERS = {
    "x86_64": {"add_key": 248, "keyctl": 250, "open_by_handle_at": 304, "bpf": 321, "ptrace": 101},
    "aarch64": {"add_key": 217, "keyctl": 219, "open_by_handle_at": 265, "bpf": 280, "ptrace": 117},
}[platform.machine()]
def call(name, *arguments):
    "The result, or minus the error's number."
    result = libc.syscall(NUMBERS[name], *arguments)
    return result if result >= 0 else -ctypes.get_errno()
SESSION, USER = -3, -4
def add_key(name, ring): return call("add_key", b"user", name.encode(), b"kept", 4, ring)
def find_key(name, ring): return call("keyctl", 10, ring, b"user", name.encode(), 0)
"""


def make(provider: str, data: Path, **changes: object) -> Sandbox:
    spec = {"files": {"baseline.py": b"print(1)\n"}, "read_only": {"data": data}, "limits": LIMITS, **changes}
    return create(Spec(**spec), provider)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    folder.chmod(0o755)
    (folder / "train.csv").write_text(DATA)
    (folder / "train.csv").chmod(0o644)
    return folder


@pytest.fixture(scope="module", params=ISOLATING)
def pair(request: pytest.FixtureRequest, data: Path) -> Iterator[tuple[Sandbox, Sandbox]]:
    """Two sandboxes of the same provider at the same time."""
    with make(request.param, data) as one, make(request.param, data) as other:
        yield one, other


@pytest.fixture
def neighbours(pair: tuple[Sandbox, Sandbox]) -> tuple[Session, Session]:
    for sandbox in pair:
        sandbox.reset()
    return pair[0].open_session(), pair[1].open_session()


@pytest.fixture
def sandbox(pair: tuple[Sandbox, Sandbox]) -> Sandbox:
    pair[0].reset()
    return pair[0]


@pytest.fixture
def session(sandbox: Sandbox) -> Session:
    return sandbox.open_session()


def python(session: Session, code: str) -> str:
    """What a script prints in a session."""
    result = session.run(f"python - <<'SCRIPT'\n{textwrap.dedent(code)}\nSCRIPT", 60)
    return result.output


# Neighbours


WRITABLE = "find / -xdev -type d -writable 2>/dev/null; echo /tmp; echo /dev/shm; echo ~; echo /home/agent/workspace"


def test_no_file_of_a_neighbour(neighbours: tuple[Session, Session]) -> None:
    one, other = neighbours
    name = f"mark-{secrets.token_hex(8)}"
    one.run(f"for folder in $({WRITABLE}); do echo > $folder/{name}; done 2>/dev/null")
    search = f"find / -path /proc -prune -o -name {name} -print 2>/dev/null"
    assert {"/tmp", "/dev/shm", "/home/agent/workspace"} <= {
        str(Path(line).parent) for line in one.run(search).output.splitlines()
    }
    assert other.run(search).output == ""


def test_no_process_of_a_neighbour(neighbours: tuple[Session, Session]) -> None:
    one, other = neighbours
    name = f"mark-{secrets.token_hex(8)}"
    one.run(f"(exec -a {name} sleep 1000) & sleep 0.2")
    search = "cat /proc/*/cmdline 2>/dev/null | tr '\\0' '\\n'"
    assert name in one.run(search).output
    assert "mark-" not in other.run(search).output
    other.run("kill -9 -1")
    assert name in one.run(search).output


LISTEN = """
import socket, time
made = socket.socket(socket.AF_UNIX); made.bind("\\0{name}"); made.listen()
port = socket.create_server(("127.0.0.1", {port})); lan = socket.create_server(("0.0.0.0", {port} + 1))
print("listening", flush=True); time.sleep(1000)"""
CONNECT = """
import socket
for family, address in ((socket.AF_UNIX, "\\0{name}"), (socket.AF_INET, ("127.0.0.1", {port}))):
    try:
        with socket.socket(family) as client: client.settimeout(5); client.connect(address)
        print("connected")
    except OSError as error: print("refused")"""


def test_no_socket_of_a_neighbour(neighbours: tuple[Session, Session]) -> None:
    one, other = neighbours
    names = {"name": f"mark-{secrets.token_hex(8)}", "port": 34567}
    script = LISTEN.format(**names)
    wait = "until grep -q listening up; do sleep 0.01; done"
    one.run(f"cat > listen.py <<'END'\n{script}\nEND\n(python listen.py > up &); {wait}")
    assert python(one, CONNECT.format(**names)) == "connected\nconnected\n"
    assert python(other, CONNECT.format(**names)) == "refused\nrefused\n"


SHARED_MEMORY = """
import ctypes
libc = ctypes.CDLL(None, use_errno=True)
made = libc.shmget(0x7777, 4096, {flags}), libc.semget(0x7777, 1, {flags}), libc.msgget(0x7777, {flags})
print([number >= 0 for number in made])"""


def test_no_shared_memory_of_a_neighbour(neighbours: tuple[Session, Session]) -> None:
    one, other = neighbours
    made = python(one, SHARED_MEMORY.format(flags="0o1666"))
    assert made in ("[True, True, True]\n", "[False, False, False]\n")  # containers have none at all
    assert python(one, SHARED_MEMORY.format(flags=0)) == made
    assert python(other, SHARED_MEMORY.format(flags=0)) == "[False, False, False]\n"


KEYS = """
import sys
from pathlib import Path
from mlgym_synth.sandboxes import Spec, create
with open("keys.py") as stream: source = stream.read()
exec(source)
assert call("keyctl", 1, None) > 0  # a session's ring of its own, as logins make them
add_key("host", SESSION)
spec = Spec(files={"keys.py": source.encode()})
def inside(sandbox, command):
    print(sandbox.exec(["python", "-c", f"from keys import *; {command}"]).output, end="")
print(find_key("host", SESSION) > 0)
with create(spec, sys.argv[1]) as one, create(spec, sys.argv[1]) as other:
    inside(one, "print(find_key('host', SESSION) > 0)")
    inside(one, "add_key('inside', SESSION); add_key('inside', USER)")
    inside(other, "print(find_key('inside', SESSION) > 0, find_key('inside', USER) > 0)")
    print(find_key("inside", SESSION) > 0)
"""


def test_no_key_of_a_neighbour_or_of_the_host(pair: tuple[Sandbox, Sandbox], tmp_path: Path) -> None:
    """The kernel's key rings belong to users and to sessions, which are inherited, and not to namespaces."""
    (tmp_path / "keys.py").write_text(SYSCALL)
    command = [sys.executable, "-c", KEYS, pair[0].provider]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, env=environment)
    assert found.stdout.splitlines() == ["True", "False", "False False", "False"]


FORK_ALL = """
import os, time
for _ in range(1000):
    try:
        if os.fork() == 0:
            time.sleep(1000)
    except OSError:
        print("full", flush=True)
        break
os._exit(0)"""


def test_a_neighbour_that_takes_all_takes_only_its_own(neighbours: tuple[Session, Session]) -> None:
    """Disk, processes and memory of one sandbox at their limits, and another one works."""
    one, other = neighbours
    one.run("for folder in . /tmp /dev/shm ~; do (head -c 40M /dev/zero > $folder/full); done 2>/dev/null", 60)
    assert "full" in python(one, FORK_ALL)
    result = other.run("head -c 4M /dev/zero | tee kept > /tmp/kept; wc -c < kept; echo $(echo done)")
    assert result.output == "4194304\ndone\n"


# What outlives a reset


def test_a_reset_leaves_nothing_to_the_next_episode(sandbox: Sandbox) -> None:
    name = f"mark-{secrets.token_hex(8)}"
    session = sandbox.open_session()
    search = f"find / -path /proc -prune -o -name {name} -print 2>/dev/null"
    session.run(f"for folder in $({WRITABLE}); do echo > $folder/{name}; done 2>/dev/null")
    session.run(f"mkdir -p deep/{name}; chmod 0 deep; ln -s /etc/passwd {name}2; (exec -a {name} sleep 1000) &")
    session.run('setfacl -d -m o::- . 2>/dev/null; python -c \'import os; os.setxattr(".", "user.note", b"x")\'')
    python(session, SHARED_MEMORY.format(flags="0o1666"))
    assert name in session.run(search).output
    sandbox.reset()
    session = sandbox.open_session()
    assert session.run(search).output == ""
    assert python(session, SHARED_MEMORY.format(flags=0)) == "[False, False, False]\n"
    assert session.run("ls -A; cat data/train.csv").output == f"baseline.py\ndata\n{DATA}"
    assert name not in session.run("cat /proc/*/cmdline | tr '\\0' ' '").output
    assert python(session, "import os\nprint([a for a in os.listxattr('.') if a.startswith('user.')])") == "[]\n"


@pytest.mark.parametrize("provider", ISOLATING)
def test_one_agent_of_a_pool_leaves_nothing_to_another(suite: Path, provider: str) -> None:
    """Environments that step together take each other's sandboxes over."""
    name = f"mark-{secrets.token_hex(8)}"
    search = f"find / -path /proc -prune -o -name {name} -print 2>/dev/null; env | grep {name}; pgrep -f {name[:-1]}.$"
    plant = f"for folder in $({WRITABLE}); do echo > $folder/{name}; done 2>/dev/null; export MARK={name}"
    envs = TaskVectorEnv("tiny-csv", suite, num_envs=2, sandbox=provider)
    try:
        envs.reset(seed=0)
        for _ in range(2):
            observations, *_ = envs.step([f"{plant}; (exec -a {name} sleep 1000) & sleep 0.2; {search}"] * 2)
            assert all(f"/tmp/{name}\n" in observation for observation in observations)
            _, _, terminations, _, _ = envs.step(["python baseline.py; submit"] * 2)
            assert terminations.all()
            envs.step(["", ""])  # which begin the next episodes
            observations, *_ = envs.step([f"{search} || :"] * 2)
            assert observations == ("", "")
    finally:
        envs.close()


@pytest.mark.parametrize(
    "attack",
    [
        "rm -rf data; mv data moved; rmdir data; ln -sfn /etc data",
        "chmod 777 data data/train.csv; echo forged > data/train.csv; echo forged > data/more.csv",
        "mkdir -p over; mount --bind over data; mount -o remount,rw data; umount -l data",
        "unshare -Urm sh -c 'umount -l data; mount -o remount,rw,bind data; rm -rf data; mv data moved'",
        "exec 9< data/train.csv; echo forged > /proc/self/fd/9; truncate -s 0 /dev/fd/9",
        "ln data/train.csv linked; cp --reflink=always data/train.csv cloned; echo forged >> linked",
        "(while :; do mv data moved; rm -rf data; mkdir data; ln -s /etc data; done 2>/dev/null &); sleep 0.2",
    ],
    ids=["removed", "opened", "mounted over", "in a user namespace", "by descriptor", "hard link", "raced"],
)
def test_read_only_data_stays_what_it_is(sandbox: Sandbox, session: Session, data: Path, attack: str) -> None:
    session.run(f"({attack}) 2>/dev/null", 20)
    assert (data / "train.csv").read_text() == DATA
    assert [path.name for path in data.iterdir()] == ["train.csv"]
    sandbox.reset()
    assert sandbox.open_session().run("cat data/train.csv; ls data").output == f"{DATA}train.csv\n"
    assert sandbox.read("data/train.csv") == DATA.encode()


@pytest.mark.parametrize(
    ("memory_mb", "folders"), [(4 * 32, ". /tmp /dev/shm ~"), (32, ".")], ids=["all folders", "little memory"]
)
def test_full_folders_do_not_end_the_sandbox(
    pair: tuple[Sandbox, Sandbox], data: Path, memory_mb: int, folders: str
) -> None:
    """Were there no memory for another shell, an agent could end any episode as the host's failure, without a score."""
    limits = LIMITS.model_copy(update={"memory_mb": memory_mb, "disk_mb": 32})
    with make(pair[0].provider, data, limits=limits) as sandbox:
        session = sandbox.open_session()
        for folder in folders.split():
            for size in (1 << 16, 1 << 12):  # by the shell itself, until it is refused or killed
                session.run(f"for i in {{1..1000}}; do printf %{size}s > {folder}/full{size}-$i || break; done", 60)
            session.run("kill -9 $$")
        assert session.run("echo served").output == "served\n"


# The host's hands in the workspace


def test_a_changing_file_is_read_as_a_file(sandbox: Sandbox, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    script = f"""
import os
targets = {str(secret)!r}, "/etc/passwd", "/proc/self/environ", "data/train.csv"
kinds = [lambda target=target: os.symlink(target, "new") for target in targets]
kinds += [lambda: os.mkfifo("new"), lambda: open("new", "w").write("plain"), lambda: os.link("baseline.py", "new")]
print(flush=True)
while True:
    for make in kinds:
        make()
        os.rename("new", "submission.csv")
"""
    sandbox.write("race.py", script.encode())
    race = sandbox.spawn(["python", "race.py"])
    race.stdout.readline()  # it has begun
    seen: set[bytes] = set()
    reads = 0
    while reads < 3000 or not {b"plain", b"none"} <= seen:  # it does change, however busy the machine is
        try:
            seen.add(sandbox.read("submission.csv"))
        except FileNotFoundError:
            seen.add(b"none")
        reads += 1
    race.close()
    assert seen <= {b"plain", b"", b"none", b"print(1)\n"}


SWAP = """
import os
os.makedirs("swapped", exist_ok=True); os.chdir("swapped")
names = [f"{number}-" + "x" * 200 for number in range(400)]
for name in names: os.symlink(VICTIM, name)
print(flush=True)
while True:
    for make in (lambda name: open(name, "w").write("forged"), lambda name: os.symlink(VICTIM, name)):
        for name in names:
            try:
                os.unlink(name)
            except OSError: pass
            try:
                make(name)
            except OSError: pass
"""
"""Turns links to a victim into files and back, so that a listing of the folder can name one twice."""


def test_a_snapshot_of_a_changing_workspace_writes_nowhere_else(sandbox: Sandbox, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    sandbox.write("swap.py", SWAP.replace("VICTIM", repr(str(victim))).encode())
    race = sandbox.spawn(["python", "swap.py"])
    race.stdout.readline()  # it has begun
    for _ in range(20):
        try:
            sandbox.snapshot()
        except (SandboxError, OSError, ValueError):  # it may give up on what changes under its hands
            continue
        finally:
            assert victim.read_text() == "kept"
    race.close()
    assert (sandbox.snapshot() / "swapped").is_dir()


def test_a_write_into_a_changing_folder_goes_nowhere_else(sandbox: Sandbox, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o777)
    outside.chmod(0o777)
    script = f"""
import os
print(flush=True)
while True:
    for make in (lambda: os.symlink({str(outside)!r}, "new"), lambda: os.mkdir("new")):
        try: make()
        except OSError: pass
        try: os.rename("swapped", f"old{{os.getpid()}}")
        except OSError: pass
        os.system("rm -rf old*")
        try: os.rename("new", "swapped")
        except OSError: pass
"""
    sandbox.write("race.py", script.encode())
    race = sandbox.spawn(["python", "race.py"])
    race.stdout.readline()  # it has begun
    written = refused = 0
    while written + refused < 500 or not (written and refused):  # it does change, however busy the machine is
        try:
            sandbox.write("swapped/file", b"host")
            written += 1
        except OSError:
            refused += 1
    race.close()
    assert list(outside.iterdir()) == []


# The host and its kernel


def test_no_way_to_the_host_s_files_by_the_first_process(session: Session, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    script = f"""
import glob, os
open("planted", "w").write("planted")
def see(path, root):
    try: return open(root + path).read()
    except OSError: return None
roots = ["", *glob.glob("/proc/*/root"), *glob.glob("/proc/*/task/*/root"), *glob.glob("/proc/*/fd/*")]
print({{see({str(secret)!r}, root) for root in roots}}, see(os.path.abspath("planted"), ""))
for kind in "mem", "environ", "maps":
    try: print(kind, len(open(f"/proc/1/{{kind}}", "rb").read(1)) and "OPENAI" in open("/proc/1/environ").read())
    except OSError: print(kind, False)"""
    assert python(session, script) == "{None} planted\nmem False\nenviron False\nmaps False\n"


@pytest.mark.parametrize(
    "path",
    [
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/modprobe",
        "/proc/sys/kernel/hostname",
        "/proc/sys/vm/overcommit_memory",
        "/proc/sysrq-trigger",
        "/sys/fs/cgroup/release_agent",
        "/sys/fs/cgroup/memory/release_agent",
        "/sys/fs/cgroup/cgroup.procs",
        "/sys/kernel/uevent_helper",
        "/dev/mem",
        "/dev/kmsg",
        "/dev/sda",
        "/dev/vda",
        "/etc/passwd",
        "/etc/ld.so.preload",
        "/usr/bin/env",
        "/opt/runtime/bin/python3",
        "/opt/mlgym-synth/shell.bash",
        "/proc/1/exe",
        "/proc/self/exe",
    ],
)
def test_nothing_of_the_system_can_be_written(session: Session, path: str) -> None:
    script = f"""
import os
for attempt in (lambda: os.close(os.open({path!r}, os.O_WRONLY)), lambda: os.chmod({path!r}, 0o777)):
    try: print(attempt() or "done")
    except OSError: print("refused")
os.close(os.open("own", os.O_WRONLY | os.O_CREAT)); os.chmod("own", 0o777)"""
    assert python(session, script) == "refused\nrefused\n"


def test_no_program_makes_root(session: Session) -> None:
    """Neither set-user-id programs nor the hooks of package managers that MLGym's images run by sudo."""
    hook = "-o APT::Update::Pre-Invoke::=id"
    commands = [
        "id",
        "sudo -n id",
        f"apt-get update {hook}",
        f"sudo -n apt-get update {hook}",
        "su -c id",
        "pkexec id",
        "newgrp root -c id",
        "unshare -r id",
        "unshare -Ur id",
        "setpriv --reuid=0 id",
        "python3 -c 'import os; os.setuid(0); os.system(\"id\")'",
        "cp /bin/bash own; chmod 6755 own; ./own -p -c id",
        "find / -xdev -perm -4000 -type f 2>/dev/null | while read -r p; do timeout 1 $p -c id; done",
    ]
    output = session.run("\n".join(f"({command}) </dev/null 2>/dev/null" for command in commands), 60).output
    assert "(agent)" in output or "uid=" in output  # the control: id does print
    assert "uid=0" not in output
    assert "euid=0" not in output


def test_no_call_that_needs_the_host_s_trust(session: Session) -> None:
    script = f"""{SYSCALL}
handle = ctypes.create_string_buffer(b"\\x08\\0\\0\\0\\x01\\0\\0\\0\\x02\\0\\0\\0\\0\\0\\0\\0", 64)
print(call("ptrace", 16, 1, 0, 0) < 0, "the first process traced")
print(call("open_by_handle_at", os.open("/", os.O_RDONLY), handle, 0) < 0, "a file opened by handle")
print(call("bpf", 0, ctypes.create_string_buffer(128), 128) < 0, "a map made")
print(libc.unshare(0x10000000) < 0, "a user namespace made")
print(libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) < 0, "a mount made")
print(libc.chroot(b"/tmp") < 0, "a root changed")
print(libc.sethostname(b"forged", 6) < 0, "the host renamed")
print(libc.setpriority(0, 0, -10) < 0, "a priority raised")
print(libc.getpid() > 0, "the control")"""
    lines = python(session, script).splitlines()
    assert [line for line in lines if not line.startswith("True")] == []
    assert len(lines) == 9


def test_no_network_and_no_socket_of_the_host(session: Session) -> None:
    name = f"\0mark-{secrets.token_hex(8)}"
    addresses = [
        each.address.split("%")[0]
        for found in psutil.net_if_addrs().values()
        for each in found
        if each.family in (socket.AF_INET, socket.AF_INET6)
    ]
    with socket.socket(socket.AF_UNIX) as abstract, socket.create_server(("0.0.0.0", 0)) as server:
        abstract.bind(name)
        abstract.listen()
        port = server.getsockname()[1]
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(name)
        with socket.create_connection(("127.0.0.1", port), timeout=10):
            pass
        script = f"""
import socket
def attempt(family, kind, address):
    try:
        with socket.socket(family, kind) as client:
            client.settimeout(2)
            client.connect(address)
            if kind == socket.SOCK_DGRAM: client.send(b"x")
            print("reached", address)
    except OSError: pass
attempt(socket.AF_UNIX, socket.SOCK_STREAM, {name!r})
for address in {addresses!r} + ["192.0.2.1", "169.254.169.254", "10.0.2.2", "172.17.0.1"]:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    attempt(family, socket.SOCK_STREAM, (address, {port}))
    if address not in ("127.0.0.1", "::1"): attempt(family, socket.SOCK_DGRAM, (address, 53))
try: socket.getaddrinfo("example.org", 80); print("resolved")
except OSError: pass
for family, kind in ((socket.AF_INET, socket.SOCK_RAW), (socket.AF_PACKET, socket.SOCK_RAW)):
    try: socket.socket(family, kind, 255); print("raw")
    except OSError: pass
if hasattr(socket, "AF_VSOCK"): attempt(socket.AF_VSOCK, socket.SOCK_STREAM, (2, {port}))
print("tried")"""
        assert python(session, script) == "tried\n"


def test_no_socket_of_an_engine(session: Session) -> None:
    sockets = "/var/run/docker.sock /run/docker.sock /run/podman/podman.sock /run/containerd/containerd.sock"
    assert session.run(f"ls {sockets} 2>/dev/null; echo tried").output == "tried\n"


def test_its_descriptors_are_pipes_and_nothing_of_the_host(session: Session) -> None:
    """A descriptor of a host folder that was left open is a way out (runc's CVE-2024-21626)."""
    script = """
import glob, os, stat
KNOWN = "/dev/null", "/proc/", "/home/agent/workspace", "anon_inode:[eventfd]"
for path in glob.glob("/proc/[0-9]*/fd/*"):
    try: target, mode = os.readlink(path), os.stat(path).st_mode
    except OSError: continue
    if not stat.S_ISFIFO(mode) and not target.startswith(KNOWN):
        print(path, target)
print(len(glob.glob("/proc/self/fd/*")) > 2)"""
    assert python(session, script) == "True\n"


def test_the_host_s_user_of_code_inside_owns_nothing(session: Session) -> None:
    """Where the host's user is root, code inside is nobody: a stray file of the host is closed to it."""
    name = f"mark-{secrets.token_hex(8)}"
    session.run(f"(exec -a {name} sleep 1000) & sleep 0.2")
    (found,) = [process for process in psutil.process_iter(["cmdline"]) if name in (process.info["cmdline"] or [])]
    assert found.uids().effective != 0
    if os.geteuid() == 0:
        assert found.uids().real >= 2_000_000
