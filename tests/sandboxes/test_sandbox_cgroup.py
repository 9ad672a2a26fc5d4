from __future__ import annotations

from pathlib import Path

from mlgym_synth.sandboxes.cgroup import make_cgroup
from mlgym_synth.tasks.recipe import Limits

LIMITS = Limits(memory_mb=100, processes=7)


def test_version_2_takes_the_nearest_group_that_may_have_limited_children(tmp_path: Path) -> None:
    own = tmp_path / "user.slice" / "session.scope"
    own.mkdir(parents=True)
    (own / "cgroup.subtree_control").write_text("")
    (own.parent / "cgroup.subtree_control").write_text("cpu memory pids\n")
    cgroup = make_cgroup("box", LIMITS, tmp_path, "0::/user.slice/session.scope\n")
    assert cgroup is not None
    assert cgroup.folders == (own.parent / "box",)
    assert (own.parent / "box" / "memory.max").read_text() == str(100 << 20)
    assert (own.parent / "box" / "pids.max").read_text() == "7"


def test_version_1_has_two_groups(tmp_path: Path) -> None:
    (tmp_path / "memory" / "job").mkdir(parents=True)
    (tmp_path / "pids").mkdir()
    cgroup = make_cgroup("box", LIMITS, tmp_path, "8:pids:/\n4:memory:/job\n0::/\n")
    assert cgroup is not None
    assert cgroup.folders == (tmp_path / "memory" / "job" / "box", tmp_path / "pids" / "box")
    assert (tmp_path / "pids" / "box" / "pids.max").read_text() == "7"
    assert len(cgroup.enter()) == 4 + len(cgroup.folders)


def test_none_where_none_can_be_made(tmp_path: Path) -> None:
    assert make_cgroup("box", LIMITS, tmp_path, "0::/\n") is None
    (tmp_path / "memory").mkdir()
    assert make_cgroup("box", LIMITS, tmp_path, "8:pids:/\n4:memory:/\n") is None
