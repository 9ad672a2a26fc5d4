"""Registers suites with Gymnasium from their indexes alone, so that a thousand tasks do not slow an import."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from gymnasium.envs.registration import EnvSpec, register, registry

from mlgym_synth.errors import InputError
from mlgym_synth.tasks.index import INDEX, read_index

_LOG = logging.getLogger(__name__)

NAMESPACE = "mlgym-synth"
ENTRY_POINT = "mlgym_synth.environment:TaskEnv"
VECTOR_ENTRY_POINT = "mlgym_synth.environment:TaskVectorEnv"
SUITES_VARIABLE = "MLGYM_SYNTH_SUITES"


def shipped_data() -> Path:
    """The folder that holds `task_configs/`, `agent_configs/` and `env_images/`: a checkout's root or the wheel's."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parent
    return checkout if (checkout / "pyproject.toml").is_file() else package / "_data"


def suite_folders() -> list[Path]:
    """The suites that are registered on import: the shipped ones, then those of `MLGYM_SYNTH_SUITES`."""
    shipped = shipped_data() / "task_configs"
    folders = sorted(index.parent for index in shipped.glob(f"*/{INDEX}"))
    named = os.environ.get(SUITES_VARIABLE, "")
    return folders + [Path(part).expanduser() for part in named.split(os.pathsep) if part]


def register_suite(path: Path | str) -> list[str]:
    """Registers every task of a suite folder as `mlgym-synth/<id>`.

    Args:
        path: The suite's folder.

    Returns:
        The registered Gymnasium ids. An id that is already there is registered anew, from this folder.

    Raises:
        InputError: If the folder is no suite.
    """
    folder = Path(path).resolve()
    ids = []
    for task_id in read_index(folder)["tasks"]:
        name = f"{NAMESPACE}/{task_id}"
        registry.pop(name, None)
        register(
            id=name,
            entry_point=ENTRY_POINT,
            vector_entry_point=VECTOR_ENTRY_POINT,
            kwargs={"task_id": task_id, "suite": str(folder)},
            order_enforce=True,
        )
        ids.append(name)
    return ids


def register_default_suites() -> None:
    """Registers the suites of `suite_folders`. One that cannot be read is told of, and does not prevent the import."""
    for folder in suite_folders():
        try:
            register_suite(folder)
        except InputError as error:
            _LOG.warning("a suite is left out: %s; see %s", error, SUITES_VARIABLE)


def registered() -> dict[str, EnvSpec]:
    """All registered tasks by their id, without the namespace."""
    prefix = f"{NAMESPACE}/"
    return {name.removeprefix(prefix): spec for name, spec in registry.items() if name.startswith(prefix)}
