from __future__ import annotations

from pathlib import Path

import pytest

from mlgym_synth.sandboxes.cgroup import make_cgroup
from mlgym_synth.tasks.recipe import Limits

LIMITS = Limits(memory_mb=100, processes=7, cpus=0.5)


@pytest.fixture
def announced() -> list[tuple[Path, ...]]:
    return []


@pytest.mark.parametrize(("enabled", "limits_cpus"), [("cpu memory pids\n", True), ("memory pids\n", False)])
def test_version_2_takes_the_nearest_group_that_may_have_limited_children(
    tmp_path: Path, announced: list[tuple[Path, ...]], enabled: str, limits_cpus: bool
) -> None:
    own = tmp_path / "user.slice" / "session.scope"
    own.mkdir(parents=True)
    (own / "cgroup.subtree_control").write_text("")
    (own.parent / "cgroup.subtree_control").write_text(enabled)
    for folder in (own, own.parent):
        (folder / "cgroup.procs").write_text("")
    cgroup = make_cgroup("box", LIMITS, announced.append, tmp_path, "0::/user.slice/session.scope\n")
    assert cgroup is not None
    box = own.parent / "box"
    assert (cgroup.folders, cgroup.limits_cpus) == ((box,), limits_cpus)
    assert (box / "memory.max").read_text() == str(100 << 20)
    assert (box / "pids.max").read_text() == "7"
    assert (box / "cpu.max").exists() == limits_cpus
    assert not limits_cpus or (box / "cpu.max").read_text() == "50000 100000"


def test_version_1_has_a_group_for_each_controller(tmp_path: Path, announced: list[tuple[Path, ...]]) -> None:
    for name in ("memory/job", "pids", "cpu"):
        (tmp_path / name).mkdir(parents=True)
    cgroup = make_cgroup("box", LIMITS, announced.append, tmp_path, "8:pids:/\n4:memory:/job\n3:cpu,cpuacct:/\n0::/\n")
    assert cgroup is not None
    groups = [tmp_path / "memory" / "job" / "box", tmp_path / "pids" / "box", tmp_path / "cpu" / "box"]
    assert (list(cgroup.folders), cgroup.limits_cpus) == (groups, True)
    assert announced == [cgroup.folders]
    assert (tmp_path / "pids" / "box" / "pids.max").read_text() == "7"
    assert (tmp_path / "cpu" / "box" / "cpu.cfs_quota_us").read_text() == "50000"
    cgroup.join(1234)
    assert {(group / "cgroup.procs").read_text() for group in groups} == {"1234"}


def test_memory_and_processes_are_limited_where_processors_cannot_be(
    tmp_path: Path, announced: list[tuple[Path, ...]]
) -> None:
    for name in ("memory", "pids"):
        (tmp_path / name).mkdir()
    cgroup = make_cgroup("box", LIMITS, announced.append, tmp_path, "8:pids:/\n4:memory:/\n3:cpu:/\n")
    assert cgroup is not None
    assert (len(cgroup.folders), cgroup.limits_cpus) == (2, False)


def test_none_where_none_can_be_made(tmp_path: Path, announced: list[tuple[Path, ...]]) -> None:
    assert make_cgroup("box", LIMITS, announced.append, tmp_path, "0::/\n") is None
    (tmp_path / "memory").mkdir()
    assert make_cgroup("box", LIMITS, announced.append, tmp_path, "8:pids:/\n4:memory:/\n") is None
