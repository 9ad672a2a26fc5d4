"""`mlgym-synth doctor`: what this machine can do, found out by trying it, and how to get what is missing."""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import os
import platform
import subprocess
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from mlgym_synth.cli import console
from mlgym_synth.cli.app import app
from mlgym_synth.files import cache_folder

PATIENCE = 4.0
"""Seconds that a probe of something outside this process may take."""


@dataclass(frozen=True)
class Finding:
    """What one probe found."""

    what: str
    usable: bool
    detail: str


@app.command()
def doctor(as_json: console.JsonOption = False) -> None:
    """Says what this machine can do, and how to get what is missing.

    Exit code 1 if no sandbox isolates, since then agents cannot be run safely.

    **Example** `mlgym-synth doctor`
    """
    from mlgym_synth.sandboxes import probe as probe_sandboxes

    sandboxes = probe_sandboxes()
    probes: tuple[Callable[[], Finding], ...] = (_cache, _engine, _model_key, _hub, _gpu, _ray, _mlgym, _sweagent)
    findings = [_python(), *(Finding(f"sandbox: {each.provider}", each.usable, each.detail) for each in sandboxes)]
    findings += [probe() for probe in probes]
    if as_json:
        console.print_json([asdict(finding) for finding in findings])
    else:
        console.table("", ("what", "usable", "detail"), [(f.what, f.usable, f.detail) for f in findings])
    if not any(each.usable and each.isolates for each in sandboxes):
        console.warn("no sandbox isolates here; only quickstart runs without one, and its certificates are provisional")
        raise SystemExit(console.FAILED)


def _python() -> Finding:
    return Finding("python", True, f"{platform.python_version()} on {platform.system()} {platform.machine()}")


def _cache() -> Finding:
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        usable = os.access(folder, os.W_OK)
    except OSError:
        usable = False
    return Finding("cache", usable, str(folder) if usable else f"cannot write {folder}: set MLGYM_SYNTH_CACHE")


def _engine() -> Finding:
    import docker
    from docker.errors import DockerException

    try:
        with contextlib.closing(docker.from_env(timeout=int(PATIENCE))) as client:
            version = client.version()["Version"]
    except (DockerException, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:80]
        return Finding("container engine", False, f"{reason}; start dockerd, or podman's service and set DOCKER_HOST")
    return Finding("container engine", True, f"version {version}")


def _model_key() -> Finding:
    if os.environ.get("OPENAI_API_KEY"):
        return Finding("model key", True, "OPENAI_API_KEY is set")
    return Finding("model key", False, "set OPENAI_API_KEY for the client in mlgym_synth.models")


def _hub() -> Finding:
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
    if not endpoint.startswith(("http://", "https://")):
        return Finding("Hugging Face Hub", False, f"HF_ENDPOINT is no http address: {endpoint}")
    try:
        request = urllib.request.Request(f"{endpoint}/api/datasets?limit=1")  # noqa: S310  (checked above)
        with urllib.request.urlopen(request, timeout=PATIENCE) as response:  # noqa: S310
            response.read(1)
    except (OSError, ValueError, http.client.HTTPException) as error:
        return Finding("Hugging Face Hub", False, f"{endpoint}: {getattr(error, 'reason', error)}")
    return Finding("Hugging Face Hub", True, endpoint)


def _gpu() -> Finding:
    query = ["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"]
    try:
        result = subprocess.run(query, capture_output=True, text=True, timeout=PATIENCE, check=True)
    except (OSError, subprocess.SubprocessError):
        return Finding("GPU", False, "nvidia-smi finds none; training and serving run on the CPU")
    return Finding("GPU", True, "; ".join(result.stdout.strip().splitlines()))


def _ray() -> Finding:
    return _importable("ray", "Ray", "pip install 'mlgym-synth[ray]'")


def _mlgym() -> Finding:
    root = os.environ.get("MLGYM_ROOT")
    if not root:
        return Finding("MLGym", False, "clone MLGym and name its checkout in MLGYM_ROOT (see README)")
    if not (Path(root) / "configs" / "tasks").is_dir():
        return Finding("MLGym", False, f"MLGYM_ROOT={root} is no checkout of MLGym: it has no configs/tasks")
    return Finding("MLGym", True, root)


def _sweagent() -> Finding:
    return _importable("sweagent", "SWE-agent", "install it from its repository, not from PyPI (see README)")


def _importable(module: str, name: str, remedy: str) -> Finding:
    found = importlib.util.find_spec(module) is not None
    return Finding(name, found, "importable" if found else remedy)
