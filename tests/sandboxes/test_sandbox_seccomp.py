from __future__ import annotations

import errno
import socket
import struct

import pytest

from mlgym_synth.sandboxes.seccomp import build_filter

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7, "i386": 0x40000003}
NEW_USER, NEW_TIME = 0x10000000, 0x80
THREAD = 0x3D0F00  # what a library starts a thread with


def judge(machine: str, number: int, first: int = 0, architecture: str | None = None) -> int:
    """What the kernel would do with a system call, by an interpreter of the filter: an errno, 0 if it is allowed."""
    data = struct.pack("=IIQQQQQQQ", number, ARCHITECTURES[architecture or machine], 0, first, 0, 0, 0, 0, 0)
    program = list(struct.iter_unpack("=HBBI", build_filter(machine) or b""))
    loaded, place = 0, 0
    while True:
        code, if_true, if_false, value = program[place]
        place += 1
        if code == 0x20:
            (loaded,) = struct.unpack_from("=I", data, value)
        elif code == 0x06:
            return 0 if value == 0x7FFF0000 else value & 0xFFFF
        else:
            holds = {0x15: loaded == value, 0x35: loaded >= value, 0x45: bool(loaded & value)}[code]
            place += if_true if holds else if_false


CALLS = {
    # name: (x86_64, aarch64)
    "clone": (56, 220),
    "clone3": (435, 435),
    "unshare": (272, 97),
    "setns": (308, 268),
    "socket": (41, 198),
    "socketpair": (53, 199),
    "ptrace": (101, 117),
    "mount": (165, 40),
    "bpf": (321, 280),
    "keyctl": (250, 219),
    "io_uring_setup": (425, 425),
    "read": (0, 63),
    "execve": (59, 221),
    "futex": (202, 98),
    "prctl": (157, 167),
}


@pytest.mark.parametrize(("index", "machine"), [(0, "x86_64"), (1, "aarch64")])
@pytest.mark.parametrize(
    ("name", "first", "answer"),
    [
        ("clone", THREAD, 0),
        ("clone", THREAD | NEW_USER, errno.EPERM),
        ("clone3", 0, errno.ENOSYS),
        ("unshare", 0x200, 0),
        ("unshare", NEW_USER, errno.EPERM),
        ("unshare", NEW_TIME, errno.EPERM),
        ("setns", 3, errno.EPERM),
        ("socket", socket.AF_UNIX, 0),
        ("socket", socket.AF_INET, 0),
        ("socket", socket.AF_INET6, 0),
        ("socket", socket.AF_NETLINK, 0),
        ("socket", socket.AF_PACKET, errno.EAFNOSUPPORT),
        ("socket", socket.AF_ALG, errno.EAFNOSUPPORT),
        ("socket", socket.AF_VSOCK, errno.EAFNOSUPPORT),
        ("socket", socket.AF_UNIX | 1 << 33, 0),  # the kernel does not look at that half
        ("socketpair", socket.AF_UNIX, 0),
        ("socketpair", socket.AF_TIPC, errno.EAFNOSUPPORT),
        ("ptrace", 0, 0),
        ("ptrace", 16, errno.EPERM),
        ("ptrace", 0x4206, errno.EPERM),
        ("mount", 0, errno.EPERM),
        ("bpf", 0, errno.EPERM),
        ("keyctl", 0, errno.EPERM),
        ("io_uring_setup", 0, errno.EPERM),
        ("read", 0, 0),
        ("execve", 0, 0),
        ("futex", 0, 0),
        ("prctl", 0, 0),
    ],
)
def test_what_is_refused(index: int, machine: str, name: str, first: int, answer: int) -> None:
    assert judge(machine, CALLS[name][index], first) == answer


def test_numbers_of_other_machines_are_no_way_round() -> None:
    assert judge("x86_64", 0, architecture="i386") == errno.ENOSYS
    assert judge("x86_64", 0x40000000 | CALLS["mount"][0]) == errno.ENOSYS
    assert judge("aarch64", CALLS["mount"][0], architecture="x86_64") == errno.ENOSYS


def test_none_for_an_unknown_machine() -> None:
    assert build_filter("s390x") is None
