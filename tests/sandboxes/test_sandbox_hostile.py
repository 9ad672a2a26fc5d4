"""What code inside does to the shell's own machinery: names, modes and pipes. It may only ever harm itself."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from mlgym_synth.sandboxes import Spec, create
from mlgym_synth.tasks.recipe import Limits

LIMITS = Limits(action_seconds=60)
THIEVES = """
import os, time
mine = os.open("/proc/self/fd/1", os.O_RDONLY)
for _ in range(6):
    if os.fork() == 0:
        while True:
            os.read(mine, 1)
time.sleep(0.3)
for _ in range(40):
    os.write(1, b"x")
    time.sleep(0.003)
time.sleep(60)
"""


@pytest.mark.isolated
def test_a_time_out_ends_processes_of_any_name() -> None:
    with create(Spec(limits=LIMITS)) as sandbox:
        session = sandbox.open_session()
        result = session.run("cp /usr/bin/sleep $'\\xff'; ./$'\\xff' 100", timeout=1)
        assert (result.timed_out, session.run("echo on").output) == (True, "on\n")


@pytest.mark.isolated
def test_a_closed_workspace_is_open_to_the_next_shell() -> None:
    with create(Spec(limits=LIMITS)) as sandbox:
        session = sandbox.open_session()
        assert session.run("chmod 000 .; exit").shell_lost
        assert session.run("stat -c %a .").output == "755\n"


def test_a_reader_of_its_own_output_cannot_hold_the_host() -> None:
    """Where code inside is of the host's user, it can open the pipe's other end and be faster than the host."""
    with create(Spec(files={"thieves.py": THIEVES.encode()}, limits=LIMITS), "process", allow_unsafe=True) as sandbox:
        session = sandbox.open_session()

        def run_all() -> None:
            for _ in range(8):  # each has a fair chance to steal the last byte that the host was told of
                assert session.run("python thieves.py", timeout=1).timed_out

        thread = threading.Thread(target=run_all, daemon=True)
        thread.start()
        thread.join(60)
        held = thread.is_alive()
        session.interrupt()
        assert not held


FULL_TABLE = """
import os, resource, sys
from pathlib import Path
from mlgym_synth.errors import SandboxError
from mlgym_synth.sandboxes.workspace import read_file

folder = Path(sys.argv[1])
assert read_file(folder, ("submission.csv",), 100) == b"id,y"
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
try:
    while True:
        os.open("/dev/null", os.O_RDONLY)
except OSError:
    pass
try:
    read_file(folder, ("submission.csv",), 100)
except SandboxError:
    print("no fault of the file's")
"""


def test_a_full_table_of_descriptors_is_no_missing_file(tmp_path: Path) -> None:
    (tmp_path / "submission.csv").write_text("id,y")
    command = [sys.executable, "-c", FULL_TABLE, str(tmp_path)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.stdout == "no fault of the file's\n", result.stderr
