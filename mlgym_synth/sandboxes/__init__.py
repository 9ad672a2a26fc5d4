"""Where untrusted code runs: one contract (`protocol`), and the providers that keep it."""

from __future__ import annotations

import functools
from collections.abc import Callable

from mlgym_synth.errors import InputError, MlgymSynthError, unknown_name
from mlgym_synth.sandboxes.bubblewrap import BubblewrapSandbox
from mlgym_synth.sandboxes.container import ContainerSandbox, DockerSandbox, PodmanSandbox
from mlgym_synth.sandboxes.process import ProcessSandbox
from mlgym_synth.sandboxes.protocol import WORKSPACE, Pipe, Probe, Result, Sandbox, Session, Spec

__all__ = ["WORKSPACE", "Pipe", "Probe", "Result", "Sandbox", "Session", "Spec", "create", "probe"]

_ISOLATING: dict[str, Callable[[Spec], BubblewrapSandbox | ContainerSandbox]] = {
    "bubblewrap": BubblewrapSandbox,
    "docker": DockerSandbox,
    "podman": PodmanSandbox,
}
_PROVIDERS = ("auto", *_ISOLATING, "process")


def create(spec: Spec, provider: str = "auto", allow_unsafe: bool = False) -> Sandbox:
    """Makes a sandbox that has not been started.

    Args:
        spec: What it is made of.
        provider: `auto` for the first that isolates and works here, or a name.
        allow_unsafe: Permits `process`, which isolates nothing. `auto` never chooses it.

    Raises:
        InputError: If the provider is unknown, unusable, or unsafe without permission.
    """
    if provider == "process":
        if not allow_unsafe:
            raise InputError("the provider process isolates nothing", "use --allow-unsafe for code that you trust")
        return ProcessSandbox(spec)
    if provider == "auto":
        provider = _first_usable()
    if provider not in _ISOLATING:
        raise unknown_name("sandbox provider", provider, _PROVIDERS)
    return _ISOLATING[provider](spec)


def probe() -> list[Probe]:
    """Tries every provider by using it; the first usable one that isolates is what `auto` takes."""
    found = [_probe_isolating(name) for name in _ISOLATING]
    return [
        *found,
        Probe("process", True, False, f"isolates nothing; needs --allow-unsafe; {ProcessSandbox.unenforced}"),
    ]


@functools.cache
def _first_usable() -> str:
    reasons = []
    for name in _ISOLATING:
        found = _probe_isolating(name)
        if found.usable:
            return name
        reasons.append(f"{name}: {found.detail}")
    raise InputError(f"no sandbox isolates here: {'; '.join(reasons)}", "or name process, with --allow-unsafe")


def _probe_isolating(name: str) -> Probe:
    try:
        with _ISOLATING[name](Spec()) as sandbox:
            result = sandbox.exec(["cat", "/proc/self/status", "/proc/net/dev"], timeout=30)
            unenforced = sandbox.unenforced
    except MlgymSynthError as error:
        return Probe(name, False, True, str(error))
    fields = [line.split() for line in result.output.splitlines()]
    users = [field[1:] for field in fields if field[:1] == ["Uid:"]]
    networks = {field[0] for field in fields if len(field) == 17 and field[0].endswith(":")}
    if result.exit_code != 0 or len(users) != 1 or "0" in users[0] or networks - {"lo:"}:
        return Probe(name, False, True, f"started, but does not isolate: {result.output[:200]}")
    detail = f"limited only in part: {unenforced}" if unenforced else "all limits are enforced"
    return Probe(name, True, True, detail)
