from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from mlgym_synth.sandboxes.scratch import make_scratch


@pytest.mark.isolated
def test_what_a_killed_owner_left_waiting_dies_with_its_folder() -> None:
    """A bwrap whose owner was killed before it had asked to die with it waits for ever, and is nobody's child."""
    left = make_scratch()
    folder: Path = left.path / "workspace"
    folder.mkdir()
    arguments = ["bwrap", "--ro-bind", "/", "/", "--bind", str(folder), "/mnt", "sleep", "1000"]
    kept = make_scratch()
    process = subprocess.Popen(arguments)
    try:
        os.close(left.lock)  # as the kernel does for an owner that is killed
        make_scratch().remove()
        assert process.wait(timeout=30) != 0
        assert not left.path.exists() and kept.path.exists()
    finally:
        process.kill()
        kept.remove()
