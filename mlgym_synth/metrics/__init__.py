"""Metrics and the parser of submissions: one definition for our grader and for MLGym's `evaluate.py`."""
