"""File systems of a bounded size: the limit on what code inside writes in all.

Every mount that a process sees makes each start of bubblewrap slower. So those of many sandboxes are not seen by each
other: a thread can have mounts of its own, which go when it ends, however that happens.
"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

_MS_RDONLY = 1
_MS_NOSUID = 2
_MS_NODEV = 4
_MS_REMOUNT = 0x20
_MS_BIND = 0x1000
_MS_REC = 0x4000
_MS_SLAVE = 0x80000
_MNT_DETACH = 2
_UMOUNT_NOFOLLOW = 8
_CLONE_NEWNS = 0x20000
_BYTES_PER_FILE = 4096
"""A file costs a page of the kernel's memory besides its content, so that empty ones are bounded too."""
_NO_FILES = {"binfmt_misc", "bpf", "cgroup", "cgroup2", "configfs", "debugfs", "mqueue", "nsfs", "securityfs", "sysfs"}
"""Types of mounts that hold neither programs nor data, nor does what is mounted on them."""

_libc = ctypes.CDLL(None, use_errno=True)


def mount_bounded(folder: Path, size: int, owner: int) -> bool:
    """Mounts an empty file system in memory on a folder; no devices and no set-user-id programs work in it.

    Args:
        folder: Existing empty folder.
        size: Bytes that it may hold; one file for every 4 KiB.
        owner: User and group that own its root.

    Returns:
        False where this user may not mount; the folder is as it was.
    """
    options = f"size={size},nr_inodes={size // _BYTES_PER_FILE},mode=0755,uid={owner},gid={owner}"
    return _mount(b"mlgym-synth", folder, b"tmpfs", _MS_NOSUID | _MS_NODEV, options.encode())


def mount_unseen(folder: Path, size: int, owner: int) -> int | None:
    """Does as `mount_bounded`, in a namespace of mounts that becomes the calling thread's own.

    Returns:
        A descriptor of the root, by which other threads reach it; None where this user may not mount.
    """
    if _libc.unshare(_CLONE_NEWNS) != 0 or not _mount(None, Path("/"), None, _MS_REC | _MS_SLAVE, None):
        return None
    for line in Path("/proc/thread-self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.split()[0] in _NO_FILES:
            _libc.umount2(before.split()[4].encode(), _MNT_DETACH | _UMOUNT_NOFOLLOW)
    if not mount_bounded(folder, size, owner):
        return None
    return os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)


def bind_read_only(source: Path, target: Path) -> bool:
    """Shows a file or folder at another place, with what is mounted in it. Returns False where this user may not."""
    flags = _MS_BIND | _MS_REMOUNT | _MS_RDONLY | _MS_NOSUID | _MS_NODEV
    bound = _mount(os.fsencode(source), target, None, _MS_BIND | _MS_REC, None)
    return bound and _mount(None, target, None, flags, None)


def unmount(folder: Path) -> None:
    """Unmounts what is mounted on a folder, if anything, even where a dying process still uses it."""
    while _libc.umount2(os.fsencode(folder), _MNT_DETACH | _UMOUNT_NOFOLLOW) == 0:
        continue


def _mount(source: bytes | None, target: Path, kind: bytes | None, flags: int, options: bytes | None) -> bool:
    return bool(_libc.mount(source, os.fsencode(target), kind, ctypes.c_ulong(flags), options) == 0)
