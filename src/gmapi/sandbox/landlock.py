"""Landlock: which files a child may read, write and execute (see landlock(7)).

Rights that the running kernel does not know are left out; which those are, its ABI number says:
1 files (Linux 5.13), 2 moving between folders, 3 truncation (6.2), 4 TCP (6.7), 5 ioctl on devices
(6.10), 6 signals and abstract sockets (6.12). What a rule set handles is forbidden but for its
rules; TCP, signals to other processes and abstract sockets have none.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass

# From <linux/landlock.h>.
EXECUTE = 1 << 0
WRITE_FILE = 1 << 1
READ_FILE = 1 << 2
READ_DIR = 1 << 3
REMOVE_FILE = 1 << 5
MAKE_REG = 1 << 8
TRUNCATE = 1 << 14
IOCTL_DEV = 1 << 15
_FILE_RIGHTS_BY_ABI = ((1, (1 << 13) - 1), (2, 1 << 13), (3, TRUNCATE), (5, IOCTL_DEV))
_TCP_BIND_AND_CONNECT = 0b11
_ABSTRACT_SOCKETS_AND_SIGNALS = 0b11
# The rights that a rule on something else than a folder may have.
_OF_FILES = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | IOCTL_DEV

READ = READ_FILE | READ_DIR
WRITE = READ | WRITE_FILE | REMOVE_FILE | MAKE_REG | TRUNCATE
"""Also to make and delete plain files, but no folders, links, sockets, fifos or devices."""

# The same numbers on all machines.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION = 1
_RULE_PATH_BENEATH = 1


@dataclass(frozen=True)
class Handled:
    """What a rule set of some ABI handles, as bit masks; 0 where the kernel has no such field."""

    files: int
    tcp: int
    scoped: int

    @classmethod
    def by(cls, abi: int) -> Handled:
        """All that this ABI can handle."""
        files = 0
        for since, rights in _FILE_RIGHTS_BY_ABI:
            files |= rights if abi >= since else 0
        return cls(
            files,
            _TCP_BIND_AND_CONNECT if abi >= 4 else 0,
            _ABSTRACT_SOCKETS_AND_SIGNALS if abi >= 6 else 0,
        )


class _RulesetAttr(ctypes.Structure):
    _fields_ = (
        ("files", ctypes.c_uint64), ("tcp", ctypes.c_uint64), ("scoped", ctypes.c_uint64),
    )  # fmt: skip


class _PathAttr(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def kernel_abi() -> int:
    """The ABI of the running kernel; 0 when it has no Landlock or it is switched off."""
    found: int = _libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    return max(found, 0)


def make_ruleset(abi: int, read: Iterable[bytes], write: Iterable[bytes],
                 execute: Iterable[bytes]) -> int:  # fmt: skip
    """A rule set as a file descriptor that closes at exec, for `restrict`.

    Files are read, written or executed themselves, folders with all that is below them; symbolic
    links stand for what they point to. What may be written or executed may be read. What may be
    read or executed but is not there, or out of this process's reach, is left out. Raises OSError
    with the path concerned.
    """
    handled = Handled.by(abi)
    attr = _RulesetAttr(handled.files, handled.tcp, handled.scoped)
    size = 24 if handled.scoped else 16 if handled.tcp else 8
    ruleset = _call("its file rules", _CREATE_RULESET, ctypes.byref(attr), ctypes.c_size_t(size), 0)
    try:
        for path in write:
            _allow(ruleset, path, WRITE & handled.files)
        for path in execute:
            _allow_if_there(ruleset, path, READ_FILE | EXECUTE)
        for path in read:
            _allow_if_there(ruleset, path, READ)
    except BaseException:
        os.close(ruleset)
        raise
    return ruleset


def restrict(ruleset: int) -> None:
    """Put the calling thread under a rule set for good. It needs no_new_privs. Raises OSError."""
    _call("its file rules", _RESTRICT_SELF, ruleset, 0)


def _allow_if_there(ruleset: int, path: bytes, rights: int) -> None:
    try:
        _allow(ruleset, path, rights)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR, errno.EACCES):
            raise


def _allow(ruleset: int, path: bytes, rights: int) -> None:
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(fd).st_mode):
            rights &= _OF_FILES
        attr = _PathAttr(rights, fd)
        _call(path, _ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(attr), 0)
    finally:
        os.close(fd)


def _call(what: str | bytes, *arguments: object) -> int:
    result: int = _libc.syscall(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"Landlock: {os.strerror(number)}", what)
    return result
