"""Suites as tasks of an MLGym checkout."""

from mlgym_synth.mlgym.export import export_suite, remove_suite

__all__ = ["export_suite", "remove_suite"]
