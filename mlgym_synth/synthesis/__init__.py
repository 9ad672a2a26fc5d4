"""From topics to a suite of certified tasks."""
