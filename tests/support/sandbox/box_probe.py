"""What a locked-in child can do: run by the tests as a program, with paths as arguments.

`python box_probe.py IN OUT SECRET PORT PID` tries each of the things below and prints a JSON
object: the name of what was tried, and "ok" or the name of the error.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import json
import os
import platform
import resource
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable
from typing import Any

ARM = platform.machine() == "aarch64"
NOBODY = 54_321
"""A user without processes, in case the call works."""
FILES = resource.RLIMIT_NOFILE
libc = ctypes.CDLL(None, use_errno=True)


def call(x86: int, arm: int, *arguments: Any) -> None:
    """A system call by its number; raises OSError."""
    words = [ctypes.c_long(each) if isinstance(each, int) else each for each in arguments]
    if libc.syscall(arm if ARM else x86, *words) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def write(path: str, flags: int = os.O_CREAT | os.O_TRUNC) -> None:
    fd = os.open(path, os.O_WRONLY | flags, 0o600)
    try:
        os.write(fd, b"data")
    finally:
        os.close(fd)


def read(path: str) -> None:
    with open(path, "rb") as file:
        file.read(10)


def open_truncating(path: str) -> None:
    os.close(os.open(path, os.O_RDONLY | os.O_TRUNC))


def run(program: str) -> None:
    """Never returns when it works, so it is asked for by a name that is no program's."""
    os.execv(program, [program])


def fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def spawn() -> None:
    os.waitpid(os.posix_spawn("/bin/true", ["true"], {}), 0)


def thread() -> None:
    done = []
    started = threading.Thread(target=lambda: done.append(1))
    started.start()
    started.join()
    assert done


def new_socket(family: int, kind: int) -> None:
    socket.socket(family, kind).close()


def tcp(port: int) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tried:
        tried.connect(("127.0.0.1", port))


def listen() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tried:
        tried.bind(("127.0.0.1", 0))


def unix(address: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried:
        tried.bind(address)


def abstract(address: str) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as tried:
        tried.connect(address)


def by_pipe(command: int, value: Any) -> None:
    reader, writer = os.pipe()
    try:
        fcntl.fcntl(reader, command, value)
    finally:
        os.close(reader)
        os.close(writer)


def owner(pid: int) -> bytes:
    """struct f_owner_ex of a process."""
    return struct.pack("ii", 1, pid)


def by_ioctl(request: int, pid: int) -> None:
    fcntl.ioctl(0, request, struct.pack("i", pid))


def own_limits() -> Any:
    """The limits of open files there are, as system calls take them."""
    soft, hard = resource.getrlimit(FILES)
    return (ctypes.c_ulong * 2)(soft & 2**64 - 1, hard & 2**64 - 1)


def trials(source: str, out: str, secret: str, port: int, pid: int) -> dict[str, Callable[[], Any]]:
    write(f"{out}/mine")
    return {
        # what a conversion does
        "read the source": lambda: read(source),
        "write an output": lambda: write(f"{out}/output"),
        "read an output": lambda: read(f"{out}/output"),
        "rename an output": lambda: os.rename(f"{out}/output", f"{out}/output2"),
        "delete an output": lambda: os.unlink(f"{out}/output2"),
        "write to null": lambda: write("/dev/null", 0),
        "read random bytes": lambda: read("/dev/urandom"),
        "start a thread": thread,
        "set its own priority": lambda: os.setpriority(os.PRIO_PROCESS, 0, 19),
        "set its own processors": lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)),
        "ask for its own limits": lambda: resource.getrlimit(FILES),
        "make a pipe that does not block": lambda: [
            (os.set_blocking(each, False), os.close(each)) for each in os.pipe()
        ],
        # files
        "read a secret": lambda: read(secret),
        "list a folder": lambda: os.listdir(os.path.dirname(secret)),
        "list the root": lambda: os.listdir("/"),
        "read /proc": lambda: read("/proc/self/environ"),
        "read /etc/passwd": lambda: read("/etc/passwd"),
        "write the source": lambda: write(source, 0),
        "write beside the output folder": lambda: write(f"{out}/../beside"),
        "make a file in the folder of a secret": lambda: write(secret + ".new"),
        "delete a secret": lambda: os.unlink(secret + ".spare"),
        "move an output away": lambda: os.rename(f"{out}/mine", f"{out}/../mine"),
        "make a folder": lambda: os.mkdir(f"{out}/folder"),
        "make a symbolic link": lambda: os.symlink(secret, f"{out}/link"),
        "make a fifo": lambda: os.mkfifo(f"{out}/fifo"),
        "make a socket file": lambda: unix(f"{out}/socket"),
        "link a secret": lambda: os.link(secret, f"{out}/hard"),
        "run a program": lambda: run(f"{os.path.dirname(secret)}/program"),
        # network and processes that Landlock knows
        "connect by TCP": lambda: tcp(port),
        "listen by TCP": listen,
        "connect to an abstract socket": lambda: abstract(f"\0gmapi-test-{port}"),
        "signal another process": lambda: os.kill(pid, 0),
        # what the filter knows
        "truncate the source by name": lambda: os.truncate(source, 4),
        "truncate the source by opening it": lambda: open_truncating(source),
        "make a TCP socket": lambda: new_socket(socket.AF_INET, socket.SOCK_STREAM),
        "make a TCP socket for IPv6": lambda: new_socket(socket.AF_INET6, socket.SOCK_STREAM),
        "make a UDP socket": lambda: new_socket(socket.AF_INET, socket.SOCK_DGRAM),
        "make a Unix socket": lambda: new_socket(socket.AF_UNIX, socket.SOCK_STREAM),
        "make a netlink socket": lambda: new_socket(socket.AF_NETLINK, socket.SOCK_RAW),
        "make a pair of sockets": lambda: [each.close() for each in socket.socketpair()],
        "fork": fork,
        "spawn": spawn,
        "change a mode": lambda: os.chmod(f"{out}/mine", 0o777),
        "change an owner": lambda: os.chown(f"{out}/mine", os.getuid(), os.getgid()),
        "set a time": lambda: os.utime(f"{out}/mine"),
        "set an attribute": lambda: os.setxattr(f"{out}/mine", "user.x", b"1"),
        "link an output": lambda: os.link(f"{out}/mine", f"{out}/mine2"),
        "make a memory file": lambda: os.close(os.memfd_create("x")),
        "outlive the worker": lambda: libc.prctl(1, 0, 0, 0, 0) and _fail(),
        "set its own limits": lambda: call(302, 261, 0, FILES, own_limits(), None),
        "set its own limits by the older call": lambda: call(160, 164, FILES, own_limits()),
        "set another's limits": lambda: call(302, 261, pid, 7, None, None),
        "send another a signal by a pipe (F_SETOWN)": lambda: by_pipe(8, pid),
        "send another a signal by a pipe (F_SETOWN_EX)": lambda: by_pipe(15, owner(pid)),
        "choose the signal of a pipe": lambda: by_pipe(10, signal.SIGKILL),
        "wait for a lease": lambda: by_pipe(1024, 0),
        "watch a folder by signals": lambda: by_pipe(1026, 0),
        "send another a signal by ioctl": lambda: by_ioctl(0x8901, pid),
        "send another a signal with a value": lambda: call(129, 138, pid, 0, None),
        "set another's priority": lambda: os.setpriority(os.PRIO_PROCESS, pid, 19),
        "set a user's priority": lambda: os.setpriority(os.PRIO_USER, NOBODY, 19),
        "set another's disk priority": lambda: call(251, 30, 1, pid, 0),
        "set another's processors": lambda: os.sched_setaffinity(pid, os.sched_getaffinity(0)),
        "set another's scheduling": lambda: os.sched_setscheduler(
            pid, os.SCHED_OTHER, os.sched_param(0)
        ),
        "set another's scheduling parameters": lambda: call(142, 118, pid, None),
        "set another's scheduling attributes": lambda: call(314, 274, pid, None, 0),
        "move another's memory": lambda: call(256, 238, pid, 0, None, None),
        "trace": lambda: call(101, 117, 16896, pid, 0, 0),  # PTRACE_SETOPTIONS of one not traced
        "read another's memory": lambda: call(310, 270, pid, None, 0, None, 0, 0),
        "set up io_uring": lambda: call(425, 425, 0, None),
        "use bpf": lambda: call(321, 280, 0xFFFF, None, 0),
        "use the key store": lambda: call(250, 219, 0xFFFF, 0, 0, 0, 0),
        "use userfaultfd": lambda: call(323, 282, 0xFFFF),
        "watch performance": lambda: call(298, 241, None, 0, 0, 0, 0),
        "mount": lambda: call(165, 40, None, None, None, 0, None),
        "leave namespaces": lambda: call(272, 97, 0),
        "enter namespaces": lambda: call(308, 268, -1, 0),
        "open by handle": lambda: call(304, 265, -1, None, 0),
        "load a kernel": lambda: call(246, 104, 0, 0, None, 0xFFFF),
        "load a module": lambda: call(313, 273, -1, None, 0),
        "take another's file": lambda: call(438, 438, -1, 0, 0),
        "share memory": lambda: call(29, 194, 0x6D6170, -1, 0),
    }  # fmt: skip


def _fail() -> None:
    number = ctypes.get_errno()
    raise OSError(number, os.strerror(number))


def main(source: str, out: str, secret: str, port: str, pid: str) -> None:
    results = {}
    for name, trial in trials(source, out, secret, int(port), int(pid)).items():
        try:
            trial()
        except OSError as error:
            results[name] = errno.errorcode.get(error.errno or 0, repr(error))
        else:
            results[name] = "ok"
    print(json.dumps(results))


if __name__ == "__main__":
    main(*sys.argv[1:])
