"""The Gymnasium environments, the grader, and the boxes in which code submissions are scored."""

from mlgym_synth.environment.env import TaskEnv
from mlgym_synth.environment.vector import TaskVectorEnv

__all__ = ["TaskEnv", "TaskVectorEnv"]
