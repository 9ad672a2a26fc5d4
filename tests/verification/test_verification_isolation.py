"""The probes: they find what can be reached where nothing isolates, and nothing where something does."""

from __future__ import annotations

import json
import runpy
import socket
import subprocess
import sys

import pytest

from mlgym_synth.sandboxes import Spec, create
from mlgym_synth.tasks.outcomes import Verdict
from mlgym_synth.verification import isolation
from mlgym_synth.verification.isolation import check_isolation

PROBES = isolation.PROBES


def test_probe_notices_an_open_network():
    with socket.create_server(("127.0.0.1", 0)) as server:
        reached = runpy.run_path(str(PROBES / "isolation_probe.py"))["network"](server.getsockname()[1])
    assert "the host's loopback" in reached


def test_probe_notices_tables_of_scikit_learn():
    script = (PROBES / "tables_probe.py").read_text()
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {"load_breast_cancer", "load_digits", "load_iris", "load_sample_image"} <= set(json.loads(done.stdout))


@pytest.mark.isolated
@pytest.mark.parametrize("name", ["labels.csv", "judge.py", "reference.py"])
def test_hidden_file_that_is_shown_is_found(name, code_files, store):
    check = check_isolation(store(code_files, starter={f"folder/{name}": "x"}), None, "auto", allow_unsafe=False)
    assert check.verdict is Verdict.FAIL
    assert name in check.detail


@pytest.mark.isolated
def test_host_folder_that_is_shown_is_found(code_files, store, tmp_path):
    (tmp_path / "data").mkdir()
    with create(Spec(files={"a.txt": b"a"}, read_only={"data": tmp_path / "data"})) as sandbox:
        order = {"port": 1, "paths": [f"{sandbox.workspace}/data", "/nowhere"], "modules": ["json", "mlgym_synth"]}
        source = (PROBES / "isolation_probe.py").read_text()
        result = sandbox.exec(["python", "-c", source], stdin=json.dumps(order).encode())
    reached = json.loads(result.output)
    assert reached == {
        "network": [],
        "paths": [f"{sandbox.workspace}/data"],
        "modules": ["json"],
        "hidden": [],
    }


@pytest.mark.isolated
def test_a_workspace_cannot_stand_in_for_the_standard_library(code_files, store):
    forged = "import os; print('{}'); os._exit(0)"
    task = store(code_files, starter={"json.py": forged, "folder/labels.csv": "x"})
    check = check_isolation(task, None, "auto", allow_unsafe=False)
    assert (check.verdict, "labels.csv" in check.detail) == (Verdict.FAIL, True)
