"""The command line: a thin layer over the Python API, one function per verb."""

from mlgym_synth.cli import doctor, evaluate, export, quickstart, rollout, synthesize, tasks, verify
from mlgym_synth.cli.app import app
from mlgym_synth.cli.console import run

__all__ = ["app", "doctor", "evaluate", "export", "main", "quickstart", "rollout", "synthesize", "tasks", "verify"]


def main() -> None:
    """Entry point of `mlgym-synth`."""
    run(app)
