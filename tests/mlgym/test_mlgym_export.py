import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mlgym_synth.errors import InputError
from mlgym_synth.files import sha256
from mlgym_synth.mlgym import export_suite, remove_suite
from mlgym_synth.tasks.mlgym_yaml import DatasetConfig, TaskConfig


def tree(root):
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def test_every_path_of_the_configs_is_there(suite, checkout):
    written = export_suite(suite, checkout)
    assert {str(path.relative_to(checkout)) for path in written} == tree(checkout).keys() - {
        "run.py",
        "configs/tasks/battleOfSexes.yaml",
        "data/battleOfSexes/strategy.py",
        ".mlgym-synth/toys.json",
    }
    for task_id in suite.ids:
        config = TaskConfig.read(checkout / "configs" / "tasks" / f"{task_id}.yaml")
        workspace = {Path(name).name for name in config.starter_code}
        for name in config.starter_code + [config.sample_submission] * bool(config.sample_submission):
            assert (checkout / name).is_file()
        assert set(config.evaluation_paths + config.baseline_paths) <= workspace
        for name in config.dataset_configs:
            dataset = DatasetConfig.read(checkout / "configs" / name)
            assert dataset.is_local
            assert sorted(path.name for path in (checkout / dataset.data_path).iterdir()) == [
                "labels.csv",
                "test.csv",
                "train.csv",
            ]


def test_baseline_scores_come_from_the_certificate_and_nothing_else_changes(suite, checkout):
    export_suite(suite, checkout)
    exported = TaskConfig.read(checkout / "configs" / "tasks" / "wine-cultivars.yaml")
    assert exported.baseline_scores == [{"accuracy": 0.4}]
    ours = suite.task("wine-cultivars").config.to_mapping()
    theirs = exported.to_mapping()
    del theirs["baseline_scores"]
    ours.pop("baseline_scores", None)
    assert theirs == ours


def test_hidden_files_stay_behind(suite, checkout):
    export_suite(suite, checkout)
    names = {Path(name).name for name in tree(checkout)}
    assert not names & {"reference.py", "judge.py", "zero.py"}


def test_the_exported_evaluator_scores_the_exported_baseline(suite, checkout, tmp_path):
    export_suite(suite, checkout, ["wine-cultivars"])
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    source = checkout / "data" / "wine-cultivars"
    for name in ("baseline.py", "evaluate.py"):
        (workspace / name).write_bytes((source / name).read_bytes())
    (workspace / "data").symlink_to(source / "data")
    subprocess.run([sys.executable, "baseline.py"], cwd=workspace, check=True)
    command = [sys.executable, "evaluate.py", "--submission_file", "submission.csv"]
    output = subprocess.run(command, cwd=workspace, check=True, capture_output=True, text=True)
    score = json.loads(output.stdout + output.stderr)
    labels = [line.split(",") for line in (source / "data" / "labels.csv").read_text().splitlines()[1:]]
    private = [target for _, target, part in labels if part == "private"]
    assert score == {"accuracy": pytest.approx(private.count("class_0") / len(private))}


def test_exporting_again_changes_nothing_and_removing_leaves_no_trace(suite, checkout):
    before = tree(checkout)
    export_suite(suite, checkout)
    after = tree(checkout)
    export_suite(suite, checkout)
    assert tree(checkout) == after
    removed = remove_suite(suite, checkout)
    assert tree(checkout) == before
    assert len(removed) == len(after) - len(before) - 1  # the manifest is not counted
    assert not (checkout / "data" / "wine-cultivars").exists()
    assert not (checkout / ".mlgym-synth").exists()


def test_a_part_of_a_suite_and_then_the_rest(suite, checkout):
    export_suite(suite, checkout, ["counting-game"])
    assert not (checkout / "configs/tasks/wine-cultivars.yaml").exists()
    export_suite(suite, checkout, ["wine-cultivars"])
    manifest = json.loads((checkout / ".mlgym-synth/toys.json").read_text())
    assert set(manifest["tasks"]) == {"counting-game", "wine-cultivars"}
    for files in manifest["tasks"].values():
        assert all(sha256((checkout / path).read_bytes()) == digest for path, digest in files.items())


def test_a_task_that_lost_a_file_loses_it_in_the_checkout(suite, checkout):
    export_suite(suite, checkout)
    files = suite.task("counting-game").files
    smaller = type(files)(files.config, files.recipe, None, {"policy.py": b""}, files.hidden, files.dockerfile)
    old = suite.task("counting-game").certificate
    suite.add(smaller, old.model_copy(update={"content_hash": smaller.content_hash}))
    export_suite(suite, checkout)
    assert [path.name for path in (checkout / "data/counting-game").iterdir()] == ["policy.py"]


@pytest.mark.parametrize("path", ["configs/tasks/wine-cultivars.yaml", "data/wine-cultivars/data/train.csv"])
def test_a_file_of_somebody_else_is_neither_overwritten_nor_removed(suite, checkout, path):
    (checkout / path).parent.mkdir(parents=True, exist_ok=True)
    (checkout / path).write_text("mine\n")
    before = tree(checkout)
    with pytest.raises(InputError, match=f"{Path(path).name} was not written by mlgym-synth"):
        export_suite(suite, checkout)
    assert tree(checkout) == before
    with pytest.raises(InputError, match="holds no tasks of the suite 'toys'"):
        remove_suite(suite, checkout)


def test_a_file_that_was_edited_since_stops_both(suite, checkout):
    export_suite(suite, checkout)
    path = checkout / "data/counting-game/policy.py"
    path.write_text("edited\n")
    before = tree(checkout)
    for act in (export_suite, remove_suite):
        with pytest.raises(InputError, match=r"policy\.py was not written by mlgym-synth, or was changed since"):
            act(suite, checkout)
        assert tree(checkout) == before
    path.unlink()
    remove_suite(suite, checkout)
    assert not path.parent.exists()


def test_a_link_in_place_of_a_file_is_not_followed(suite, checkout, tmp_path):
    target = tmp_path / "precious"
    (checkout / "configs/tasks/wine-cultivars.yaml").symlink_to(target)
    with pytest.raises(InputError, match="is not a regular file"):
        export_suite(suite, checkout)
    assert not target.exists()


def test_a_folder_that_is_no_checkout_is_refused(suite, tmp_path):
    for act in (export_suite, remove_suite):
        with pytest.raises(InputError, match=r"not an MLGym checkout: it has no run\.py"):
            act(suite, tmp_path)


def test_a_task_without_certificate_is_refused_before_anything_is_written(suite, checkout):
    files = suite.task("counting-game").files
    suite.add(type(files)(files.config, files.recipe, None, {**files.starter, "new.py": b""}, files.hidden))
    before = tree(checkout)
    with pytest.raises(InputError, match="counting-game has no certificate that fits it"):
        export_suite(suite, checkout)
    assert tree(checkout) == before


@pytest.mark.parametrize("name", ["../outside", "", "..", "a/b", ".hidden"])
def test_a_hostile_suite_name_stays_in_its_folder(suite, checkout, tmp_path, name):
    suite.index["name"] = name
    with pytest.raises(InputError, match="cannot name a file"):
        export_suite(suite, checkout)
    assert not (tmp_path / "outside.json").exists()


def test_a_hostile_manifest_removes_nothing_outside(suite, checkout, tmp_path):
    (tmp_path / "precious").write_text("mine")
    hostile = {"suite": "toys", "tasks": {"t": {"../precious": sha256(b"mine")}}}
    (checkout / ".mlgym-synth").mkdir()
    (checkout / ".mlgym-synth/toys.json").write_text(json.dumps(hostile))
    with pytest.raises(InputError, match=r"toys\.json is damaged"):
        remove_suite(suite, checkout)
    assert (tmp_path / "precious").exists()


LOAD = """
import sys
from mlgym.environment.tasks import TaskConfig
from mlgym import CONFIG_DIR
for task_id in sys.argv[1:]:
    config = TaskConfig.load_yaml(CONFIG_DIR / "tasks" / f"{task_id}.yaml")
    docs = "".join(dataset.description for dataset in config._datasets)
    print(config.id, config.baseline_scores, config.description.format(dataset_docs=docs).count("{"))
"""


@pytest.mark.mlgym
def test_mlgym_itself_loads_the_exported_tasks(suite):
    root = Path(os.environ["MLGYM_ROOT"])
    export_suite(suite, root)
    try:
        command = [sys.executable, "-c", LOAD, *suite.ids]
        environment = {**os.environ, "PYTHONPATH": str(root), "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
        output = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=False)
        assert output.returncode == 0, output.stderr
        for task_id in suite.ids:
            assert f"{task_id} [{{" in output.stdout
    finally:
        remove_suite(suite, root)
