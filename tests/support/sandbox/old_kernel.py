"""Runs a program as on a kernel without Landlock, or without filters of system calls.

`python old_kernel.py landlock,seccomp PROGRAM ...`: the calls that would set them up are answered
as such a kernel answers them, by a filter of ours that all processes below inherit.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterator

from gmapi.sandbox import seccomp

_LOAD, _EQUAL, _AT_LEAST, _ABOVE, _RETURN = 0x20, 0x15, 0x35, 0x25, 0x06
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_PRCTL = {"x86_64": 157, "aarch64": 167}
_PR_SET_SECCOMP, _PR_SET_NO_NEW_PRIVS = 22, 38


def without(*parts: str) -> None:
    """Take parts of the kernel away from this process and all it will start."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
    for part in parts:
        steps = _seccomp() if part == "seccomp" else _landlock(part)
        seccomp.install(b"".join(struct.pack("=HBBI", *step) for step in steps))


def _landlock(part: str) -> Iterator[tuple[int, int, int, int]]:
    """`landlock`: there is none. `restrict`: it is there but refuses to lock."""
    first = _RESTRICT_SELF if part == "restrict" else _CREATE_RULESET
    answer = errno.EPERM if part == "restrict" else errno.ENOSYS
    yield _LOAD, 0, 0, 0
    yield _AT_LEAST, 0, 2, first
    yield _ABOVE, 1, 0, _RESTRICT_SELF
    yield _RETURN, 0, 0, seccomp.RET_ERRNO | answer
    yield _RETURN, 0, 0, seccomp.RET_ALLOW


def _seccomp() -> Iterator[tuple[int, int, int, int]]:
    yield _LOAD, 0, 0, 0
    yield _EQUAL, 0, 3, _PRCTL[os.uname().machine]
    yield _LOAD, 0, 0, 16
    yield _EQUAL, 0, 1, _PR_SET_SECCOMP
    yield _RETURN, 0, 0, seccomp.RET_ERRNO | errno.EINVAL
    yield _RETURN, 0, 0, seccomp.RET_ALLOW


if __name__ == "__main__":
    without(*sys.argv[1].split(","))
    os.execv(sys.argv[2], sys.argv[2:])
