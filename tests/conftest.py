"""Shared by all tests: one cache per run, and visible skips for what this machine cannot do."""

from __future__ import annotations

import functools
import os
import shutil
import tempfile
from pathlib import Path

import hypothesis
import pytest

_CACHE = "MLGYM_SYNTH_CACHE"
MLGYM_DATA = Path(__file__).resolve().parents[2] / "shared" / "mlgym_data"


def pytest_configure(config: pytest.Config) -> None:
    """Gives the run a cache of its own, which the workers of pytest-xdist and all subprocesses share."""
    hypothesis.settings.register_profile("no deadline", deadline=None)  # a busy machine fails no test
    hypothesis.settings.load_profile("no deadline")
    if not hasattr(config, "workerinput"):
        os.environ[_CACHE] = tempfile.mkdtemp(prefix="mlgym-synth-tests-")


def pytest_unconfigure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):
        shutil.rmtree(os.environ[_CACHE], ignore_errors=True)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("isolated"):
        reason = _why_nothing_isolates()
        if reason:
            pytest.skip(reason)
    if item.get_closest_marker("mlgym") and not os.environ.get("MLGYM_ROOT"):
        pytest.skip("MLGYM_ROOT names no MLGym checkout")


@functools.cache
def _why_nothing_isolates() -> str:
    from mlgym_synth.sandboxes import probe

    probes = [each for each in probe() if each.isolates or each.provider != "process"]
    if any(each.usable and each.isolates for each in probes):
        return ""
    return "no sandbox isolates here: " + "; ".join(f"{each.provider}: {each.detail}" for each in probes)


@pytest.fixture(scope="session")
def mlgym_data() -> Path:
    """Data published by MLGym, which lies beside the checkout where it is available."""
    if not MLGYM_DATA.is_dir():
        pytest.skip(f"MLGym's published data is not at {MLGYM_DATA}")
    return MLGYM_DATA
