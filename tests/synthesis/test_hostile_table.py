"""A table whose names and cells are code, markup and line ends is data: in scripts, in CSV and in the evaluator."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from mlgym_synth.datasets.prepare import prepare
from mlgym_synth.environment.grader import Grader
from mlgym_synth.synthesis.templates.table import table_draft

TARGET = "t'\"\\, {{ 7*7 }}\n</pre>"
LABELS = ["'''", '"""\n{{ x }}', "a,\u2028b\x85", "{% raw %}<script>"]
FEATURES = ['"""\nopen("owned", "w")\n"""', "{% for i in x %}", "x\ny: {}", "'; open('owned', 'w') #", "id", "<b>\\"]


@pytest.fixture(params=["label", "number"])
def table(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    generator = np.random.default_rng(3)
    frame = pd.DataFrame(generator.normal(size=(200, len(FEATURES))), columns=FEATURES)
    place = (frame[FEATURES[0]] > 0).astype(int) * 2 + (frame[FEATURES[1]] > 0)
    frame[TARGET] = place.map(dict(enumerate(LABELS))) if request.param == "label" else frame.sum(axis=1)
    path = tmp_path / 'it\'s {{ x }}\n""".csv'
    frame.to_csv(path, index=False)
    return path


def test_a_hostile_table_becomes_a_task_like_any_other(table: Path, tmp_path: Path) -> None:
    files = table_draft("hostile", table, TARGET, salt="salt")
    grader, prepared = Grader(files), prepare(files.recipe)
    workspace = tmp_path / "workspace"
    shutil.copytree(prepared.public, workspace / "data")
    shutil.copy(prepared.labels_path, workspace / "data")
    for name, content in files.starter.items():
        (workspace / name).write_bytes(content)

    def python(*arguments: str) -> bytes:
        return subprocess.run([sys.executable, *arguments], cwd=workspace, check=True, capture_output=True).stdout

    python("baseline.py")
    for name in ("submission.csv", "sample_submission.csv"):
        ours = grader.evaluate((workspace / name).read_bytes(), "private").score
        printed = json.loads(python("evaluate.py", "--submission_file", name))
        assert printed == {files.recipe.scoring.metric: pytest.approx(ours)}
    assert not list(workspace.rglob("owned"))
