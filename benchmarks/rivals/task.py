"""The task of the benchmark: 2,000 training rows, 1,000 test rows, as a suite of ours and as a task of MLGym's."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

from mlgym_synth.datasets.prepare import make_data, prepare
from mlgym_synth.synthesis.assemble import csv_task
from mlgym_synth.tasks.mlgym_yaml import DatasetConfig
from mlgym_synth.tasks.recipe import CsvSubmission, Limits, Split
from mlgym_synth.tasks.suite import Suite, Task

TRAIN_ROWS, TEST_ROWS = 2000, 1000
_LIMITS = Limits(validations=10**9, episode_seconds=86400.0)
_BASELINE = "import shutil\n\nshutil.copy('sample_submission.csv', 'submission.csv')\n"


def make_task(folder: Path) -> Task:
    """A suite of one task: whether x > y.

    Args:
        folder: Where to; must exist.
    """
    numbers = random.Random(0)
    rows = [(numbers.random(), numbers.random()) for _ in range(TRAIN_ROWS + TEST_ROWS)]
    table = folder / "table.csv"
    table.write_text("x,y,target\n" + "".join(f"{x:.6f},{y:.6f},{'yes' if x > y else 'no'}\n" for x, y in rows))
    split = Split(salt="benchmark", test_rows=TEST_ROWS, public_rows=TEST_ROWS // 2)
    data, prepared = make_data("file/table", {"path": str(table)}, [], "target", "label", split)
    files = csv_task(
        task_id="benchmark",
        family="benchmark",
        category="data science",
        title="Benchmark",
        knobs={},
        goal="Say whether x > y.",
        columns="`x` and `y` are numbers.",
        data=data,
        prepared=prepared,
        submission=CsvSubmission(target_kind="label", labels=["no", "yes"]),
        metric="accuracy",
        baseline=_BASELINE,
        reference=_BASELINE,
        limits=_LIMITS,
    )
    return Suite.create(folder / "suite", "benchmark", "benchmark").add(files)


def make_mlgym_task(task: Task, folder: Path) -> Path:
    """The same task for stock MLGym, by absolute paths, so that no checkout is written to.

    Returns:
        Its YAML file.
    """
    prepared = prepare(task.recipe)
    data = folder / "data"
    shutil.copytree(prepared.public, data)
    shutil.copyfile(prepared.labels_path, data / "labels.csv")  # MLGym evaluates beside the agent
    starter = task.suite / "data" / task.id
    DatasetConfig(name=task.id, description="x and y", data_path=str(data), is_local=True).write(folder / "data.yaml")
    config = task.config.model_copy(
        update={
            "starter_code": [str(starter / name) for name in task.files.starter],
            "sample_submission": str(starter / "sample_submission.csv"),
            "dataset_configs": [str(folder / "data.yaml")],
            "baseline_scores": [{"accuracy": 0.5}],
        }
    )
    config.write(folder / "benchmark.yaml")
    return folder / "benchmark.yaml"
