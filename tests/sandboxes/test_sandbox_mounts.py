from __future__ import annotations

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mlgym_synth.sandboxes.mounts import mount_bounded, mount_unseen, unmount

SIZE = 1 << 20


def fill(folder: Path, size: int) -> int:
    """Writes files until there is no room for more, or a thousand; returns how many fitted."""
    for number in range(1000):
        try:
            (folder / str(number)).write_bytes(b"x" * size)
        except OSError as error:
            assert error.errno == errno.ENOSPC
            return number
    return 1000


def mounts() -> str:
    return Path("/proc/self/mountinfo").read_text()


@pytest.mark.skipif(os.geteuid() == 0, reason="for a plain user")
def test_a_plain_user_may_not(tmp_path: Path) -> None:
    assert not mount_bounded(tmp_path, SIZE, os.geteuid())
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(mount_unseen, tmp_path, SIZE, os.geteuid()).result() is None
    unmount(tmp_path)
    assert tmp_path.is_dir()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    if not mount_bounded(tmp_path, SIZE, 12345):
        pytest.skip("this user may not mount")
    unmount(tmp_path)
    return tmp_path


def test_bytes_and_files_are_bounded(folder: Path) -> None:
    assert mount_bounded(folder, SIZE, 12345)
    try:
        assert (folder.stat().st_uid, folder.stat().st_mode & 0o777) == (12345, 0o755)
        assert fill(folder, 100_000) == 10
        for path in folder.iterdir():
            path.unlink()
        assert fill(folder, 0) < SIZE // 4096
        (line,) = [line for line in mounts().splitlines() if str(folder) in line]
        assert "nosuid,nodev" in line
    finally:
        unmount(folder)
    assert str(folder) not in mounts()
    assert list(folder.iterdir()) == []


def test_mounts_of_a_thread_are_seen_by_nobody_else_and_go_with_it(folder: Path) -> None:
    thread = ThreadPoolExecutor(1)
    root = thread.submit(mount_unseen, folder, SIZE, 12345).result()
    assert root is not None
    seen = Path(f"/proc/self/fd/{root}")
    (seen / "file").write_text("inside")
    assert str(folder) not in mounts()
    assert list(folder.iterdir()) == []
    assert thread.submit((folder / "file").read_text).result() == "inside"
    assert fill(seen, 100_000) == 10
    thread.shutdown()
    os.close(root)
    with ThreadPoolExecutor(1) as other:
        assert other.submit(lambda: list(folder.iterdir())).result() == []
