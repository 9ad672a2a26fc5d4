"""Serves `validate` and `submit` on unix sockets, all those of a process from one thread. What clients send is hostile.

A request is a header and the submission: four bytes with the header's length (big-endian), the header as JSON
`{"op": "validate" | "submit", "size": n}`, then n bytes. The response is four bytes with its length, then one byte, the
exit status of the client, and the text that it prints, to stdout if the status is 0, else to stderr. So the client has
nothing to parse: importing a parser would take it longer than its whole work.
The grader is handed bytes, never a path.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
import struct
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from mlgym_synth.environment.grader import LARGEST_SUBMISSION
from mlgym_synth.environment.grading import Grading
from mlgym_synth.errors import MlgymSynthError, SandboxError

LARGEST_HEADER = 4096
REQUEST_SECONDS = 30.0
"""Time in which a client has to send its whole request."""
CONNECTIONS = 8
"""Clients of an episode that are served at a time; more are turned away, so that it cannot fill the host's memory."""

_CHUNK = 1 << 16
_RETRY_SECONDS = 0.1
_LOG = logging.getLogger(__name__)


class GraderServer:
    """Answers the clients of one episode after another, on one socket. Between episodes clients are turned away.

    The clients of an episode are graded one after another, each in a thread, so that none waits for other episodes.

    Args:
        path: Where to make the socket; of any length, in a folder that exists.

    Raises:
        SandboxError: If the socket cannot be made.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._grading: Grading | None = None
        self._clients: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._closed = False
        self._listener = _listen(path)
        self._loop = _serving_loop()
        self._call(self._resume)

    def begin(self, grading: Grading | None) -> None:
        """Serves another episode from now on, or none.

        What processes of the last episode have sent, and nobody has answered yet, reaches neither.

        Raises:
            SandboxError: If those that wait for an answer cannot be turned away.
        """
        self._call(lambda: self._switch(grading))

    def close(self) -> None:
        """Stops serving and removes the socket. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._call(self._stop)
        self.path.unlink(missing_ok=True)

    def _call(self, function: Callable[[], None]) -> None:
        """Has the serving thread call a function, and waits for it."""

        async def call() -> None:
            function()

        asyncio.run_coroutine_threadsafe(call(), self._loop).result()

    def _resume(self) -> None:
        if not self._closed:
            self._loop.add_reader(self._listener, self._accept)

    def _stop(self) -> None:
        self._loop.remove_reader(self._listener)
        self._dismiss()
        self._listener.close()

    def _switch(self, grading: Grading | None) -> None:
        self._dismiss()
        try:
            while True:
                self._listener.accept()[0].close()
        except BlockingIOError:  # no more are waiting
            self._grading = grading
        except OSError as error:
            raise SandboxError(f"cannot serve {self.path}: {error.strerror}", "raise ulimit -n") from error

    def _dismiss(self) -> None:
        self._grading = None
        for client in self._clients:
            client.cancel()
        self._clients = set()

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except BlockingIOError:  # its client has left
            return
        except OSError as error:  # out of descriptors, most likely: others will give some back
            _LOG.warning("%s takes no client: %s", self.path, error)
            self._loop.remove_reader(self._listener)
            self._loop.call_later(_RETRY_SECONDS, self._resume)
            return
        if self._grading is None or len(self._clients) >= CONNECTIONS:
            connection.close()
            return
        connection.setblocking(False)
        client = self._loop.create_task(self._serve(connection, self._grading))
        self._clients.add(client)
        client.add_done_callback(self._clients.discard)

    async def _serve(self, connection: socket.socket, grading: Grading) -> None:
        with connection:
            try:
                try:
                    async with asyncio.timeout(REQUEST_SECONDS):
                        operation, submission = await _read_request(connection)
                except ValueError as error:
                    answer = 1, f"not accepted: {error}\n"
                else:
                    async with self._turn:
                        grade = _in_thread(lambda: _answer(grading, operation, submission))
                        answer = await asyncio.wrap_future(grade)
                await _respond(connection, answer)
            except OSError as error:  # the client is gone, or too slow, or never was one
                _LOG.debug("a client of %s left: %s", self.path, error)


def _answer(grading: Grading, operation: str, submission: bytes) -> tuple[int, str]:
    """The client's exit status, and what it prints."""
    try:
        answer = grading.validate(submission) if operation == "validate" else grading.submit(submission)
    except MlgymSynthError as error:
        _LOG.warning("%s failed: %s", operation, error)
        answer = {"ok": False, "error": "the grader failed, which is not the submission's fault: try again"}
    if not answer["ok"]:
        left = f" (validations left: {answer['left']})" if "left" in answer else ""
        return 1, f"not accepted: {answer['error']}{left}\n"
    if operation == "submit":
        receipt = json.dumps(answer["receipt"])
        return 0, f"COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT\n<<SWE_AGENT_SUBMISSION>>\n{receipt}\n"
    better = "higher" if answer["direction"] == "max" else "lower"
    score = f"{answer['metric']} on the public part: {answer['score']:.6g} ({better} is better)"
    return 0, f"{score}\nvalidations left: {answer['left']}\n"


async def _read_request(connection: socket.socket) -> tuple[str, bytes]:
    """Reads one request.

    Raises:
        ValueError: If it breaks the protocol.
        OSError: If it is cut off.
    """
    (length,) = struct.unpack(">I", await _receive(connection, 4))
    if length > LARGEST_HEADER:
        raise ValueError(f"the header has more than {LARGEST_HEADER} bytes")
    try:
        header = json.loads(await _receive(connection, length))
        operation, size = header["op"], header["size"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError('the header is not JSON with "op" and "size"') from error
    if operation not in ("validate", "submit"):
        raise ValueError("the operation is neither validate nor submit")
    if type(size) is not int or not 0 <= size <= LARGEST_SUBMISSION:
        raise ValueError(f"the size is not a number of bytes up to {LARGEST_SUBMISSION}")
    return operation, await _receive(connection, size)


async def _receive(connection: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    received = bytearray()
    while len(received) < size:
        chunk = await loop.sock_recv(connection, min(size - len(received), _CHUNK))
        if not chunk:
            raise ConnectionError("the client closed its end early")
        received += chunk
    return bytes(received)


async def _respond(connection: socket.socket, answer: tuple[int, str]) -> None:
    status, text = answer
    content = bytes([status]) + text.encode(errors="replace")
    async with asyncio.timeout(REQUEST_SECONDS):
        await asyncio.get_running_loop().sock_sendall(connection, struct.pack(">I", len(content)) + content)


def _in_thread(work: Callable[[], tuple[int, str]]) -> Future[tuple[int, str]]:
    """Does the work in a thread that does not keep the process alive."""
    future: Future[tuple[int, str]] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  (raised where the result is awaited)
            future.set_exception(error)

    future.set_running_or_notify_cancel()
    threading.Thread(target=run, name="grading", daemon=True).start()
    return future


def _listen(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.setblocking(False)
    try:
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            listener.bind(f"/proc/self/fd/{folder}/{path.name}")  # a socket's own path has room for 107 bytes
        finally:
            os.close(folder)
        path.chmod(0o666)  # the agent is another user; the folder says who gets here
        listener.listen(CONNECTIONS)
    except OSError as error:
        listener.close()
        raise SandboxError(f"cannot serve {path}: {error.strerror}", "check the folder") from error
    return listener


_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def _serving_loop() -> asyncio.AbstractEventLoop:
    """The loop of this process, which runs in a thread of its own from the first use on."""
    global _loop
    with _lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="grader", daemon=True).start()
        return _loop


def _forget_loop() -> None:
    global _lock, _loop  # a forked child has neither the thread nor whoever held the lock
    _lock, _loop = threading.Lock(), None


os.register_at_fork(after_in_child=_forget_loop)
