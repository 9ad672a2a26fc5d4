"""Rollouts: many episodes, journalled so that a run can be stopped at any moment and resumed."""

from mlgym_synth.rollouts.results import EpisodeResult, RunPlan, RunResult, load_run
from mlgym_synth.rollouts.run import Event, rollout

__all__ = ["EpisodeResult", "Event", "RunPlan", "RunResult", "load_run", "rollout"]
