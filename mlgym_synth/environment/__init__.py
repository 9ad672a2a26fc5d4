"""The Gymnasium environment, the grader, and the boxes in which code submissions are scored."""

from mlgym_synth.environment.env import TaskEnv

__all__ = ["TaskEnv"]
