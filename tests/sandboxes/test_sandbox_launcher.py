from __future__ import annotations

import os
import subprocess
import sys
import threading

import psutil

from mlgym_synth.sandboxes.launcher import Launcher

ROOM = """
import resource
from mlgym_synth.sandboxes.launcher import make_room
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
make_room(10)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
make_room(40)
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0] == hard)
"""


def test_all_is_done_by_one_thread() -> None:
    launcher = Launcher()
    first = launcher.call(threading.get_ident)
    assert launcher.call(threading.get_ident) == first != threading.get_ident()
    launcher.close()
    launcher.close()
    assert first not in [thread.ident for thread in threading.enumerate()]


def test_what_is_to_die_with_its_parent_dies_with_the_thread() -> None:
    launcher = Launcher()
    process = launcher.launch(
        "/usr/bin/setpriv",
        ["told", "--pdeathsig", "KILL", "sleep", "1000"],
        stderr=subprocess.DEVNULL,
        environment={"PATH": "/usr/bin:/bin"},
        pass_fds=(),
    )
    while psutil.Process(process.pid).name() != "sleep":
        os.sched_yield()
    launcher.close()
    assert process.wait(timeout=30) == -9


def test_open_files_are_given_room_only_where_they_need_it() -> None:
    answer = subprocess.run([sys.executable, "-c", ROOM], stdout=subprocess.PIPE, text=True, check=True)
    assert answer.stdout == "64\nTrue\n"
