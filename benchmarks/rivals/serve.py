"""The process of one subject: `python -m rivals.serve MODULE:CLASS SETTINGS`, then requests on stdin as JSON lines.

A request is `{"operation": ..., "times": n, "seconds": s}`: do it n times, or fewer if that takes longer than s.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from typing import Any

from rivals.subject import Stopwatch, Subject


def load(path: str) -> Any:
    """The class that `module:class` names."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def reason(error: BaseException) -> str:
    """An error in one line."""
    text = " ".join(str(error).split())[:300]
    return text if type(error).__name__ == "Missing" else f"{type(error).__name__}: {text}"


def own_pipes() -> tuple[Any, Any]:
    """Stdin and stdout for the protocol alone: what is measured reads nothing and prints to stderr."""
    requests = os.fdopen(os.dup(0), "r")
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    with open(os.devnull) as nothing:  # noqa: PTH123  (as plain as the calls around it)
        os.dup2(nothing.fileno(), 0)
    os.dup2(2, 1)
    return requests, answers


def measure(subject: Subject, operation: str, times: int, seconds: float) -> list[float]:
    """Durations of one operation, in seconds."""
    watch = Stopwatch()
    deadline = time.perf_counter() + seconds
    while len(watch.seconds) < times and (not watch.seconds or time.perf_counter() < deadline):
        getattr(subject, operation)(watch)
    return watch.seconds


def main() -> None:
    """Serves one subject until stdin ends."""
    requests, answers = own_pipes()
    try:
        subject: Subject = load(sys.argv[1])(json.loads(sys.argv[2]))
    except Exception as error:  # noqa: BLE001  (whatever a rival raises is why it is not here)
        print(json.dumps({"missing": reason(error)}), file=answers)
        return
    try:
        print(json.dumps({"ready": True}), file=answers)
        for line in requests:
            request = json.loads(line)
            try:
                answer: dict[str, Any] = {"seconds": measure(subject, **request)}
            except Exception as error:  # noqa: BLE001  (as above)
                answer = {"missing": reason(error)}
            print(json.dumps(answer), file=answers)
    finally:
        subject.close()


if __name__ == "__main__":
    main()
