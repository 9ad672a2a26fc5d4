"""What a run is worth: AUP as MLGym computes it, a row per task, figures, and a report in one page."""

from mlgym_synth.evaluation.aup import Profiles, aup, performance_profiles
from mlgym_synth.evaluation.results import Evaluation, TaskResult, evaluate

__all__ = ["Evaluation", "Profiles", "TaskResult", "aup", "evaluate", "performance_profiles"]
