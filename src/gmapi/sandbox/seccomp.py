"""The filter of system calls that a child gets: classic BPF, built here (see seccomp(2)).

It refuses sockets of every kind, new processes, what reaches into other processes or sends them
signals by whatever way, changes to their priority and processors and to anybody's limits, the key
store, mounts, links, ownership and modes of files, and the calls that only administer a machine.
Threads and the child's own exec pass: what may be executed is Landlock's part. The architecture is
checked first, so that no call is taken for another one, and x32 calls count as unknown ones.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from gmapi.sandbox.syscalls import ABSENT, FIRST_UNKNOWN, LOOKED_AT, REFUSED, Numbers

# From <linux/seccomp.h>, <linux/filter.h>, <linux/audit.h> and <linux/prctl.h>.
RET_KILL_PROCESS = 0x80000000
RET_ERRNO = 0x00050000
RET_ALLOW = 0x7FFF0000
_LOAD, _EQUAL, _AT_LEAST, _ABOVE, _AND, _RETURN = 0x20, 0x15, 0x35, 0x25, 0x54, 0x06
_PR_SET_SECCOMP = 22
_MODE_FILTER = 2
_PR_SET_PDEATHSIG = 1
_PR_SCHED_CORE = 62
_PRIO_PROCESS = 0
_IOPRIO_WHO_PROCESS = 1
# From <asm-generic/fcntl.h> and <linux/fcntl.h>: F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE and
# F_NOTIFY make the kernel send a signal to whomever the caller names.
_SIGNALLING_FCNTL = (8, 10, 15, 1024, 1026)
# FIOSETOWN and SIOCSPGRP do the same; TIOCSTI and TIOCLINUX type into a terminal.
_REFUSED_IOCTL = (0x8901, 0x8902, 0x5412, 0x541C)

INSTRUCTION = struct.Struct("=HBBI")
"""struct sock_filter: code, jumps if true and if false, constant."""

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""Machines the filter is made for, with their AUDIT_ARCH."""

# Offsets in struct seccomp_data; all known machines store the low half of an argument first.
_NUMBER, _ARCH, _ARGUMENTS = 0, 4, 16
_HALF = 4

_CLONE_THREAD = 0x00010000
# CLONE_NEWTIME, NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
_CLONE_NEW = 0x7E020080
_TRUNCATE, _ACCESS_MODE, _WRITE, _READ_WRITE = 0o1000, 0o3, 0o1, 0o2


# Calls that are looked at by the same rule as others: the place of the rule.
_PLACES = {
    "kill": "signal",
    "tkill": "signal",
    "tgkill": "signal",
    "sched_setaffinity": "whom",
    "move_pages": "whom",
}


@dataclass(frozen=True)
class _Step:
    """An instruction whose jumps are names of places, or how many instructions are skipped."""

    code: int
    constant: int = 0
    true: str | int = 0
    false: str | int = 0
    place: str = ""
    is_pid: bool = False


class Filter:
    """The filter for one kind of machine. Raises ValueError for one it is not made for."""

    def __init__(self, machine: str) -> None:
        if machine not in ARCHITECTURES:
            raise ValueError(f"no system call filter for {machine}")
        steps = list(_steps(machine))
        places = {step.place: number for number, step in enumerate(steps) if step.place}
        self._pids = [number for number, step in enumerate(steps) if step.is_pid]
        self._program = b"".join(
            INSTRUCTION.pack(
                step.code,
                _distance(places, number, step.true),
                _distance(places, number, step.false),
                step.constant,
            )
            for number, step in enumerate(steps)
        )

    def program(self, pid: int) -> bytes:
        """The instructions for the process `pid`, the only one it may send signals to."""
        program = bytearray(self._program)
        for number in self._pids:
            struct.pack_into("=I", program, number * INSTRUCTION.size + 4, pid)
        return bytes(program)


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_char_p))


if sys.platform != "win32":
    _libc = ctypes.CDLL(None, use_errno=True)
    _libc.prctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, *[ctypes.c_ulong] * 2)


def install(program: bytes) -> None:
    """Put the calling thread under a filter for good. It needs no_new_privs. Raises OSError."""
    given = _Program(len(program) // INSTRUCTION.size, program)
    if _libc.prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.addressof(given), 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "the system call filter")


def supported_here() -> bool:
    """Whether the filter is made for this machine and for this kind of process."""
    return os.uname().machine in ARCHITECTURES and ctypes.sizeof(ctypes.c_void_p) == 8


def _distance(places: dict[str, int], number: int, jump: str | int) -> int:
    distance = jump if isinstance(jump, int) else places[jump] - number - 1
    assert 0 <= distance < 256, jump
    return distance


def _steps(machine: str) -> Iterator[_Step]:
    column = list(ARCHITECTURES).index(machine)

    def number(name: str) -> int | None:
        return LOOKED_AT[name][column]

    yield _Step(_LOAD, _ARCH)
    yield _Step(_EQUAL, ARCHITECTURES[machine], false="foreign")
    yield _Step(_LOAD, _NUMBER)
    yield _Step(_AT_LEAST, FIRST_UNKNOWN, true="absent")
    for name in LOOKED_AT:
        if (found := number(name)) is not None:
            yield _Step(_EQUAL, found, true=_PLACES.get(name, name))
    yield from _ranges(_column(ABSENT.values(), column), "absent")
    yield from _ranges(_column(REFUSED.values(), column), "refuse")
    yield _Step(_RETURN, RET_ALLOW, place="allow")
    # Threads only, and none with a namespace of its own, which root could make.
    yield _Step(_LOAD, _argument(0), place="clone")
    yield _Step(_AND, _CLONE_THREAD | _CLONE_NEW)
    yield _Step(_EQUAL, _CLONE_THREAD, true="allow_too", false="refuse")
    # Emptying a file that is opened for reading: Landlock does not see it before Linux 6.2.
    if number("open") is not None:
        yield _Step(_LOAD, _argument(1), place="open")
        yield _Step(_AND, _TRUNCATE | _ACCESS_MODE)
        yield _Step(_EQUAL, _TRUNCATE, true="refuse")
        yield _Step(_EQUAL, _TRUNCATE | _ACCESS_MODE, true="refuse", false="allow_too")
    yield _Step(_LOAD, _argument(2), place="openat")
    yield _Step(_AND, _TRUNCATE | _ACCESS_MODE)
    yield _Step(_EQUAL, _TRUNCATE, true="refuse")
    yield _Step(_EQUAL, _TRUNCATE | _ACCESS_MODE, true="refuse", false="allow_too")
    # Signals to itself, as abort() sends one. Landlock holds others back from Linux 6.12 on.
    yield _Step(_LOAD, _argument(0), place="signal")
    yield _Step(_EQUAL, 0, true="allow_too", false="refuse", is_pid=True)
    # Priorities of one process, not of a group or a user; 0 is the caller itself.
    yield _Step(_LOAD, _argument(0), place="setpriority")
    yield _Step(_EQUAL, _PRIO_PROCESS, true="whose", false="refuse")
    yield _Step(_LOAD, _argument(0), place="ioprio_set")
    yield _Step(_EQUAL, _IOPRIO_WHO_PROCESS, true="whose", false="refuse")
    yield _Step(_LOAD, _argument(1), place="whose")
    yield _Step(_EQUAL, 0, true="allow_too", false="itself")
    # Limits may be asked for, not changed: root could take its own away.
    yield _Step(_LOAD, _argument(2), place="prlimit64")
    yield _Step(_EQUAL, 0, false="refuse")
    yield _Step(_LOAD, _argument(2) + _HALF)
    yield _Step(_EQUAL, 0, false="refuse")
    # Limits, processors and memory: its own, whose threads other than the first cannot be told from
    # other processes.
    yield _Step(_LOAD, _argument(0), place="whom")
    yield _Step(_EQUAL, 0, true="allow_too")
    yield _Step(_EQUAL, 0, true="allow_too", false="refuse", is_pid=True, place="itself")
    yield from _without(1, _SIGNALLING_FCNTL, "fcntl")
    yield from _without(1, _REFUSED_IOCTL, "ioctl")
    # The child must not outlive its worker, nor share its scheduling with others.
    yield from _without(0, (_PR_SET_PDEATHSIG, _PR_SCHED_CORE), "prctl")
    yield _Step(_RETURN, RET_ALLOW, place="allow_too")
    yield _Step(_RETURN, RET_ERRNO | errno.EPERM, place="refuse")
    yield _Step(_RETURN, RET_ERRNO | errno.ENOSYS, place="absent")
    yield _Step(_RETURN, RET_KILL_PROCESS, place="foreign")


def _without(argument: int, refused: Iterable[int], place: str) -> Iterator[_Step]:
    """At `place`: refuse some values of an argument and allow all others."""
    yield _Step(_LOAD, _argument(argument), place=place)
    *others, last = refused
    for value in others:
        yield _Step(_EQUAL, value, true="refuse")
    yield _Step(_EQUAL, last, true="refuse", false="allow_too")


def _column(numbers: Iterable[Numbers], column: int) -> list[int]:
    return sorted(pair for each in numbers if (pair := each[column]) is not None)


def _ranges(numbers: list[int], place: str) -> Iterator[_Step]:
    """Go to `place` for each of the ascending numbers; neighbours share two instructions."""
    at = 0
    while at < len(numbers):
        first = last = numbers[at]
        while at + 1 < len(numbers) and numbers[at + 1] == last + 1:
            at += 1
            last = numbers[at]
        at += 1
        if first == last:
            yield _Step(_EQUAL, first, true=place)
        else:
            yield _Step(_AT_LEAST, first, false=1)
            yield _Step(_ABOVE, last, false=place)


def _argument(number: int) -> int:
    """Where the low half of an argument is; of numbers the kernel takes no more."""
    return _ARGUMENTS + 8 * number
