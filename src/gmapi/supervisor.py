"""`gmapi serve`: one web process and the workers, started, watched and restarted.

The supervisor holds the listening socket, so that callers who come while the web process
restarts wait a moment instead of being refused. It imports neither gevent nor Flask, and starts
its children as fresh interpreters. It may use subprocess: what it starts is this program itself.

A worker that gives no sign of life any more (see `signs_of_life`) is killed: no other word reaches
it. What it ran then counts as crashed, as its lease has run out.

One supervisor at a time may use a data folder: it holds a lock on it. Children of one that was
killed may still be stopping beside the next one, which the fence of the jobs makes harmless.
"""

from __future__ import annotations

import errno
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gmapi import data_folder
from gmapi.errors import SettingsError
from gmapi.filelock import FileLock
from gmapi.listener import listen
from gmapi.settings import ENV_PREFIX, Settings
from gmapi.signs_of_life import SignsOfLife, whom_to_end

RESTART_PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0)
STEADY_SECONDS = 10.0
STOP_SECONDS = 20.0
WATCH_SECONDS = 0.1
PORT_SECONDS = 2.0
"""How long a port in use is tried again: a killed supervisor's web process may still hold it."""

log = logging.getLogger(__name__)


@dataclass
class _Child:
    name: str
    command: list[str]
    gives_signs: bool = False
    keep_fds: tuple[int, ...] = ()
    process: subprocess.Popen[bytes] | None = None
    signs: SignsOfLife | None = None
    started: float = 0.0
    failures: int = 0
    start_at: float = field(default=0.0)


class Supervisor:
    """Runs the children of one server until told to stop.

    Raises SettingsError when the data folder cannot be used or another server uses it, OSError
    when the port cannot be listened on.
    """

    def __init__(self, settings: Settings, flags: Mapping[str, object]) -> None:
        self._settings = settings
        self._lock = _lock_data_folder(settings)
        # Children read flags as environment, which they prefer to gmapi.toml just the same.
        self._environment = os.environ | _own_modules()
        for name, value in flags.items():
            if value is not None:
                self._environment[ENV_PREFIX + name.upper()] = str(value)
        # No event: a signal that arrives inside of one of its methods would wait for itself.
        self._stopping = False
        self._listener = _listen(settings)
        self.port: int = self._listener.getsockname()[1] if self._listener else settings.port
        self._environment[ENV_PREFIX + "PORT"] = str(self.port)
        self._children = self._describe_children()

    def _describe_children(self) -> list[_Child]:
        program = [sys.executable, "-m", "gmapi"]
        web = _Child("web", [*program, "web", "--supervised"])
        if self._listener is not None:
            web.command += ["--listen-fd", str(self._listener.fileno())]
            web.keep_fds = (self._listener.fileno(),)
        workers = [
            _Child(f"worker {number}", [*program, "worker", "--supervised"], gives_signs=True)
            for number in range(1, self._settings.workers + 1)
        ]
        return [web, *workers]

    def run(self, on_start: Callable[[], None]) -> None:
        """Start everything, call `on_start`, and watch until SIGTERM, SIGINT or `stop`."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self.stop())
        try:
            for child in self._children:
                self._start(child)
            on_start()
            while not self._stopping:
                for child in self._children:
                    self._watch(child)
                self._end_silent()
                self._reap_orphans()
                time.sleep(WATCH_SECONDS)
        finally:
            self._end()

    def stop(self) -> None:
        """Make `run` return; safe in a signal handler."""
        self._stopping = True

    def _start(self, child: _Child) -> None:
        child.started = time.monotonic()
        try:
            # A child stops in good order when its standard input ends: when this process is gone.
            child.process = subprocess.Popen(
                child.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if child.gives_signs else None,
                env=self._environment,
                pass_fds=child.keep_fds if os.name == "posix" else (),
                # Ctrl-C reaches the whole terminal group: the children wait for our word.
                start_new_session=os.name == "posix",
            )
        except OSError as error:  # out of processes or memory, which may pass
            self._restart_later(child, f"could not be started ({error})")
            return
        if child.process.stdout is not None:
            child.signs = SignsOfLife(child.started)
            child.signs.listen(child.process.stdout)

    def _watch(self, child: _Child) -> None:
        if child.process is None:
            if time.monotonic() >= child.start_at:
                self._start(child)
            return
        code = child.process.poll()
        if code is None:
            return
        _close_input(child.process)
        child.process = child.signs = None
        self._restart_later(child, f"ended with code {code}")

    def _end_silent(self) -> None:
        workers = [child for child in self._children if child.gives_signs]
        now = time.monotonic()
        for child in workers:
            if child.signs is not None:
                child.signs.look(now)
        lease = self._settings.lease_seconds
        for number in whom_to_end([child.signs for child in workers], lease):
            child = workers[number]
            assert child.process is not None
            assert child.signs is not None
            log.error(
                "%s (process %d) has been silent for %.0f s and is killed",
                child.name,
                child.process.pid,
                child.signs.silent,
            )
            child.process.kill()
            child.signs = SignsOfLife(now)

    def _restart_later(self, child: _Child, what: str) -> None:
        if time.monotonic() - child.started > STEADY_SECONDS:
            child.failures = 0
        pause = RESTART_PAUSES[min(child.failures, len(RESTART_PAUSES) - 1)]
        child.failures += 1
        log.error("%s %s and is started again in %.1f s", child.name, what, pause)
        child.start_at = time.monotonic() + pause

    def _reap_orphans(self) -> None:
        """As the first process of a container this one inherits what killed workers leave, which
        stays as zombies until it is waited for."""
        if not hasattr(os, "waitid"):
            return
        own = {child.process.pid for child in self._children if child.process is not None}
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None or ended.si_pid in own:
                return  # `_watch` takes in our own, then it is the next one's turn
            os.waitpid(ended.si_pid, 0)

    def _end(self) -> None:
        if self._listener is not None:
            self._listener.close()
        processes = [child.process for child in self._children if child.process is not None]
        for process in processes:
            process.terminate() if os.name == "posix" else _close_input(process)
        deadline = time.monotonic() + STOP_SECONDS
        for process in processes:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                log.error("process %d did not stop in time and is killed", process.pid)
                process.kill()
                process.wait()
            _close_input(process)
        self._lock.release()


def _own_modules() -> dict[str, str]:
    """What makes children look for modules where this process does, and never in the folder that
    they happen to run in."""
    folder = str(Path(__file__).resolve().parents[1])
    found = {"PYTHONSAFEPATH": "1"}
    if folder not in sys.path:  # run from the folder that holds the package
        others = os.environ.get("PYTHONPATH")
        found["PYTHONPATH"] = os.pathsep.join([folder, *([others] if others else [])])
    return found


def _close_input(process: subprocess.Popen[bytes]) -> None:
    if process.stdin is not None:
        process.stdin.close()


def _listen(settings: Settings) -> socket.socket | None:
    """The listening socket for the web process; None where sockets cannot be handed on."""
    if os.name != "posix":
        return None
    deadline = time.monotonic() + PORT_SECONDS
    while True:
        try:
            return listen(settings.host, settings.port)
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise
            time.sleep(WATCH_SECONDS)


def _lock_data_folder(settings: Settings) -> FileLock:
    lock = FileLock(settings.data_dir / data_folder.SERVER_LOCK)
    try:
        data_folder.make(settings.data_dir)
        free = lock.try_acquire()
    except OSError as error:
        raise SettingsError(
            [f"GMAPI_DATA_DIR: {settings.data_dir} cannot be used: {error.strerror}"]
        ) from error
    if not free:
        raise SettingsError(
            [
                f"GMAPI_DATA_DIR: another server is running with {settings.data_dir}; "
                "stop it, or choose another folder with --data-dir"
            ]
        )
    return lock


def stop_with_parent(stop: Callable[[], None]) -> None:
    """In a child: call `stop` when standard input ends, which the supervisor holds open."""

    def wait() -> None:
        while os.read(0, 1024):
            pass
        stop()

    threading.Thread(target=wait, name="parent", daemon=True).start()
