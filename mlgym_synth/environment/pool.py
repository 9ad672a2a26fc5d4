"""Workplaces of one task kept ready, so that an episode need not wait until a sandbox has started."""

from __future__ import annotations

import logging
import threading
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor

from mlgym_synth.environment.workplace import Workplace
from mlgym_synth.errors import MlgymSynthError, SandboxError
from mlgym_synth.tasks.suite import Task

_THREADS = 4
"""Workplaces made or restored at a time; more would wait for the same processors and the same locks of the kernel."""
_LOG = logging.getLogger(__name__)


class WarmPool:
    """Hands out pristine workplaces; those that come back are made pristine again in the background.

    It has none before `start`.

    Args:
        task: The task.
        size: How many workplaces there are, with those that are handed out.
        provider: Sandbox provider, as in `sandboxes.create`.
        allow_unsafe: Whether the provider may be one that isolates nothing.
    """

    def __init__(self, task: Task, size: int, provider: str = "auto", allow_unsafe: bool = False) -> None:
        self.task = task
        self._provider = provider
        self._allow_unsafe = allow_unsafe
        self._lock = threading.Lock()
        self._closed = False
        self._made: set[Workplace] = set()
        self._threads = ThreadPoolExecutor(_THREADS, "workplaces")
        self._size = size
        self._ready: deque[Future[Workplace]] = deque()
        """In the order in which they are going to be ready."""

    def start(self) -> None:
        """Begins to make the workplaces."""
        with self._lock:
            self._ready.extend(self._threads.submit(self._make) for _ in range(self._size))

    def take(self) -> Workplace:
        """Hands out the workplace that has been ready for longest, or waits for the first. At most `size` are out.

        Raises:
            DataError: If the task's data cannot be prepared.
            SandboxError: If no sandbox can be had; the next call tries again.
        """
        with self._lock:
            if self._closed:
                raise SandboxError("the pool of workplaces is closed", "make another environment")
            workplace = self._ready.popleft()
        try:
            return workplace.result()
        except BaseException:
            with self._lock:
                if not self._closed:  # an interrupt leaves it on its way
                    self._ready.append(self._threads.submit(self._make) if workplace.done() else workplace)
            raise

    def give_back(self, workplace: Workplace) -> None:
        """Takes back a workplace, in whatever state it is."""
        with self._lock:
            if not self._closed:
                self._ready.append(self._threads.submit(self._restore, workplace))

    def close(self) -> None:
        """Closes all workplaces, also those that are handed out. Idempotent."""
        with self._lock:
            self._closed = True
        self._threads.shutdown(wait=True, cancel_futures=True)
        with ThreadPoolExecutor(_THREADS) as threads:
            closings = [threads.submit(workplace.close) for workplace in self._made]
        self._made.clear()
        for closing in closings:
            closing.result()

    def _restore(self, used: Workplace) -> Workplace:
        try:
            used.restore()
        except (MlgymSynthError, OSError) as error:
            _LOG.warning("%s: a workplace is replaced: %s", self.task.id, error)
            self._discard(used)
            return self._make()
        return used

    def _discard(self, workplace: Workplace) -> None:
        with self._lock:
            self._made.discard(workplace)
        try:
            workplace.close()
        except (MlgymSynthError, OSError) as error:
            _LOG.warning("%s: %s", self.task.id, error)

    def _make(self) -> Workplace:
        workplace = Workplace(self.task, self._provider, self._allow_unsafe)
        with self._lock:
            self._made.add(workplace)
        return workplace
