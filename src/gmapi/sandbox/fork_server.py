"""The fork server: a small process with one thread that starts children for a worker.

It exists because a process with threads cannot fork safely, and because the kernel's
parent-death signal is tied to the thread that forked. `launcher` starts it and talks to it.
Everything it imports comes from the standard library, so that it is small and forks fast.

Wire. One Unix stream socket, worker to server: u32 length, then a marshalled tuple, native order.

- `("launch", ident, argv, cwd, env, numbers, limits, locks)`; with the first byte come file
  descriptors: the report pipe, the failure pipe, then one for each child number in `numbers`.
  `locks` is Landlock's ABI (0 for no file rules), the paths that may be read, written and
  executed, and whether the system call filter is installed.
- `("signal", ident, number)` for the whole process group of that child.

The server answers three bytes on the socket when it is ready: `R`, the ABI of Landlock and
whether the filter can be installed; it has tried both. For a child, the report pipe carries an
i32, its process id (or `-errno` when there was no fork), and later an i32, its return code (`-N`
after signal N); the end of the pipe without it means that the server is gone. The failure pipe
ends empty when exec succeeded, or carries i32 errno and the path concerned. A child whose limits
or locks cannot be set up never becomes the program.

When the socket ends, however that came about, every child's group is killed and the server ends.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import fcntl
import gc
import marshal
import os
import select
import signal
import socket
import struct
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

from gmapi.sandbox import landlock, seccomp
from gmapi.sandbox.limits import Limits, apply, unbound_own_memory

LENGTH = struct.Struct("=I")
REPORT = struct.Struct("=i")
HELLO = struct.Struct("=cBB")
READY = b"R"

# From <linux/prctl.h>.
_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38

# The kernel's SCM_MAX_FD: no message carries more descriptors.
_MAX_FDS = 253
# How long the server stays to see its killed children end, seconds.
_LAST_REAP_SECONDS = 5.0
_EXIT_NOT_STARTED = 127


def main(control: int, starter: int) -> None:
    """Serve the socket `control` of the process `starter` until it ends."""
    unbound_own_memory()  # one that is started later, by a worker that has bounded itself
    server = _Server(socket.socket(fileno=control), starter)
    server.serve()


class _Server:
    def __init__(self, control: socket.socket, starter: int) -> None:
        self._control = control
        self._starter = starter
        self._pid = os.getpid()
        self._children: dict[int, tuple[int, int]] = {}  # pid: (ident, report pipe)
        self._pids: dict[int, int] = {}  # ident: pid
        self._wake, wake_writer = os.pipe()
        os.set_blocking(self._wake, False)
        os.set_blocking(wake_writer, False)
        # Only the worker decides when the server ends, and it says so by closing the socket.
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for number in (signal.SIGCHLD, signal.SIGUSR1):
            signal.signal(number, _wake_up)
        signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        self._changed_signals = [
            number
            for number in signal.valid_signals()
            if signal.getsignal(number) is not signal.SIG_DFL
            and number not in (signal.SIGKILL, signal.SIGSTOP)
        ]
        # Not SIGKILL: the server must live on to kill whole groups. This signal also comes when
        # merely the thread that started the server ends, hence the look at the parent in `serve`.
        _prctl(_PR_SET_PDEATHSIG, signal.SIGUSR1)
        self._filter: seccomp.Filter | None = None
        if seccomp.supported_here():
            self._filter = seccomp.Filter(os.uname().machine)

    def _hello(self) -> bytes:
        """What locks work here, found out by children that put them on."""
        abi = landlock.kernel_abi()
        files = abi > 0 and _works(
            lambda: landlock.restrict(landlock.make_ruleset(abi, (), (), ()))
        )
        calls = self._filter is not None and _works(lambda: self._install_filter())
        return HELLO.pack(READY, abi if files else 0, calls)

    def _install_filter(self) -> None:
        if self._filter is None:
            raise OSError(errno.ENOSYS, "not made for this machine", "the system call filter")
        seccomp.install(self._filter.program(os.getpid()))

    def serve(self) -> None:
        gc.disable()
        gc.freeze()
        poll = select.poll()
        poll.register(self._control, select.POLLIN)
        poll.register(self._wake, select.POLLIN)
        try:
            self._control.sendall(self._hello())
            while os.getppid() == self._starter:
                ready = {fd for fd, _ in poll.poll()}
                if self._wake in ready:
                    self._drain()
                self._reap()
                if self._control.fileno() in ready and not self._take_message():
                    break
        except ConnectionError:
            pass
        finally:
            self._end()

    def _drain(self) -> None:
        try:
            while os.read(self._wake, 4096):
                pass
        except BlockingIOError:
            pass

    def _take_message(self) -> bool:
        """Do what the next message asks; False at the end of the socket."""
        head, fds, _, _ = socket.recv_fds(
            self._control, LENGTH.size, _MAX_FDS, socket.MSG_CMSG_CLOEXEC
        )
        try:
            head += self._receive(LENGTH.size - len(head))
            (length,) = LENGTH.unpack(head)
            message = marshal.loads(self._receive(length))
        except EOFError:
            return False
        if message[0] == "launch":
            self._launch(message[1:], fds)
        else:
            _, ident, number = message
            if ident in self._pids:
                _signal_group(self._pids[ident], number)
        return True

    def _receive(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._control.recv(size - len(parts))
            if not part:
                raise EOFError
            parts += part
        return bytes(parts)

    def _launch(self, message: tuple[Any, ...], fds: list[int]) -> None:
        ident, argv, cwd, env, numbers, limits, (abi, *paths, filtered) = message
        if len(fds) != len(numbers) + 2:
            # This process ran out of descriptors; the kernel dropped the rest of them.
            if fds:
                _report(fds[0], -errno.EMFILE)
            _close_all(fds)
            return
        report, failure, *given = fds
        ruleset = None
        try:
            if abi:
                ruleset = landlock.make_ruleset(abi, *paths)
        except OSError as error:
            _explain(failure, error)
            _report(report, -(error.errno or errno.EINVAL))
            _close_all(fds)
            return
        # No signal may run this process's handlers in the child.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                files = dict(zip(numbers, given, strict=True))
                self._become(argv, cwd, env, files, limits, ruleset, filtered, failure)
        except OSError as error:
            _report(report, -(error.errno or errno.EAGAIN))
            _close_all(fds)
            return
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            if ruleset is not None:
                os.close(ruleset)
        _close_all([failure, *given])
        self._children[pid] = (ident, report)
        self._pids[ident] = pid
        if not _report(report, pid):
            # The worker has given up waiting for this launch.
            _signal_group(pid, signal.SIGKILL)

    def _become(
        self,
        argv: list[bytes],
        cwd: bytes,
        env: Mapping[bytes, bytes],
        fds: Mapping[int, int],
        limits: Mapping[str, int | None],
        ruleset: int | None,
        filtered: bool,
        failure: int,
    ) -> NoReturn:
        """Turn the forked child into the program; on failure say why on the pipe and exit."""
        try:
            os.setsid()
            _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != self._pid:  # the server ended before the line above
                os._exit(_EXIT_NOT_STARTED)
            _prctl(_PR_SET_NO_NEW_PRIVS, 1)
            failure, ruleset = _arrange_fds(fds, failure, ruleset)
            os.chdir(cwd)
            signal.set_wakeup_fd(-1)
            for number in self._changed_signals:
                signal.signal(number, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_SETMASK, ())
            apply(Limits(**limits))
            # Last, as what is above needs files and calls that they forbid.
            if ruleset is not None:
                landlock.restrict(ruleset)
            if filtered:
                self._install_filter()
            os.execve(argv[0], argv, env)
        except BaseException as error:
            _explain(failure, error)
        finally:
            os._exit(_EXIT_NOT_STARTED)

    def _reap(self) -> None:
        """Take in the children that have ended, sweep their groups and report."""
        while self._children:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return
            pid = ended.si_pid
            # While the leader is not reaped its number is taken, so this hits only its own group:
            # what it started and left behind must not outlive it.
            _signal_group(pid, signal.SIGKILL)
            _, status = os.waitpid(pid, 0)
            ident, report = self._children.pop(pid)
            del self._pids[ident]
            _report(report, os.waitstatus_to_exitcode(status))
            os.close(report)

    def _end(self) -> None:
        for pid in self._children:
            _signal_group(pid, signal.SIGKILL)
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        deadline = time.monotonic() + _LAST_REAP_SECONDS
        self._reap()
        while self._children and (left := deadline - time.monotonic()) > 0:
            poll.poll(left * 1000)
            self._drain()
            self._reap()


def _wake_up(number: int, frame: object) -> None:
    """Handler for signals whose only effect is a byte in the wake-up pipe."""


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        # Forked a moment ago and not yet the leader of a group. Its number is still its own:
        # callers pass only children that have not been reaped.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _report(pipe: int, value: int) -> bool:
    """Write one number to a report pipe; False when nobody reads it any more."""
    try:
        os.write(pipe, REPORT.pack(value))
    except BrokenPipeError:
        return False
    return True


def _explain(failure: int, error: BaseException) -> None:
    """Write to a failure pipe why there will be no child."""
    reason, path = errno.EINVAL, b""
    if isinstance(error, OSError):
        reason = error.errno or reason
        path = os.fsencode(error.filename or b"")
    elif isinstance(error, MemoryError):
        reason = errno.ENOMEM
    os.write(failure, REPORT.pack(reason) + path[:1024])


def _works(lock: Callable[[], None]) -> bool:
    """Whether a process of its own can put the lock on."""
    pid = os.fork()
    if pid == 0:
        try:
            _prctl(_PR_SET_NO_NEW_PRIVS, 1)
            lock()
            os._exit(0)
        finally:
            os._exit(_EXIT_NOT_STARTED)
    return os.waitpid(pid, 0)[1] == 0


def _close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)


def _arrange_fds(
    fds: Mapping[int, int], failure: int, ruleset: int | None
) -> tuple[int, int | None]:
    """Give the child its files under its own numbers and close all others but the last two.

    Returns the new numbers of the failure pipe and of the rule set, which close at exec.
    """
    sources = dict(fds)
    for number in (0, 1, 2):
        if number not in sources:
            sources[number] = os.open("/dev/null", os.O_RDWR)
    # First out of the way, so that no number is overwritten while it is still to be copied.
    room = max(sources) + 1
    failure = fcntl.fcntl(failure, fcntl.F_DUPFD_CLOEXEC, room)
    if ruleset is not None:
        ruleset = fcntl.fcntl(ruleset, fcntl.F_DUPFD_CLOEXEC, room)
    moved = {number: fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, room) for number, fd in sources.items()}
    for number, fd in moved.items():
        os.dup2(fd, number, inheritable=True)
    keep = {*moved, failure, ruleset}
    for fd in _open_fds():
        if fd not in keep:
            with contextlib.suppress(OSError):  # the one that listed the folder is gone
                os.close(fd)
    return failure, ruleset


def _open_fds() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc/self/fd")]
    except OSError:  # no /proc here
        return list(range(os.sysconf("SC_OPEN_MAX")))


_libc = ctypes.CDLL(None, use_errno=True)
_libc.prctl.argtypes = (ctypes.c_int, *[ctypes.c_ulong] * 4)
_libc.prctl.restype = ctypes.c_int


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
