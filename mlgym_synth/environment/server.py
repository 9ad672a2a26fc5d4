"""Serves `validate` and `submit` of one episode on a unix socket. Everything a client sends is hostile.

A request is a header and the submission: four bytes with the header's length (big-endian), the header as JSON
`{"op": "validate" | "submit", "size": n}`, then n bytes. The response is four bytes with its length and JSON.
The grader is handed bytes, never a path.
"""

from __future__ import annotations

import json
import logging
import os
import socket
import struct
import threading
import time
from pathlib import Path
from typing import Any

from mlgym_synth.environment.grader import LARGEST_SUBMISSION
from mlgym_synth.environment.grading import Grading
from mlgym_synth.errors import MlgymSynthError, SandboxError

LARGEST_HEADER = 4096
REQUEST_SECONDS = 30.0
"""Time in which a client has to send its whole request."""
CONNECTIONS = 8
"""Clients that are served at a time; more are turned away, so that an agent cannot fill the host's memory."""

_LOG = logging.getLogger(__name__)


class GraderServer:
    """Answers one episode's clients from threads of its own, until it is closed.

    Args:
        grading: The episode.
        path: Where to make the socket; of any length, in a folder that exists.

    Raises:
        SandboxError: If the socket cannot be made.
    """

    def __init__(self, grading: Grading, path: Path) -> None:
        self.path = path
        self._grading: Grading | None = grading
        self._closed = False
        self._slots = threading.BoundedSemaphore(CONNECTIONS)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with _ShortPath(path) as short:
                self._listener.bind(short)
            path.chmod(0o666)  # the agent is another user; the folder says who gets here
            self._listener.listen(CONNECTIONS)
        except OSError as error:
            self._listener.close()
            raise SandboxError(f"cannot serve {path}: {error.strerror}", "check the folder") from error
        self._thread = threading.Thread(target=self._accept, name="grader", daemon=True)
        self._thread.start()

    def begin(self, grading: Grading) -> None:
        """Serves another episode from now on, on the same socket.

        What processes of the last episode have sent, and nobody has read yet, reaches neither.
        """
        self._grading = None
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as barrier:
            barrier.settimeout(REQUEST_SECONDS)
            with _ShortPath(self.path) as short:
                barrier.connect(short)
            barrier.recv(1)  # connections are taken in order: when this one is turned away, all older ones were
        self._grading = grading

    def close(self) -> None:
        """Stops serving and removes the socket. Idempotent."""
        if self._closed:
            return
        self._closed = True
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()
        self.path.unlink(missing_ok=True)

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError as error:
                if self._closed:
                    return
                _LOG.warning("%s takes no client: %s", self.path, error)
                time.sleep(0.1)  # out of descriptors, most likely: others will give some back
                continue
            grading = self._grading
            if grading is None or not self._slots.acquire(blocking=False):
                connection.close()
                continue
            threading.Thread(target=self._serve, args=(connection, grading), daemon=True).start()

    def _serve(self, connection: socket.socket, grading: Grading) -> None:
        try:
            with connection:
                answer = json.dumps(_answer(connection, grading)).encode()
                connection.settimeout(REQUEST_SECONDS)
                connection.sendall(struct.pack(">I", len(answer)) + answer)
        except OSError as error:  # the client is gone, or never was one
            _LOG.debug("a client of %s left: %s", self.path, error)
        finally:
            self._slots.release()


def _answer(connection: socket.socket, grading: Grading) -> dict[str, Any]:
    try:
        operation, submission = _read_request(connection)
    except ValueError as error:
        return {"ok": False, "error": str(error)}
    try:
        return grading.validate(submission) if operation == "validate" else grading.submit(submission)
    except MlgymSynthError as error:
        _LOG.warning("%s failed: %s", operation, error)
        return {"ok": False, "error": "the grader failed, which is not the submission's fault: try again"}


def _read_request(connection: socket.socket) -> tuple[str, bytes]:
    """Reads one request.

    Raises:
        ValueError: If it breaks the protocol.
        OSError: If it does not come in time.
    """
    deadline = time.monotonic() + REQUEST_SECONDS
    (length,) = struct.unpack(">I", _receive(connection, 4, deadline))
    if length > LARGEST_HEADER:
        raise ValueError(f"the header has more than {LARGEST_HEADER} bytes")
    try:
        header = json.loads(_receive(connection, length, deadline))
        operation, size = header["op"], header["size"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError('the header is not JSON with "op" and "size"') from error
    if operation not in ("validate", "submit"):
        raise ValueError("the operation is neither validate nor submit")
    if type(size) is not int or not 0 <= size <= LARGEST_SUBMISSION:
        raise ValueError(f"the size is not a number of bytes up to {LARGEST_SUBMISSION}")
    return operation, _receive(connection, size, deadline)


def _receive(connection: socket.socket, size: int, deadline: float) -> bytes:
    received = bytearray()
    while len(received) < size:
        connection.settimeout(max(0.001, deadline - time.monotonic()))
        chunk = connection.recv(min(size - len(received), 1 << 16))
        if not chunk:
            raise ConnectionError("the client closed its end early")
        received += chunk
    return bytes(received)


class _ShortPath:
    """A path's alias of few bytes, because a unix socket's path has room for 107."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __enter__(self) -> str:
        self._folder = os.open(self._path.parent, os.O_PATH | os.O_DIRECTORY)
        return f"/proc/self/fd/{self._folder}/{self._path.name}"

    def __exit__(self, *exception: object) -> None:
        os.close(self._folder)
