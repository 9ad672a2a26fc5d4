"""What ships in task_configs/ is whole, certified, and MLGym's."""

from __future__ import annotations

import pytest

from mlgym_synth.datasets.prepare import prepare
from mlgym_synth.tasks.registration import suite_folders
from mlgym_synth.tasks.suite import Suite, Task

TASKS = [task for folder in suite_folders() for task in Suite.open(folder)]
CATEGORIES = {
    "data science",
    "vision",
    "language",
    "games",
    "reinforcement learning",
    "algorithmic heuristics",
}


def test_smoke_has_a_task_of_every_category() -> None:
    assert {task.recipe.category for task in TASKS} == CATEGORIES


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.id)
def test_the_certificate_fits_the_task(task: Task) -> None:
    certificate = task.certificate
    assert certificate is not None, "the task has changed since it was certified: run mlgym-synth verify"
    assert certificate.certified and not certificate.provisional and certificate.seeds >= 3
    anchors = certificate.anchors
    assert anchors is not None
    sign = 1 if anchors.direction == "max" else -1
    assert sign * anchors.floor < sign * anchors.baseline < sign * anchors.reference
    assert len(certificate.gaps) == 2 and all(gap.low > 0 for gap in certificate.gaps)
    assert task.config.baseline_scores == [{anchors.metric: anchors.baseline}]


@pytest.mark.parametrize("task", [task for task in TASKS if task.recipe.data], ids=lambda task: task.id)
def test_the_data_is_made_from_the_recipe(task: Task) -> None:
    prepared = prepare(task.recipe)
    assert {path.name for path in prepared.public.iterdir()} == {"train.csv", "test.csv"}
    ids = [line.split(",")[0] for line in task.files.starter["sample_submission.csv"].decode().splitlines()[1:]]
    assert ids == prepared.labels().ids
