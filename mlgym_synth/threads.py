"""Independent pieces of work in threads, which is enough where the work itself is done in sandboxes."""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def run_all(work: Callable[[Item], Result], items: Iterable[Item], workers: int) -> list[Result]:
    """Runs `work` on every item and returns the results in the order of the items.

    On the first exception, an interrupt among them, nothing new is begun and it is raised at once; what is under way
    in other threads is not awaited.

    Args:
        work: Called from several threads at the same time.
        items: What to work on.
        workers: How many threads.
    """
    pool = ThreadPoolExecutor(max_workers=max(1, workers))
    try:
        futures = [pool.submit(work, item) for item in items]
        wait(futures, return_when=FIRST_EXCEPTION)
        for future in futures:
            if future.done():
                future.result()
        return [future.result() for future in futures]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


_PARSER = threading.Lock()


def parse_python(source: str | bytes) -> ast.Module:
    """`ast.parse`, from any thread.

    CPython 3.11 and 3.12 count the depth of the tree in a place that all threads share, so that two of them parsing at
    the same time can end in a SystemError (python/cpython#106905).

    Raises:
        SyntaxError: If `source` is no Python.
        ValueError: If it holds null bytes.
    """
    with _PARSER:
        return ast.parse(source)
