"""From the trajectories of runs to training data."""

from mlgym_synth.distillation.export import distill
from mlgym_synth.distillation.filter import Funnel, Rule

__all__ = ["Funnel", "Rule", "distill"]
