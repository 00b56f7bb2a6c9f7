"""The filter of system calls, asked for its verdicts by an interpreter of its instructions."""

from __future__ import annotations

import errno
import re
import shutil
import subprocess

import pytest

from gmapi.sandbox import seccomp, syscalls
from gmapi.sandbox.seccomp import ARCHITECTURES, RET_ALLOW, RET_ERRNO, RET_KILL_PROCESS, Filter
from support.sandbox.bpf import verdict

MACHINES = sorted(ARCHITECTURES)
REFUSED = RET_ERRNO | errno.EPERM
ABSENT = RET_ERRNO | errno.ENOSYS
PID = 4711
THREAD = 0x3D0F00  # the flags with which glibc's pthread_create calls clone

# Calls that change the process that their first argument names.
OF_ONE_PROCESS = ("sched_setaffinity", "move_pages", "prlimit64")

# Calls without which no program runs or no conversion is made; on x86_64 and aarch64.
NEEDED = {
    "read": (0, 63),
    "write": (1, 64),
    "close": (3, 57),
    "lseek": (8, 62),
    "mmap": (9, 222),
    "mprotect": (10, 226),
    "munmap": (11, 215),
    "brk": (12, 214),
    "rt_sigaction": (13, 134),
    "rt_sigprocmask": (14, 135),
    "ioctl": (16, 29),
    "pread64": (17, 67),
    "writev": (20, 66),
    "madvise": (28, 233),
    "getpid": (39, 172),
    "execve": (59, 221),
    "exit": (60, 93),
    "fcntl": (72, 25),
    "ftruncate": (77, 46),
    "getdents64": (217, 61),
    "futex": (202, 98),
    "sched_getaffinity": (204, 123),
    "set_tid_address": (218, 96),
    "clock_gettime": (228, 113),
    "clock_nanosleep": (230, 115),
    "exit_group": (231, 94),
    "unlinkat": (263, 35),
    "renameat2": (316, 276),
    "set_robust_list": (273, 99),
    "getrandom": (318, 278),
    "pipe2": (293, 59),
    "newfstatat": (262, 79),
    "statx": (332, 291),
    "rseq": (334, 293),
    "faccessat": (269, 48),
    "mseal": (462, 462),
}


def ask(machine: str, number: int | None, *arguments: int) -> int:
    assert number is not None
    program = Filter(machine).program(PID)
    return verdict(program, ARCHITECTURES[machine], number, arguments)


def numbers(machine: str, table: dict[str, syscalls.Numbers]) -> dict[str, int]:
    column = ("x86_64", "aarch64").index(machine)
    return {name: found for name, pair in table.items() if (found := pair[column]) is not None}


@pytest.mark.parametrize("machine", MACHINES)
def test_refused_calls(machine: str) -> None:
    for name, number in numbers(machine, dict(syscalls.REFUSED)).items():
        for argument in (0, 1, PID, 0xFFFFFFFF):
            assert ask(machine, number, argument, argument, argument) == REFUSED, name


@pytest.mark.parametrize("machine", MACHINES)
def test_the_classes_that_must_be_closed(machine: str) -> None:
    closed = set(numbers(machine, dict(syscalls.REFUSED)))
    assert closed >= {
        "socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendto",
        "sendmsg", "recvmsg", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd",
        "bpf", "perf_event_open", "userfaultfd", "kexec_load", "init_module", "finit_module",
        "keyctl", "add_key", "request_key", "mount", "umount2", "move_mount", "open_tree",
        "fsopen", "pivot_root", "chroot", "unshare", "setns", "execveat", "linkat", "symlinkat",
        "mknodat", "mkdirat", "fchmod", "fchmodat", "fchmodat2", "fchownat", "setxattr",
        "utimensat", "truncate", "name_to_handle_at", "open_by_handle_at", "memfd_create",
        "shmget", "msgget", "mq_open", "sched_setattr", "sched_setparam", "sched_setscheduler",
        "migrate_pages", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_send_signal",
    }  # fmt: skip
    if machine == "x86_64":
        assert closed >= {"fork", "vfork", "link", "symlink", "mknod", "mkdir", "chmod", "chown"}


@pytest.mark.parametrize("machine", MACHINES)
def test_needed_calls_pass(machine: str) -> None:
    for name, number in numbers(machine, NEEDED).items():
        assert ask(machine, number) == RET_ALLOW, name


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_that_are_said_not_to_exist(machine: str) -> None:
    for name, number in numbers(machine, dict(syscalls.ABSENT)).items():
        assert ask(machine, number) == ABSENT, name
    # Later ones, the x32 calls of x86_64 (bit 30), and what a tracer could make of a number.
    for number in (463, 500, 0x3FFFFFFF, 0x40000000, 0x40000029, 0x7FFFFFFF, 0xFFFFFFFF):
        assert ask(machine, number) == ABSENT, hex(number)


@pytest.mark.parametrize("machine", MACHINES)
def test_calls_of_another_architecture_kill(machine: str) -> None:
    program = Filter(machine).program(PID)
    for architecture in {0x40000003, 0xC00000B7, 0xC000003E, 0} - {ARCHITECTURES[machine]}:
        for number in (0, 1, 41, 59, 198, 0x40000000):
            assert verdict(program, architecture, number) == RET_KILL_PROCESS


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("clone", (THREAD,), RET_ALLOW),
        ("clone", (THREAD | 1 << 40,), RET_ALLOW),
        ("clone", (0x01200011,), REFUSED),  # glibc's fork
        ("clone", (0x4111,), REFUSED),  # and its vfork, for posix_spawn
        *[("clone", (THREAD | 1 << bit,), REFUSED) for bit in (7, 17, *range(25, 31))],
        ("openat", (0, 0, 0o0), RET_ALLOW),
        ("openat", (0, 0, 0o2000001 | 0o1100), RET_ALLOW),  # O_WRONLY, O_CREAT, O_TRUNC
        ("openat", (0, 0, 0o1002), RET_ALLOW),
        ("openat", (0, 0, 0o1000), REFUSED),
        ("openat", (0, 0, 0o2001000), REFUSED),
        ("openat", (0, 0, 0o1003), REFUSED),
        ("kill", (PID, 6), RET_ALLOW),
        ("tgkill", (PID, 1, 6), RET_ALLOW),
        ("tkill", (PID, 6), RET_ALLOW),
        ("kill", (0, 9), REFUSED),
        ("kill", (0xFFFFFFFF, 9), REFUSED),
        ("kill", (PID + 1, 9), REFUSED),
        ("tkill", (PID + 1, 9), REFUSED),
        ("tgkill", (1, 1, 9), REFUSED),
        ("prlimit64", (0, 7), RET_ALLOW),
        ("prlimit64", (PID, 7, 0, 1 << 40), RET_ALLOW),
        ("prlimit64", (PID + 1, 7), REFUSED),
        # With new limits, wherever in memory they are.
        *[("prlimit64", (whom, 2, at), REFUSED) for whom in (0, PID) for at in (1, 1 << 32)],
        *[(name, (whom,), RET_ALLOW) for name in OF_ONE_PROCESS for whom in (0, PID, 1 << 32)],
        *[(name, (whom,), REFUSED) for name in OF_ONE_PROCESS for whom in (1, PID + 1, 0xFFFFFFFF)],
        ("setpriority", (0, 0, 19), RET_ALLOW),
        ("setpriority", (0, PID, 19), RET_ALLOW),
        ("setpriority", (0, PID + 1, 19), REFUSED),
        ("setpriority", (1, 0, 19), REFUSED),
        ("setpriority", (2, 0, 19), REFUSED),  # of all processes of the user
        ("ioprio_set", (1, 0, 0), RET_ALLOW),
        ("ioprio_set", (1, PID + 1, 0), REFUSED),
        ("ioprio_set", (2, 0, 0), REFUSED),
        ("ioprio_set", (3, 0, 0), REFUSED),
        # F_DUPFD, F_GETFL, F_SETFL, F_SETLK, F_GETOWN, F_DUPFD_CLOEXEC, F_SETPIPE_SZ
        *[("fcntl", (0, command), RET_ALLOW) for command in (0, 3, 4, 6, 9, 1030, 1031)],
        # F_SETOWN, F_SETSIG, F_SETOWN_EX, F_SETLEASE, F_NOTIFY; the kernel looks at 32 bits
        *[("fcntl", (0, command), REFUSED) for command in (8, 10, 15, 1024, 1026, 8 | 1 << 32)],
        *[("ioctl", (0, command), RET_ALLOW) for command in (0x5401, 0x5413, 0x541B)],
        # FIOSETOWN, SIOCSPGRP, TIOCSTI, TIOCLINUX
        *[("ioctl", (0, command), REFUSED) for command in (0x8901, 0x8902, 0x5412, 0x541C)],
        ("prctl", (15,), RET_ALLOW),  # the name of a thread
        ("prctl", (1, 0), REFUSED),
        ("prctl", (62, 1, 1), REFUSED),  # PR_SCHED_CORE
    ],
)
def test_calls_that_are_looked_at(
    machine: str, name: str, arguments: tuple[int, ...], expected: int
) -> None:
    number = numbers(machine, dict(syscalls.LOOKED_AT))[name]
    assert ask(machine, number, *arguments) == expected


def test_open_as_openat() -> None:
    assert ask("x86_64", 2, 0, 0o1000) == REFUSED
    assert ask("x86_64", 2, 0, 0o1003) == REFUSED
    assert ask("x86_64", 2, 0, 0o1101) == RET_ALLOW
    assert ask("x86_64", 2, 0o1000, 0) == RET_ALLOW


def test_every_number_has_one_verdict_only_by_the_table() -> None:
    """No call slips through, or is lost, between the ranges of the filter."""
    for machine in MACHINES:
        known = {
            **dict.fromkeys(numbers(machine, dict(syscalls.REFUSED)).values(), REFUSED),
            **dict.fromkeys(numbers(machine, dict(syscalls.ABSENT)).values(), ABSENT),
        }
        looked_at = set(numbers(machine, dict(syscalls.LOOKED_AT)).values())
        for number in set(range(syscalls.FIRST_UNKNOWN)) - looked_at:
            assert ask(machine, number) == known.get(number, RET_ALLOW), (machine, number)


def test_only_the_process_itself_is_put_into_the_program() -> None:
    for machine in MACHINES:
        built = Filter(machine)
        assert len(built.program(1)) == len(built.program(PID))
        program = built.program(99)
        number = numbers(machine, dict(syscalls.LOOKED_AT))["kill"]
        assert verdict(program, ARCHITECTURES[machine], number, (99, 9)) == RET_ALLOW
        assert verdict(program, ARCHITECTURES[machine], number, (PID, 9)) == REFUSED


def test_machines_it_is_not_made_for() -> None:
    with pytest.raises(ValueError, match="riscv64"):
        Filter("riscv64")


def headers(include: str, *options: str) -> dict[str, int]:
    """The numbers that the installed C headers give."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to read the kernel's headers with")
    command = [compiler, "-E", "-dM", "-include", include, *options, "-x", "c", "/dev/null"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        pytest.skip(f"the kernel's headers are not installed: {include}")
    found = re.findall(r"#define __NR(?:3264)?_(\w+) (\d+)$", done.stdout, re.MULTILINE)
    return {name: int(number) for name, number in found}


@pytest.mark.parametrize(
    ("machine", "include", "options"),
    [
        ("x86_64", "asm/unistd_64.h", ()),
        ("aarch64", "asm-generic/unistd.h", ("-D__BITS_PER_LONG=64",)),
    ],
)
def test_the_numbers_are_those_of_the_headers(
    machine: str, include: str, options: tuple[str, ...]
) -> None:
    told = headers(include, *options)
    tables = {**syscalls.REFUSED, **syscalls.ABSENT, **syscalls.LOOKED_AT, **NEEDED}
    ours = numbers(machine, tables)
    common = ours.keys() & told.keys()
    assert len(common) > 130
    assert {name: ours[name] for name in common} == {name: told[name] for name in common}
    absent = tables.keys() - ours.keys()
    assert not absent & told.keys()


def test_the_program_is_small() -> None:
    """The kernel runs it for each call that it does not know to be allowed."""
    for machine in MACHINES:
        assert len(Filter(machine).program(1)) // seccomp.INSTRUCTION.size < 200
