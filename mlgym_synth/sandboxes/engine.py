"""Container engines: connecting to them, their errors as ours, and removing what dead owners left in them."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlgym_synth.errors import InputError, SandboxError
from mlgym_synth.sandboxes.protocol import WORKSPACE

if TYPE_CHECKING:
    from docker import APIClient, DockerClient

EngineName = Literal["docker", "podman"]

OWNER = "mlgym-synth.owner"
"""Label: process id of the owner, its start in clock ticks since boot, and its host."""
EXPIRES = "mlgym-synth.expires"
"""Label: Unix time after which a container is removed whose owner's host is not this one."""

_SECONDS = 60
_GREETING_SECONDS = 30
_CONNECTIONS = 64
"""Kept open at a time, for as many threads; more threads work too, and connect anew for each call."""
_END_SECONDS = 5.0
_WAIT_SECONDS = 0.001
_LIFETIME_SECONDS = 24 * 3600
_REMEDIES: dict[EngineName, str] = {
    "docker": "start dockerd and join its group, or set DOCKER_HOST",
    "podman": "start `podman system service --time=0`, or set CONTAINER_HOST",
}
_lock = threading.Lock()
"""Held for what is asked once, and can take podman a second: of many threads, one asks."""
_MEANINGS = {
    "No such file": "it is not running",
    "Connection refused": "it is not running",
    "Permission denied": "this user may not use it",
    "timed out": "no answer in time",
}


def connect(name: EngineName, timeout: int = _SECONDS) -> DockerClient:
    """Connects to an engine; the connection is shared by all threads of this process.

    Args:
        name: `docker` at DOCKER_HOST or its usual socket; `podman` at CONTAINER_HOST or its usual socket.
        timeout: Seconds that the engine may be silent in the middle of an answer.

    Raises:
        InputError: If no engine answers.
    """
    if name == "docker":
        address = os.environ.get("DOCKER_HOST", "")
    else:
        folder = "/run" if os.geteuid() == 0 else os.environ.get("XDG_RUNTIME_DIR", f"/run/user/{os.geteuid()}")
        address = os.environ.get("CONTAINER_HOST") or f"unix://{folder}/podman/podman.sock"
    with _lock:
        # A forked child must not speak in its parent's connections.
        return _connect(name, address, timeout, os.getpid())


@functools.cache
def _connect(name: EngineName, address: str, timeout: int, _process: int) -> DockerClient:
    import docker
    import requests

    environment = {key: os.environ[key] for key in ("DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH") if key in os.environ}
    if address:
        environment["DOCKER_HOST"] = address
    try:
        greeting = min(timeout, _GREETING_SECONDS)
        client = docker.from_env(timeout=greeting, max_pool_size=_CONNECTIONS, environment=environment)
    except (docker.errors.DockerException, requests.RequestException) as error:
        where = f" at {address}" if address else ""
        raise InputError(f"{name} does not answer{where}: {_reason(error)}", _REMEDIES[name]) from error
    client.api.timeout = timeout
    return client


def facts(client: DockerClient) -> dict[str, Any]:
    """What an engine says about itself, asked once: `docker info`."""
    with _lock:
        return _facts(client)


@functools.cache
def _facts(client: DockerClient) -> dict[str, Any]:
    return dict(client.info())


def _renew_lock() -> None:
    global _lock  # another thread of the parent may have held it
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_renew_lock)


@contextlib.contextmanager
def engine_errors(name: str) -> Iterator[None]:
    """Turns what an engine refuses, and its silence, into a SandboxError of one line."""
    import docker
    import requests

    try:
        yield
    except (docker.errors.DockerException, requests.RequestException) as error:
        raise SandboxError(f"{name}: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    import docker

    if isinstance(error, docker.errors.APIError) and error.explanation:
        return str(error.explanation)
    for part, meaning in _MEANINGS.items():  # the SDK wraps causes in texts
        if part in str(error):
            return meaning
    return str(error)


def owner_labels() -> dict[str, str]:
    """The labels of a container that belongs to this process."""
    expires = int(time.time()) + _LIFETIME_SECONDS
    return {OWNER: f"{os.getpid()} {_started(os.getpid())} {_host()}", EXPIRES: str(expires)}


def remove(api: APIClient, container: str) -> None:
    """Kills and removes a container, and returns when it has gone.

    Raises:
        docker.errors.APIError: If the engine does not remove it.
    """
    import docker

    try:
        api.remove_container(container, force=True)
    except docker.errors.APIError:
        # Most likely it has ended, and the engine is removing it by itself; each says so in its own way.
        deadline = time.monotonic() + _END_SECONDS
        while api.containers(all=True, filters={"id": container}):
            if time.monotonic() > deadline:
                raise
            time.sleep(_WAIT_SECONDS)


def reap(client: DockerClient) -> None:
    """Removes containers whose owner is dead: most have ended with it, but not those it was just about to start."""
    import docker

    for found in client.api.containers(all=True, filters={"label": OWNER}):
        if abandoned(found["Labels"]):
            with contextlib.suppress(docker.errors.APIError):  # the next start tries again
                remove(client.api, found["Id"])


def abandoned(labels: Mapping[str, str]) -> bool:
    """True if the owner named by a container's labels is dead, or on another host and out of time."""
    match = re.fullmatch(r"(\d+) (\d+) (.+)", labels[OWNER])
    if match is None:  # not written by us
        return False
    pid, started, host = match.groups()
    if host == _host():
        return _started(int(pid)) != started
    return int(labels.get(EXPIRES, 0)) < time.time()


def _host() -> str:
    """Names the machine and the PID namespace in which process ids mean something."""
    return f"{platform.node()} {Path('/proc/self/ns/pid').stat().st_ino}"


def _started(pid: int) -> str:
    """When a living process started, in clock ticks since boot; empty if there is none."""
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return "" if status[0] in b"ZX" else status[19].decode()


class Execution:
    """A command that an engine starts in a container, beside the container's own.

    Args:
        engine: Name of the engine.
        api: Client of the engine.
        container: Id of a running container.
        command: Program and arguments.
        user: User and group, as numbers: `1000:1000`.

    Raises:
        SandboxError: If it does not start.
    """

    def __init__(self, engine: EngineName, api: APIClient, container: str, command: list[str], user: str) -> None:
        # Podman learns how a command ended only where somebody has stayed in line.
        attached = engine == "podman"
        self._engine = engine
        self._api = api
        self._line: Any = None
        with engine_errors(engine):
            made = api.exec_create(container, command, stdout=False, stderr=attached, user=user, workdir=WORKSPACE)
            self._id = str(made["Id"])
            if attached:
                self._line = api.exec_start(self._id, stream=True)
            else:
                api.exec_start(self._id, detach=True)
            self.pid = self._find_pid()
            """Process id on the engine's host."""

    def _find_pid(self) -> int:
        deadline = time.monotonic() + _SECONDS
        while time.monotonic() < deadline:
            found = self._api.exec_inspect(self._id)
            if found["Pid"]:
                return int(found["Pid"])
            if not found["Running"]:
                break
            time.sleep(_WAIT_SECONDS)
        raise SandboxError(f"{self._engine}: a command did not start")

    def exit_code(self) -> int | None:
        """How the command ended, asked after its end; None if the engine does not know, as its container has gone."""
        deadline = time.monotonic() + _END_SECONDS
        while time.monotonic() < deadline:
            try:
                with engine_errors(self._engine):
                    found = self._api.exec_inspect(self._id)
            except SandboxError:
                return None
            if not found["Running"] and found["ExitCode"] is not None:
                return int(found["ExitCode"])
            time.sleep(_WAIT_SECONDS)  # the host knows before the engine does
        return None

    def close(self) -> None:
        """Ends the connection to the engine, not the command. Idempotent."""
        if self._line is not None:
            self._line.close()
            self._line = None
