from toy_runs import add_task, make_run  # noqa: F401  (fixtures)
