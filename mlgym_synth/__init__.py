"""mlgym-synth makes machine-learning research tasks and proves them sound.

>>> import gymnasium as gym, mlgym_synth
>>> env = gym.make("mlgym-synth/<id>")  # doctest: +SKIP
"""

from mlgym_synth.tasks.registration import register_default_suites, register_suite

__version__ = "0.1.0"
__all__ = ["__version__", "register_suite"]

register_default_suites()
