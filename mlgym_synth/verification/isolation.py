"""Whether an agent on the task could reach the labels, the host or the network. Tried from inside a sandbox."""

from __future__ import annotations

import contextlib
import functools
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mlgym_synth.datasets.prepare import Prepared
from mlgym_synth.errors import SandboxError
from mlgym_synth.files import cache_folder
from mlgym_synth.sandboxes import create
from mlgym_synth.sandboxes.protocol import Sandbox, Spec
from mlgym_synth.sandboxes.runtime import build_runtime
from mlgym_synth.tasks.certificate import Check
from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.tasks.suite import Task
from mlgym_synth.verification.leaks import find_leak

PROBES = Path(__file__).parent / "files"
PROBE_SECONDS = 120.0
_QUESTIONS = {"network": "network", "hidden": "hidden files", "paths": "host folders", "modules": "harness"}


def check_labels(task: Task, prepared: Prepared | None) -> Check:
    """Whether no file that the agent is given holds the targets of the test rows.

    Args:
        task: The task.
        prepared: Its data; None where the submission is code.
    """
    files = dict(task.workspace)
    if prepared is None:
        return _hidden_sources(task, files)
    files |= {f"data/{path.name}": path.read_bytes() for path in sorted(prepared.public.iterdir())}
    labels = prepared.labels()
    leak = find_leak(files, labels.ids, labels.targets)
    if leak:
        return Check(name="labels", verdict=Verdict.FAIL, detail=leak)
    detail = f"{len(labels.ids)} targets are in none of {len(files)} files"
    return Check(name="labels", verdict=Verdict.PASS, detail=detail)


def check_isolation(task: Task, data: Path | None, provider: str, allow_unsafe: bool) -> Check:
    """Tries to reach network, host folders, hidden files, the harness and package copies of the data.

    Args:
        task: The task.
        data: Folder that is shown as `data`; None where there is none.
        provider: Sandbox provider.
        allow_unsafe: Whether a provider that isolates nothing may be used; the check is skipped there.

    Raises:
        SandboxError: If the sandbox failed.
    """
    shown = {} if data is None else {"data": data}
    spec = Spec(files=task.workspace, read_only=shown, limits=task.recipe.limits)
    with create(spec, provider, allow_unsafe) as sandbox, _listener() as port:
        if not sandbox.isolates:
            detail = f"{sandbox.provider} does not isolate; the certificate is provisional"
            return Check(name="isolation", verdict=Verdict.SKIPPED, detail=detail)
        paths = [str(task.suite.resolve()), str(cache_folder().resolve())]
        order = {"port": port, "paths": paths, "modules": ["mlgym_synth"]}
        reached = _probe(sandbox, "isolation_probe.py", order)
    found = [f"{label}: {', '.join(reached[key])}" for key, label in _QUESTIONS.items() if reached[key]]
    tried = list(_QUESTIONS.values())
    if task.recipe.data is not None and task.recipe.data.source.name.startswith("sklearn/"):
        tried.append("package data")
        loadable = _loadable_tables(sandbox.provider, build_runtime().fingerprint)
        found += [f"package data: {', '.join(loadable)}"] if loadable else []
    if found:
        return Check(name="isolation", verdict=Verdict.FAIL, detail=f"reached {'; '.join(found)}")
    return Check(name="isolation", verdict=Verdict.PASS, detail=f"out of reach: {', '.join(tried)}")


@functools.cache
def _loadable_tables(provider: str, runtime: str) -> list[str]:
    """What `sklearn.datasets` loads inside; a property of provider and runtime, and slow to import, so tried once."""
    with create(Spec(), provider) as sandbox:
        tables: list[str] = _probe(sandbox, "tables_probe.py", None)
    return tables


def _probe(sandbox: Sandbox, script: str, order: object) -> Any:
    source = (PROBES / script).read_text(encoding="utf-8")
    # -P: a module that a draft lays into its workspace must not stand in for the standard library's.
    result = sandbox.exec(["python", "-P", "-c", source], stdin=json.dumps(order).encode(), timeout=PROBE_SECONDS)
    if result.exit_code != 0:
        last = " ".join(result.output.strip().splitlines()[-1:])
        raise SandboxError(f"{script} did not finish in the sandbox: {last[:300]}", "see mlgym-synth doctor")
    return json.loads(result.output.splitlines()[-1])


def _hidden_sources(task: Task, files: dict[str, bytes]) -> Check:
    """For code tasks the judge is what must stay hidden."""
    for name, content in task.files.hidden.items():
        for shown, text in files.items():
            if content.strip() and content.strip() in text:
                return Check(name="labels", verdict=Verdict.FAIL, detail=f"{shown} contains hidden {name}")
    return Check(name="labels", verdict=Verdict.PASS, detail=f"no hidden file is in any of {len(files)} files")


@contextlib.contextmanager
def _listener() -> Iterator[int]:
    """A port of the host's loopback that answers, so that an unreachable one shows isolation."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]
