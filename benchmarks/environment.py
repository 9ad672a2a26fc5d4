"""What isolation costs: a session in bubblewrap against a bare bash over a pipe, side by side in one run."""

from __future__ import annotations

import argparse
import statistics
import subprocess
import time
from collections.abc import Callable

from mlgym_synth.sandboxes import Spec, create


def milliseconds(action: Callable[[], object], times: int) -> float:
    """The median duration of an action."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1000


def bare_bash(command: str, times: int) -> float:
    """The same command in a bash that reads it from a pipe, with an end marker in its output."""
    shell = subprocess.Popen(
        ["bash", "--noprofile", "--norc"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    )
    assert shell.stdin is not None
    assert shell.stdout is not None
    reader, writer = shell.stdout, shell.stdin

    def act() -> None:
        writer.write(f"{command}; echo END\n".encode())
        output = b""
        while not output.endswith(b"END\n"):
            output += reader.read(1 << 16)

    result = milliseconds(act, times)
    writer.close()
    shell.wait()
    return result


def main() -> None:
    """Prints a table of medians in milliseconds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--provider", default="bubblewrap")
    parser.add_argument("--actions", type=int, default=500)
    parser.add_argument("--starts", type=int, default=20)
    arguments = parser.parse_args()

    spec = Spec(files={"baseline.py": b"print(1)\n"})
    with create(spec, arguments.provider, allow_unsafe=True) as sandbox:
        session = sandbox.open_session()
        print(f"{'p50, ms':<24}{'bare bash':>12}{arguments.provider:>14}{'ratio':>8}")
        for command in ("echo hi", "/bin/true"):
            bare = bare_bash(command, arguments.actions)
            ours = milliseconds(lambda text=command: session.run(text), arguments.actions)  # type: ignore[misc]
            print(f"{'action: ' + command:<24}{bare:>12.3f}{ours:>14.3f}{ours / bare:>8.2f}")
        process = milliseconds(lambda: subprocess.run(["bash", "-c", ":"], check=True), arguments.starts)
        opened = milliseconds(lambda: sandbox.open_session().close(), arguments.starts)
        print(f"{'start of a shell':<24}{process:>12.3f}{opened:>14.3f}{opened / process:>8.2f}")
        reset = milliseconds(sandbox.reset, arguments.starts)
        print(f"{'reset':<24}{'':>12}{reset:>14.3f}")


if __name__ == "__main__":
    main()
