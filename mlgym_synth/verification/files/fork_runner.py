"""Runs scripts one after another, each in a fork of this process, which has already imported their libraries.

Runs inside a sandbox, on the standard library alone. Importing pandas and scikit-learn takes longer than most
baselines; forking shares that cost between all runs of a task.

In, on stdin: {"preload": [module, ...], "shared": [name, ...], "seconds": limit of one run, "runs": [{"folder",
"script", "seed"}, ...]}. What is shared lies beside the folders of the runs, and each of them gets a link to it.
Out, on stdout: one JSON line per run: {"exit_code", "timed_out", "seconds", "output"}.
"""

import contextlib
import gc
import importlib
import json
import os
import runpy
import signal
import sys
import tempfile
import time
from pathlib import Path

TAIL = 2000
"""Bytes of a run's output that are reported: the last ones, where the error is."""


def main():
    """Executes the order."""
    order = json.load(sys.stdin)
    report = os.fdopen(os.dup(1), "w")
    quiet = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):  # what a library prints on import is no report
        os.dup2(quiet, descriptor)
    for name in order["preload"]:
        # A library that cannot be imported is reported by the script that wants it.
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    gc.freeze()  # else every run would collect the libraries on its way out: ten times its cost
    for run in order["runs"]:
        for name in order["shared"]:
            Path(run["folder"], name).symlink_to(Path.cwd() / name)
        print(json.dumps(execute(run, order["seconds"], report)), file=report, flush=True)


def execute(run, limit, report):
    """Runs one script as `python <script>` in its folder, and kills all that it leaves behind in its group."""
    with tempfile.TemporaryFile() as output:
        began = time.monotonic()
        child = os.fork()
        if child == 0:
            report.close()
            become(run, output.fileno())
        status, timed_out = await_child(child, began + limit)
        seconds = time.monotonic() - began
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)
        size = output.seek(0, os.SEEK_END)
        output.seek(max(0, size - TAIL))
        tail = output.read(TAIL).decode("utf-8", "replace")
    return {
        "exit_code": os.waitstatus_to_exitcode(status),
        "timed_out": timed_out,
        "seconds": seconds,
        "output": tail,
    }


def await_child(child, deadline):
    """Waits for the child's end and kills it at the deadline; returns (wait status, whether it was killed)."""
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return status, False
        if time.monotonic() > deadline:
            os.kill(child, signal.SIGKILL)
            return os.waitpid(child, 0)[1], True
        time.sleep(0.005)


def become(run, output):
    """In the child: turns into the script. Leaves as Python does, by SystemExit or the script's own exception."""
    os.setsid()
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(run["folder"])
    os.environ["MLGYM_SEED"] = str(run["seed"])
    sys.argv = [run["script"]]
    sys.path[0] = str(Path.cwd())
    runpy.run_path(run["script"], run_name="__main__")
    sys.exit(0)


if __name__ == "__main__":
    main()
