"""What the tests of this room share: providers under attack, tasks, and how an attack is told from honest work."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
from tasks_for_tests import add, code_files, csv_files

from mlgym_synth.datasets.prepare import prepare
from mlgym_synth.sandboxes import probe
from mlgym_synth.tasks.suite import Task

ISOLATING = [
    pytest.param(
        found.provider,
        marks=[
            pytest.mark.isolated,
            pytest.mark.skipif(not found.usable, reason=f"{found.provider}: {found.detail}"),
        ],
    )
    for found in probe()
    if found.isolates
]
"""Every provider that isolates, as parameters: those that are unusable here are skipped with the reason."""

HONEST = "accuracy on the public part: 0."
"""How the answer to a validation of the tiny table's baseline begins."""


def make_suite(folder: Path, source: Path) -> Path:
    """A suite with a table and a game; the table's evaluate.py is for stock MLGym alone."""
    table = csv_files(source)
    stock = {"evaluate.py": b"print('{\"accuracy\": 0.5}')\n", **table.starter}
    add(folder, dataclasses.replace(table, starter=stock))
    add(folder, code_files())
    return folder


def labels_file(suite: Path) -> Path:
    """The file that holds the answers of the tiny table, on the host."""
    return prepare(Task("tiny-csv", suite).recipe).labels_path
