"""Every verb on the shipped smoke suite, as a user runs it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from cli_support import Cli

from mlgym_synth.tasks.registration import shipped_data
from mlgym_synth.tasks.suite import Suite

SMOKE = Suite.open(shipped_data() / "task_configs" / "smoke")
TASK = next(task for task in SMOKE if task.recipe.family == "text-classification")


def done(cli: Cli, *arguments: object) -> str:
    result = cli(*arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def test_help_of_every_verb_shows_an_example(cli: Cli) -> None:
    for verb in (
        ["quickstart"],
        ["synthesize"],
        ["families"],
        ["prepare"],
        ["verify"],
        ["tasks", "list"],
        ["tasks", "show"],
        ["rollout"],
        ["evaluate"],
        ["report"],
        ["distill"],
        ["export", "mlgym"],
        ["doctor"],
    ):
        text = done(cli, *verb, "--help")
        assert "Example" in text and f"mlgym-synth {' '.join(verb)}" in " ".join(text.split()), verb


def test_tasks_are_listed_and_shown(cli: Cli) -> None:
    listed = json.loads(done(cli, "tasks", "list", "smoke", "--json"))
    assert [record["task"] for record in listed] == SMOKE.ids
    assert all(record["certified"] for record in listed)
    shown = json.loads(done(cli, "tasks", "show", TASK.id, "--json"))
    assert shown["content_hash"] == TASK.content_hash and "submission.csv" in shown["description"]
    assert "## Submission format" in done(cli, "tasks", "show", TASK.id)
    assert TASK.id in done(cli, "tasks", "list")


def test_prepare_says_where_the_data_is(cli: Cli) -> None:
    folders = json.loads(done(cli, "prepare", "smoke", "--json"))
    assert set(folders) == {task.id for task in SMOKE if task.recipe.data}
    assert all((Path(folder) / "train.csv").is_file() for folder in folders.values())


def test_doctor_names_every_sandbox(cli: Cli) -> None:
    result = cli("doctor", "--json")
    found = {finding["what"]: finding["usable"] for finding in json.loads(result.stdout)}
    assert {"sandbox: bubblewrap", "sandbox: process", "container engine", "Hugging Face Hub", "Ray"} <= set(found)
    assert result.returncode == (0 if found["sandbox: bubblewrap"] else 1)


@pytest.mark.isolated
def test_verify_measures_the_same_anchors_again_and_writes_nothing_if_told(cli: Cli) -> None:
    before = TASK.certificate_path.read_bytes()
    arguments = ("verify", "smoke", "--ids", TASK.id, "--no-write")
    (certificate,) = json.loads(done(cli, *arguments, "--json"))
    assert TASK.certificate is not None and TASK.certificate.anchors is not None
    anchors = TASK.certificate.anchors
    for name in ("floor", "baseline", "reference"):
        assert certificate["anchors"][name] == pytest.approx(getattr(anchors, name), abs=0.02), name
    assert TASK.certificate_path.read_bytes() == before


@pytest.mark.isolated
def test_verify_fresh_finds_a_certificate_that_claims_too_much(cli: Cli, tmp_path: Path) -> None:
    suite = tmp_path / "suite"
    shutil.copytree(SMOKE.path, suite)
    task = Suite.open(suite).task(TASK.id)
    assert json.loads(done(cli, "verify", str(suite), "--resume", "--json")) == [], "all have verdicts"
    arguments = ("verify", str(suite), "--ids", TASK.id, "--fresh", "--json")
    done(cli, *arguments)
    certificate = task.certificate
    assert certificate is not None and certificate.anchors is not None
    anchors = certificate.anchors
    claimed = anchors.model_copy(update={"floor": 2 * anchors.floor - anchors.reference})
    certificate.model_copy(update={"anchors": claimed}).write(task.certificate_path)
    before = task.certificate_path.read_bytes()
    result = cli(*arguments)
    assert (result.returncode, TASK.id in result.stderr) == (1, True)
    assert task.certificate_path.read_bytes() == before


@pytest.mark.isolated
def test_from_a_rollout_to_a_report_and_training_data(cli: Cli, tmp_path: Path) -> None:
    arguments = ("rollout", "--tasks", "smoke", "--ids", TASK.id, "--samples", "1", "--out", "run")
    (episode,) = json.loads(done(cli, *arguments, "--json"))
    assert episode["outcome"] == "submitted" and episode["reward"] > 0
    again = cli(*arguments)
    assert again.returncode == 2 and "--resume" in again.stderr, "a run is not overwritten"
    assert json.loads(done(cli, *arguments, "--resume", "--json")) == [episode], "nothing is run twice"

    evaluation = json.loads(done(cli, "evaluate", "run", "--json"))
    assert set(evaluation["aup"]["best"]) == {"agent", "baseline"}
    done(cli, "report", "run", "--figure", "profiles.png")
    assert TASK.id in (tmp_path / "run" / "report.html").read_text()
    assert (tmp_path / "profiles.png").read_bytes().startswith(b"\x89PNG")
    funnel = json.loads(done(cli, "distill", "run", "--out", "data", "--json"))
    assert funnel
    (line,) = (tmp_path / "data" / "train.jsonl").read_text().splitlines()
    assert json.loads(line)["messages"][0]["role"] == "system"
