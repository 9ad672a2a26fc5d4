"""The checks that a task has to pass before anyone is measured on it."""
