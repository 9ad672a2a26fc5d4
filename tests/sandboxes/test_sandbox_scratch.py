from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mlgym_synth.errors import SandboxError
from mlgym_synth.sandboxes.scratch import empty_folder, make_scratch

KILLED_OWNER = """
import os
from mlgym_synth.sandboxes.mounts import mount_bounded
from mlgym_synth.sandboxes.scratch import make_scratch
folder = make_scratch().path / "workspace"
folder.mkdir()
mounted = mount_bounded(folder, 1 << 20, os.geteuid())
(folder / "closed").mkdir(mode=0)
print(folder.parent, mounted, flush=True)
os._exit(9)
"""


def leave_folder() -> tuple[Path, bool]:
    """A folder whose owner has died without a word, and whether something is mounted in it."""
    answer = subprocess.run([sys.executable, "-c", KILLED_OWNER], stdout=subprocess.PIPE, text=True, check=False)
    path, mounted = answer.stdout.split()
    return Path(path), mounted == "True"


def test_what_a_killed_owner_left_goes_at_the_next_start_with_what_is_mounted() -> None:
    kept = make_scratch()
    left, mounted = leave_folder()
    assert left.exists() and os.path.ismount(left / "workspace") == mounted
    make_scratch().remove()
    assert not left.exists() and kept.path.exists()
    assert str(left) not in Path("/proc/self/mountinfo").read_text()
    kept.remove()
    assert not kept.path.exists()


def test_a_removal_that_was_cut_off_is_finished() -> None:
    left, _ = leave_folder()
    (left / "lock").unlink()
    make_scratch().remove()
    assert not left.exists()


@pytest.mark.isolated
def test_what_a_killed_owner_left_waiting_dies_with_its_folder() -> None:
    """A bwrap whose owner was killed before it had asked to die with it waits for ever, and is nobody's child."""
    left, _ = leave_folder()
    arguments = [left.name, "--ro-bind", "/", "/", "--bind", str(left / "workspace"), "/mnt", "sleep", "1000"]
    process = subprocess.Popen(arguments, executable=shutil.which("bwrap"))
    try:
        make_scratch().remove()
        assert process.wait(timeout=30) != 0
        assert not left.exists()
    finally:
        process.kill()


def test_a_folder_is_emptied_in_place(tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    (folder / "closed" / "inner").mkdir(parents=True)
    (folder / "closed" / "inner").chmod(0)
    (folder / "kept").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file").touch()
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "gone").symlink_to("nowhere")
    inode = folder.stat().st_ino
    folder.chmod(0)
    empty_folder(folder, frozenset(["kept"]))
    assert [path.name for path in folder.iterdir()] == ["kept"]
    assert (folder.stat().st_ino, folder.stat().st_mode & 0o777) == (inode, 0o755)
    assert (tmp_path / "outside" / "file").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts")
def test_what_cannot_be_removed_is_said(tmp_path: Path) -> None:
    (tmp_path / "busy" / "inner").mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", tmp_path / "busy" / "inner"], check=True)
    try:
        with pytest.raises(SandboxError, match="busy"):
            empty_folder(tmp_path)
    finally:
        subprocess.run(["umount", tmp_path / "busy" / "inner"], check=True)
