"""No child outlives its worker or its fork server, and a frozen worker is not a dead one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from gmapi.sandbox.launcher import Launch, Launcher
from support.product.server import alive, fork_servers, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the fork server is for Linux")

PATIENCE = 20.0

# Prints the process ids of its fork server, a child and a grandchild, in this order.
OWNER = """
import os, sys, threading
from pathlib import Path
from gmapi.sandbox.launcher import Launch, Launcher

launcher = Launcher(locks=frozenset())  # its child starts another one, which no lock stops
thread = threading.Thread(target=launcher.start)
{start}
reader, writer = os.pipe()
argv = ("/bin/sh", "-c", "sleep 1000 & echo $!; wait")
child = launcher.launch(Launch(argv, Path("/"), {{"PATH": "/bin:/usr/bin"}}, {{1: writer}}))
with open(reader) as text:
    grandchild = text.readline().strip()
server = open(f"/proc/{{child.pid}}/stat").read().rsplit(")", 1)[1].split()[1]
print(server, child.pid, grandchild, flush=True)
sys.stdin.read()
"""


class Owner:
    """A process with a launcher of its own."""

    def __init__(self, start: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", OWNER.format(start=start)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.server, self.child, self.grandchild = map(int, line.split())

    def all_alive(self) -> bool:
        return all(map(alive, (self.server, self.child, self.grandchild)))

    def end(self) -> None:
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)


@pytest.fixture(params=["launcher.start()", "thread.start(); thread.join()"])
def owner(request: pytest.FixtureRequest) -> Iterator[Owner]:
    """Started by its main thread, and by a thread that has ended since."""
    started = Owner(request.param)
    yield started
    started.end()


def test_a_killed_worker_takes_all_along(owner: Owner) -> None:
    assert owner.all_alive()
    owner.process.kill()
    owner.process.wait(PATIENCE)
    wait_for(lambda: not any(map(alive, (owner.grandchild, owner.child, owner.server))))


def test_a_worker_that_just_ends_takes_all_along(owner: Owner) -> None:
    assert owner.process.stdin is not None
    owner.process.stdin.close()
    assert owner.process.wait(PATIENCE) == 0
    wait_for(lambda: not any(map(alive, (owner.grandchild, owner.child, owner.server))))


def test_signals_for_a_service_do_not_end_the_fork_server(owner: Owner) -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
        os.kill(owner.server, number)
    # A signal that ended it would have been acted on before this one, which stops it.
    os.kill(owner.server, signal.SIGSTOP)
    wait_for(lambda: psutil.Process(owner.server).status() == psutil.STATUS_STOPPED)
    os.kill(owner.server, signal.SIGCONT)
    assert owner.all_alive()


def test_freezing_the_worker_leaves_its_children_alone(owner: Owner) -> None:
    os.kill(owner.process.pid, signal.SIGSTOP)
    wait_for(lambda: psutil.Process(owner.process.pid).status() == psutil.STATUS_STOPPED)
    # Were they killed with it, it would be at once; there is no event for nothing happening.
    time.sleep(0.3)
    assert owner.all_alive()
    os.kill(owner.process.pid, signal.SIGCONT)
    assert owner.all_alive()


def test_a_killed_fork_server_takes_its_children_along(owner: Owner) -> None:
    os.kill(owner.server, signal.SIGKILL)
    wait_for(lambda: not alive(owner.child) and not alive(owner.grandchild))
    assert owner.process.poll() is None


def test_after_the_fork_server_was_killed_the_next_launch_starts_another(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with Launcher() as launcher:
        before = launcher.protection
        (server,) = fork_servers()
        child = launcher.launch(Launch(("/bin/sleep", "1000"), Path("/")))
        server.kill()
        assert child.wait(PATIENCE) == -signal.SIGKILL
        child.kill()
        wait_for(lambda: "ended by itself" in caplog.text)

        again = launcher.launch(Launch(("/bin/sh", "-c", "exit 3"), Path("/")))
        assert again.wait(PATIENCE) == 3
        assert "Starting a new fork server" in caplog.text
        assert launcher.protection == before
        assert len(fork_servers()) == 1
    assert fork_servers() == []


def test_a_fork_server_that_cannot_be_replaced_is_an_error_not_a_plain_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with Launcher() as launcher:
        (server,) = fork_servers()
        server.kill()
        wait_for(lambda: fork_servers() == [])
        with monkeypatch.context() as broken:
            broken.setattr("gmapi.sandbox.fork_client._COMMAND", ("/bin/false",))
            with pytest.raises(OSError):
                launcher.launch(Launch(("/bin/true",), Path("/")))
        assert launcher.launch(Launch(("/bin/true",), Path("/"))).wait(PATIENCE) == 0
