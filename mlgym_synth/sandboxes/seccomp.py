"""Which system calls code inside may not make: those by which holes of kernels are reached, and that no task needs.

As classic BPF, which `seccomp(2)` takes, and as a profile, which container engines take. Refused are new user
namespaces (with them an unprivileged user gets at most of the kernel), key rings, BPF, performance counters,
userfaultfd, io_uring, mounting, kexec, modules, other processes' memory, and sockets of unusual families. What is
refused fails with an error; nothing is killed.
"""

from __future__ import annotations

import errno
import functools
import json
import platform
import socket
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass

_LOAD = 0x20
_JUMP_IF_EQUAL = 0x15
_JUMP_IF_GREATER_OR_EQUAL = 0x35
_JUMP_IF_ANY_BIT = 0x45
_RETURN = 0x06

_ALLOW = 0x7FFF0000
_FAIL = 0x00050000
# Offsets in `struct seccomp_data`; of arguments the half that the kernel looks at, as both machines are little-endian.
_NUMBER = 0
_ARCHITECTURE = 4
_FIRST_ARGUMENT = 16

_X32_BIT = 0x40000000
_NEW_NAMESPACES = 0x7E020000
_NEW_TIME_NAMESPACE = 0x80
"""In `clone` this bit belongs to the number of a signal."""
_PTRACE_ATTACH = 16
_PTRACE_SEIZE = 0x4206
_FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK)

_REFUSED = {
    # name: (x86_64, aarch64)
    "setns": (308, 268),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "pidfd_getfd": (438, 438),
    "open_by_handle_at": (304, 265),
}
_MACHINES = {"x86_64": 0, "aarch64": 1}
_ARCHITECTURES = (0xC000003E, 0xC00000B7)
_CLONE = (56, 220)
_CLONE3 = (435, 435)
_UNSHARE = (272, 97)
_PTRACE = (101, 117)
_SOCKETS = ((41, 53), (198, 199))
"""Numbers of `socket` and `socketpair`."""


@dataclass(frozen=True)
class _Instruction:
    code: int
    value: int
    if_true: int = 0
    if_false: int = 0

    def pack(self) -> bytes:
        return struct.pack("=HBBI", self.code, self.if_true, self.if_false, self.value)


@functools.cache
def build_filter(machine: str | None = None) -> bytes | None:
    """Builds the filter: an array of `struct sock_filter`, as `bwrap --seccomp` reads it.

    Args:
        machine: Name as by `uname -m`; this one's if None.

    Returns:
        The filter; None for a machine whose system calls are not known here.
    """
    machine = platform.machine() if machine is None else machine
    if machine not in _MACHINES or sys.byteorder != "little":
        return None
    index = _MACHINES[machine]
    program = [
        _Instruction(_LOAD, _ARCHITECTURE),
        # Programs for other machines, such as 32-bit ones, have other numbers.
        _Instruction(_JUMP_IF_EQUAL, _ARCHITECTURES[index], if_true=1),
        _fail(errno.ENOSYS),
        _Instruction(_LOAD, _NUMBER),
    ]
    if machine == "x86_64":
        program += [_Instruction(_JUMP_IF_GREATER_OR_EQUAL, _X32_BIT, if_false=1), _fail(errno.ENOSYS)]
    # Its flags lie in memory, where a filter cannot see them. Libraries fall back to `clone`.
    program += _on(_CLONE3[index], [_fail(errno.ENOSYS)])
    for numbers in _REFUSED.values():
        program += _on(numbers[index], [_fail(errno.EPERM)])
    program += _on(_CLONE[index], _fail_if_any(_NEW_NAMESPACES))
    program += _on(_UNSHARE[index], _fail_if_any(_NEW_NAMESPACES | _NEW_TIME_NAMESPACE))
    program += _on(_PTRACE[index], _fail_if_one_of((_PTRACE_ATTACH, _PTRACE_SEIZE)))
    for number in _SOCKETS[index]:
        program += _on(number, _fail_unless_one_of(_FAMILIES))
    program.append(_Instruction(_RETURN, _ALLOW))
    return b"".join(instruction.pack() for instruction in program)


def build_profile() -> str:
    """Builds the filter as container engines read it, in JSON, for every machine."""
    sockets = ("socket", "socketpair")
    bits = [1 << bit for bit in range(32) if _NEW_NAMESPACES >> bit & 1]
    odd = [family for family in range(max(_FAMILIES)) if family not in _FAMILIES]
    # Rules of one system call are alternatives; conditions within a rule could not be about the same argument.
    rules = [
        _rule(["clone3"], errno.ENOSYS),
        _rule([*_REFUSED], errno.EPERM),
        *(_rule(["clone", "unshare"], errno.EPERM, "MASKED_EQ", bit) for bit in bits),
        _rule(["unshare"], errno.EPERM, "MASKED_EQ", _NEW_TIME_NAMESPACE),
        *(_rule(["ptrace"], errno.EPERM, "EQ", request) for request in (_PTRACE_ATTACH, _PTRACE_SEIZE)),
        *(_rule(sockets, errno.EAFNOSUPPORT, "EQ", family) for family in odd),
        _rule(sockets, errno.EAFNOSUPPORT, "GT", max(_FAMILIES)),
    ]
    return json.dumps({"defaultAction": "SCMP_ACT_ALLOW", "syscalls": rules})


def _rule(names: Sequence[str], error: int, operator: str = "", value: int = 0) -> dict[str, object]:
    rule: dict[str, object] = {"names": [*names], "action": "SCMP_ACT_ERRNO", "errnoRet": error}
    if operator:
        rule["args"] = [{"index": 0, "op": f"SCMP_CMP_{operator}", "value": value, "valueTwo": value}]
    return rule


def _fail(error: int) -> _Instruction:
    return _Instruction(_RETURN, _FAIL | error)


def _on(number: int, block: Sequence[_Instruction]) -> list[_Instruction]:
    """Does `block`, which ends the filter, for one system call; the number is loaded before and after."""
    return [_Instruction(_JUMP_IF_EQUAL, number, if_false=len(block)), *block]


def _fail_if_any(bits: int) -> list[_Instruction]:
    test = _Instruction(_JUMP_IF_ANY_BIT, bits, if_false=1)
    return [_Instruction(_LOAD, _FIRST_ARGUMENT), test, _fail(errno.EPERM), _Instruction(_RETURN, _ALLOW)]


def _fail_if_one_of(values: Sequence[int]) -> list[_Instruction]:
    return [*_compare(values), _Instruction(_RETURN, _ALLOW), _fail(errno.EPERM)]


def _fail_unless_one_of(values: Sequence[int]) -> list[_Instruction]:
    return [*_compare(values), _fail(errno.EAFNOSUPPORT), _Instruction(_RETURN, _ALLOW)]


def _compare(values: Sequence[int]) -> list[_Instruction]:
    """Goes on with the instruction after the next where the first argument is one of the values, else with the next."""
    tests = [_Instruction(_JUMP_IF_EQUAL, value, if_true=len(values) - place) for place, value in enumerate(values)]
    return [_Instruction(_LOAD, _FIRST_ARGUMENT), *tests]
