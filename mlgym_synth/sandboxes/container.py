"""The providers `docker` and `podman`: one container a sandbox, made from a family image.

Its first process reads a pipe that its owner holds open, and nobody else: the container ends with its owner, however
that happens. It also buries orphans. Agents can neither signal nor trace it, as it is of another user.
"""

from __future__ import annotations

import os
import resource
from collections.abc import Mapping
from typing import IO, TYPE_CHECKING, Any

from mlgym_synth.errors import InputError, SandboxError
from mlgym_synth.sandboxes.container_program import PIPES, Container, ContainerProgram, find_group, write_pipe
from mlgym_synth.sandboxes.engine import EngineName, connect, engine_errors, facts, owner_labels, reap, remove
from mlgym_synth.sandboxes.folder import FolderSandbox
from mlgym_synth.sandboxes.layout import (
    OPEN_FILES,
    OWN_FOLDERS,
    SCRIPT_INSIDE,
    SOCKET,
    TOOLS,
    choose_account,
    open_to_others,
    variables,
    write_accounts,
)
from mlgym_synth.sandboxes.protocol import WORKSPACE, Spec
from mlgym_synth.sandboxes.seccomp import build_profile
from mlgym_synth.sandboxes.session import SCRIPT
from mlgym_synth.tasks.recipe import image_tag

if TYPE_CHECKING:
    from docker import APIClient
    from docker.types import Mount, Ulimit

_FIRST_USER = 65534
_LIFE = "life"
_FIRST_PROGRAM = ["/bin/bash", "-c", f"read -r _ <{PIPES}/{_LIFE}"]
_PERIOD = 100_000
_PROCESSES_PER_USER = 1 << 15
_BYTES_PER_FILE = 4096
_LIMITS = {"MemoryLimit": "memory", "PidsLimit": "processes", "CpuCfsQuota": "processors"}
_NO_IPC = {"kernel.shmmni": "0", "kernel.msgmni": "0", "kernel.sem": "0 0 0 0", "fs.mqueue.queues_max": "0"}
"""System V's and POSIX's objects outlive their processes, and would outlive a reset. `/dev/shm` is emptied by it."""


class ContainerSandbox(FolderSandbox):
    """Sandboxes by a container engine. See `protocol.Sandbox`."""

    engine: EngineName
    isolates = True
    workspace = WORKSPACE
    script = SCRIPT_INSIDE

    def __init__(self, spec: Spec) -> None:
        super().__init__(spec)
        self.provider = self.engine
        self._api()  # an engine that does not answer is said at once
        self._owner, self._group = choose_account()
        self._id: str | None = None
        self._life: IO[bytes] | None = None
        self._container: Container | None = None

    def _api(self) -> APIClient:
        return connect(self.engine).api

    def _prepare(self) -> None:
        if os.geteuid() == 0:
            open_to_others(self.spec, self._owner)
        write_accounts(self._folder, self._owner, self._group)
        pipes = self._folder / "pipes"
        pipes.mkdir()
        pipes.chmod(0o711)
        life = pipes / _LIFE
        os.mkfifo(life)
        life.chmod(0o644)
        with engine_errors(self.engine):
            reap(connect(self.engine))
            self._id = self._create()
            self._api().start(self._id)
            first = int(self._api().inspect_container(self._id)["State"]["Pid"])
        group = find_group(self._id, first)
        if group is None:
            raise InputError(
                f"{self.engine}: the processes of its containers are not to be seen here",
                "use an engine of this machine that has control groups",
            )
        end = os.pidfd_open(first)
        try:
            self._life = write_pipe(life, end)
        finally:
            os.close(end)
        life.unlink()  # nobody inside can hold it open
        account = (self._owner, self._group)
        self._container = Container(self.engine, self._api(), self._id, first, group, account, pipes)

    def _create(self) -> str:
        import docker

        api = self._api()
        tag = image_tag(self.spec.image)
        try:
            made = api.create_container(
                tag,
                entrypoint=_FIRST_PROGRAM[:1],
                command=_FIRST_PROGRAM[1:],
                user=f"{_FIRST_USER}:{_FIRST_USER}",
                working_dir="/",
                hostname="sandbox",
                labels=owner_labels(),
                healthcheck={"test": ["NONE"]},
                host_config=api.create_host_config(
                    mounts=self._mounts(),
                    tmpfs=self._own_folders(),
                    ulimits=self._ulimits(),
                    **self._isolation(),
                    **self._cgroup_limits(),
                ),
                use_config_proxy=False,  # the user's proxies, with their passwords
            )
        except docker.errors.NotFound as error:
            raise InputError(
                f"image {tag} is not built: mlgym-synth images build --family {self.spec.image}"
            ) from error
        return str(made["Id"])

    def _isolation(self) -> dict[str, Any]:
        rootless = "name=rootless" in facts(connect(self.engine))["SecurityOptions"]
        if rootless and self.engine == "docker":
            raise InputError("rootless docker has no user who is the owner of the workspace", "use podman, or dockerd")
        return {
            "auto_remove": True,
            "network_mode": "none",
            "ipc_mode": "private",
            # Rootless, the owner has to be the same user inside as outside, or could not share the workspace.
            "userns_mode": "keep-id" if rootless else "host",
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges", f"seccomp={self._calls()}"],
            "sysctls": _NO_IPC,
            "log_config": {"type": "none"},
        }

    def _calls(self) -> str:
        if self.engine == "docker":
            return build_profile()
        path = self._folder / "seccomp.json"
        path.write_text(build_profile())
        return str(path)  # podman reads it itself

    def _cgroup_limits(self) -> dict[str, Any]:
        limits = self.spec.limits
        settings = {
            "MemoryLimit": {"mem_limit": self._memory_mb << 20, "memswap_limit": self._memory_mb << 20},
            "PidsLimit": {"pids_limit": limits.processes},
            # Not `nano_cpus`: an engine refuses more processors than the machine has.
            "CpuCfsQuota": {"cpu_period": _PERIOD, "cpu_quota": int(limits.cpus * _PERIOD)},
        }
        known = facts(connect(self.engine))
        return {key: value for name in settings if known.get(name) for key, value in settings[name].items()}

    def _ulimits(self) -> list[Ulimit]:
        from docker.types import Ulimit

        # Of a limit that is not named, podman asks for more than the host may have.
        wanted = {"core": 0, "nofile": OPEN_FILES, "fsize": self._disk_bytes, "nproc": _PROCESSES_PER_USER}
        found = []
        for name, size in wanted.items():
            highest = resource.getrlimit(getattr(resource, f"RLIMIT_{name.upper()}"))[1]
            # An engine without privileges cannot go beyond the host's hard limit.
            size = size if highest == resource.RLIM_INFINITY else min(size, highest)
            found.append(Ulimit(name=name, soft=size, hard=size))
        return found

    def _own_folders(self) -> dict[str, str]:
        # Full, together with the workspace, they must leave memory in which the next shell can start.
        size = min(self._disk_bytes, (self.spec.limits.memory_mb << 20) // 8)
        options = f"rw,exec,nosuid,nodev,size={size},{self._engine_options(size)}"
        places = {place: f"{options},mode={mode}" for place, mode in OWN_FOLDERS.items()}
        # A folder that the image has keeps its mode, whatever is asked for. Below a new /home, there is none.
        return {"/home": f"{options},mode=0755", **places}

    def _engine_options(self, size: int) -> str:
        if self.engine == "docker":
            return f"nr_inodes={size // _BYTES_PER_FILE}"
        return "notmpcopyup"  # which would fill them with what the image has there, of other users

    def _mounts(self) -> list[Mount]:
        from docker.types import Mount

        shown = {
            "/etc/passwd": self._folder / "passwd",
            "/etc/group": self._folder / "group",
            PIPES: self._folder / "pipes",
            SCRIPT_INSIDE: SCRIPT,
        }
        if self.spec.tools is not None:
            shown[TOOLS] = self.spec.tools.resolve()
        if self.spec.socket is not None:
            shown[SOCKET] = self.spec.socket.resolve()
        for name, source in self.spec.read_only.items():
            shown[f"{WORKSPACE}/{name}"] = source.resolve()
        # Not `binds`: an engine that cannot see a source would make an empty folder of that name.
        mounts = [Mount(place, str(source), type="bind", read_only=True) for place, source in shown.items()]
        return [Mount(WORKSPACE, str(self._files), type="bind"), *mounts]

    @property
    def unenforced(self) -> str:
        """Which limits a started sandbox cannot enforce here."""
        known = facts(connect(self.engine))
        gaps = [f"{what} not limited" for name, what in _LIMITS.items() if not known.get(name)]
        if not self._disk_bounded:
            gaps.append("disk per file, not in total")
        if self.engine == "podman":
            gaps.append("number of files in /tmp not limited")
        return "; ".join(gaps)

    def _start(self, command: list[str], environment: Mapping[str, str], stderr: int) -> ContainerProgram:
        if self._container is None:
            raise SandboxError("the sandbox is not running", "call start first")
        return self._container.start(command, {**variables(self.spec), **environment}, stderr)

    def _kill_all(self) -> None:
        super()._kill_all()
        if self._container is not None:
            self._container.end_all()

    def _release(self) -> None:
        self._container = None
        try:
            if self._id is not None:
                with engine_errors(self.engine):
                    remove(self._api(), self._id)
                self._id = None
        finally:
            if self._life is not None:
                self._life.close()
                self._life = None


class DockerSandbox(ContainerSandbox):
    """Sandboxes by docker."""

    engine = "docker"


class PodmanSandbox(ContainerSandbox):
    """Sandboxes by podman, through its service."""

    engine = "podman"
