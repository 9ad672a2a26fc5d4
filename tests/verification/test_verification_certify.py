"""Whole certificates: of sound tasks, and of copies that are broken in one place each."""

from __future__ import annotations

import tempfile

import pytest

from mlgym_synth.errors import InputError
from mlgym_synth.tasks.certificate import Certificate
from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.verification.certify import certify

CSV_CHECKS = [
    "yaml",
    "files",
    "description",
    "scoring",
    "licence",
    "imports",
    "data",
    "decontamination",
    "labels",
    "isolation",
    "baseline",
    "reference",
    "no submission",
    "controls",
    "floor to baseline",
    "baseline to reference",
    "room above the reference",
    "adversaries",
    "disguise",
    "repeatability",
    "parity",
]


def certify_here(task, seeds=1) -> Certificate:
    """Certifies without isolation: what these tests break does not need it, and they run everywhere."""
    return certify(task, provider="process", seeds=seeds, allow_unsafe=True)


def bad(certificate: Certificate) -> dict[str, Verdict]:
    return {
        check.name: check.verdict
        for check in certificate.checks
        if check.verdict not in (Verdict.PASS, Verdict.SKIPPED)
    }


@pytest.mark.isolated
@pytest.mark.parametrize("kind", ["csv_files", "code_files"])
def test_sound_task_is_certified(kind, request, store):
    stages = []
    task = store(request.getfixturevalue(kind))
    certificate = certify(task, seeds=2, on_event=stages.append)
    assert certificate.reasons == []
    assert certificate.certified
    assert not certificate.provisional
    rows = {"adversaries", "disguise"}  # there are none where the submission is code
    expected = [name for name in CSV_CHECKS if kind == "csv_files" or name not in rows]
    assert [check.name for check in certificate.checks] == expected
    assert all(check.verdict is Verdict.PASS for check in certificate.checks)
    assert all("\n" not in check.detail for check in certificate.checks)
    anchors = certificate.anchors
    assert anchors.floor < anchors.baseline < anchors.reference < 1
    assert stages[-1] == "parity"
    certificate.write(task.certificate_path)
    assert task.certificate == certificate


@pytest.mark.isolated
def test_repeated_certification_gives_the_same_evidence(csv_files, store):
    task = store(csv_files)
    first, second = certify(task, seeds=2), certify(task, seeds=2)
    assert (first.anchors, first.gaps) == (second.anchors, second.gaps)
    assert [(check.name, check.verdict) for check in first.checks] == [
        (check.name, check.verdict) for check in second.checks
    ]


def test_without_isolation_the_certificate_is_provisional(csv_files, store):
    certificate = certify_here(store(csv_files), seeds=3)
    assert certificate.certified
    assert certificate.provisional
    assert certificate.provider == "process"
    verdicts = {check.name: check.verdict for check in certificate.checks}
    assert verdicts["isolation"] is Verdict.SKIPPED
    by_name = {control.name: control for control in certificate.controls}
    assert len(by_name["baseline"].scores) == 3
    assert len(set(by_name["baseline"].scores)) > 1, "the seed reaches the baseline"
    assert {"majority label", "random draws", "sample submission", "shuffled sample"} < by_name.keys()


def test_certificate_does_not_outlive_a_change_of_the_task(code_files, store):
    task = store(code_files)
    certify_here(task).write(task.certificate_path)
    assert task.certificate is not None
    changed = type(task)(task.id, task.suite)
    (task.suite / "hidden" / task.id / "judge.py").write_bytes(code_files.hidden["judge.py"] + b"# changed\n")
    assert changed.certificate is None


@pytest.mark.parametrize(
    ("script", "verdict", "said"),
    [
        ("raise OSError('no luck')", Verdict.FAIL, "no luck"),
        ("import os; os._exit(3)", Verdict.FAIL, "exit code 3"),
        ("import os; os.kill(os.getppid(), 9)", Verdict.FAIL, "ended"),
        ("print('done')", Verdict.FAIL, "submission.csv"),
        ("open('submission.csv', 'w').write('id,digit')", Verdict.FAIL, "no prediction"),
        ("import os; os.symlink('/etc/hostname', 'submission.csv')", Verdict.FAIL, "submission.csv"),
        ("import time; time.sleep(600)", Verdict.TIMEOUT, "stopped"),
        ("import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(600)", Verdict.TIMEOUT, "stopped"),
    ],
)
def test_baseline_that_does_not_work_fails(script, verdict, said, csv_files, store):
    limits = csv_files.recipe.limits.model_copy(update={"action_seconds": 6.0})
    recipe = csv_files.recipe.model_copy(update={"limits": limits})
    certificate = certify_here(store(csv_files, starter={"baseline.py": script}, recipe=recipe))
    assert bad(certificate)["baseline"] is verdict
    assert said in next(check.detail for check in certificate.checks if check.name == "baseline")
    assert not certificate.certified
    assert certificate.anchors is None


def test_missing_baseline_fails(csv_files, store):
    certificate = certify_here(store(csv_files, starter={"baseline.py": None}))
    assert bad(certificate) == {"files": Verdict.FAIL}, certificate.reasons


def test_constant_baseline_fails(csv_files, store):
    script = "import shutil\nshutil.copy('sample_submission.csv', 'submission.csv')\n"
    certificate = certify_here(store(csv_files, starter={"baseline.py": script}))
    assert bad(certificate) == {"floor to baseline": Verdict.FAIL}, certificate.reasons


def test_reference_that_is_the_baseline_fails(csv_files, store):
    same = csv_files.starter["baseline.py"].decode() + "# as a reference\n"
    certificate = certify_here(store(csv_files, hidden={"reference.py": same}))
    assert bad(certificate) == {"baseline to reference": Verdict.FAIL}, certificate.reasons


def test_reference_at_the_limit_fails(code_files, store):
    perfect = "def guess(history):\n    return history['hint']\n"
    certificate = certify_here(store(code_files, hidden={"reference.py": perfect}))
    assert bad(certificate) == {"room above the reference": Verdict.FAIL}, certificate.reasons


def test_labels_in_the_workspace_fail(csv_files, store):
    from mlgym_synth.datasets.prepare import prepare

    labels = prepare(csv_files.recipe).labels()
    rows = "".join(f"{key},{target}\n" for key, target in zip(labels.ids, labels.targets, strict=True))
    certificate = certify_here(store(csv_files, starter={"notes.csv": f"row,seen\n{rows}"}))
    assert bad(certificate) == {"labels": Verdict.FAIL}, certificate.reasons


def test_judge_in_the_workspace_fails(code_files, store):
    judge = code_files.hidden["judge.py"].decode()
    certificate = certify_here(store(code_files, starter={"simulate.py": f"import policy\n{judge}\nprint(CASES)\n"}))
    assert bad(certificate) == {"labels": Verdict.FAIL}, certificate.reasons


@pytest.mark.parametrize("kind", ["csv_files", "code_files"])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("def main() -> None:\n", "def main() -> None:\n    sys.stderr.write('a warning\\n')\n"),
        ("    print(json.dumps(", "    print('scored:'); print(json.dumps("),
        ('"private"', '"public"'),
    ],
)
def test_evaluator_that_disagrees_fails(kind, old, new, request, store):
    files = request.getfixturevalue(kind)
    source = files.starter["evaluate.py"].decode()
    assert old in source
    certificate = certify_here(store(files, starter={"evaluate.py": source.replace(old, new)}))
    assert bad(certificate) == {"parity": Verdict.FAIL}, certificate.reasons


def test_evaluator_that_trusts_a_score_column_fails(csv_files, store):
    trusting = """
import csv
rows = list(csv.DictReader(open("submission.csv")))
if rows and "accuracy" in rows[0]:
    print(json.dumps({"accuracy": float(rows[0]["accuracy"])}))
    sys.exit()
"""
    source = csv_files.starter["evaluate.py"].decode()
    source = source.replace('if __name__ == "__main__":', f'{trusting}\nif __name__ == "__main__":')
    certificate = certify_here(store(csv_files, starter={"evaluate.py": source}))
    assert bad(certificate) == {"parity": Verdict.FAIL}, certificate.reasons


@pytest.mark.parametrize("lucky", ["0.01 * chance", "(0.01 * chance if guess == 0 else 0)"])
def test_judge_that_scores_by_chance_fails(lucky, code_files, store):
    chance = "import random\n\nchance = random.SystemRandom().random()\n"
    judge = code_files.hidden["judge.py"].decode().replace("/ 50)", f"/ 50 - {lucky})")
    assert lucky in judge
    certificate = certify_here(store(code_files, hidden={"judge.py": chance + judge}))
    assert bad(certificate)["repeatability"] is Verdict.FAIL


def test_judge_that_breaks_fails_and_is_no_infrastructure_error(code_files, store):
    certificate = certify_here(store(code_files, hidden={"judge.py": "def judge(part, call):\n    return 1 / 0\n"}))
    assert Verdict.FAIL in bad(certificate).values()
    assert Verdict.ERROR not in bad(certificate).values()


def test_control_that_the_judge_refuses_fails(code_files, store):
    certificate = certify_here(store(code_files, hidden={"controls/zero.py": "def guess(history):\n    return None\n"}))
    assert bad(certificate)["controls"] is Verdict.FAIL


def test_task_that_cannot_be_read_fails(csv_files, store):
    task = store(csv_files)
    (task.suite / "recipes" / f"{task.id}.yaml").write_text("id: [")
    certificate = certify_here(task)
    assert bad(certificate) == {"yaml": Verdict.FAIL}, certificate.reasons
    assert not certificate.certified


def test_changed_data_is_an_error_and_no_failure_of_the_task(csv_files, store):
    recipe = csv_files.recipe.model_copy(deep=True)
    recipe.data.files["test.csv"] = "0" * 64
    certificate = certify_here(store(csv_files, recipe=recipe))
    assert bad(certificate) == {"data": Verdict.ERROR}, certificate.reasons


def test_broken_sandbox_is_an_error_and_no_failure_of_the_task(csv_files, store, monkeypatch, tmp_path):
    task = store(csv_files)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone" / "gone"))
    certificate = certify_here(task)
    assert set(bad(certificate).values()) == {Verdict.ERROR}
    assert not certificate.certified


def test_unsafe_provider_has_to_be_allowed(csv_files, store):
    with pytest.raises(InputError):
        certify(store(csv_files), provider="process")
