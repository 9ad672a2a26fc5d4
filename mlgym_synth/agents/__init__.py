"""Agents: who acts on a task. They see prompts and observations, and answer with shell commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from mlgym_synth.agents.human import HumanAgent, HumanConfig
from mlgym_synth.agents.play import Action, Moves, Policy, play
from mlgym_synth.agents.protocol import Agent, Environment
from mlgym_synth.agents.reference import ReferenceAgent, ReferenceConfig
from mlgym_synth.errors import unknown_name
from mlgym_synth.tasks.registration import shipped_data
from mlgym_synth.tasks.yaml_files import misfit, read_yaml

__all__ = [
    "AGENTS",
    "Action",
    "Agent",
    "Environment",
    "HumanAgent",
    "HumanConfig",
    "Moves",
    "Policy",
    "ReferenceAgent",
    "ReferenceConfig",
    "make_agent",
    "play",
]

AGENTS: dict[str, Callable[[dict[str, Any]], Agent]] = {
    "human": lambda settings: HumanAgent(HumanConfig.model_validate(settings)),
    "reference": lambda settings: ReferenceAgent(ReferenceConfig.model_validate(settings)),
}
"""From an agent's name to what makes it from its settings."""


def make_agent(name: str, config: Path | None = None) -> Agent:
    """Makes an agent.

    Args:
        name: One of `AGENTS`.
        config: YAML file of its settings; the shipped `agent_configs/<name>.yaml`, if there is one, if None.

    Raises:
        InputError: If there is no such agent, or its settings do not fit.
    """
    if name not in AGENTS:
        raise unknown_name("agent", name, list(AGENTS))
    shipped = shipped_data() / "agent_configs" / f"{name}.yaml"
    path = config or (shipped if shipped.is_file() else None)
    settings = read_yaml(path) if path else None
    try:
        return AGENTS[name](settings or {})
    except ValidationError as error:
        raise misfit(error, str(path), f"use the settings of {name}") from error
