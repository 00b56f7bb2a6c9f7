"""Children as they are: their surroundings, their limits, their return codes, their end."""

from __future__ import annotations

import errno
import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from gmapi.sandbox.launcher import Launch, Launcher, spawn_fork_server
from gmapi.sandbox.limits import Limits
from gmapi.sandbox.protection import Lock
from support.product.server import alive, fork_servers, wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the fork server is for Linux")

PATIENCE = 20.0
MIB = 1 << 20
SHELL = "/bin/sh"
FOLDER = Path("/")
# What the locks do, other tests try (test_sandbox_locks.py).
NO_LOCKS: frozenset[Lock] = frozenset()
NICE = "low priority (nice)"


@pytest.fixture
def launcher() -> Iterator[Launcher]:
    with Launcher(locks=NO_LOCKS) as started:
        assert NICE not in started.protection.missing
        yield started


@pytest.fixture(params=["limits", "plain"])
def either(request: pytest.FixtureRequest) -> Iterator[Launcher]:
    plain = request.param == "plain"
    with Launcher(plain=plain, locks=NO_LOCKS) as started:
        assert (NICE in started.protection.missing) == plain
        yield started


def test_a_fork_server_that_is_never_used_ends() -> None:
    before = len(fork_servers())
    early = spawn_fork_server()
    assert early is not None
    assert len(fork_servers()) == before + 1
    early.stop()
    assert early.is_gone()
    assert len(fork_servers()) == before
    Launcher(fork_server=spawn_fork_server()).close()
    assert len(fork_servers()) == before


def shell(script: str, **more: object) -> Launch:
    return Launch((SHELL, "-c", script), FOLDER, **more)  # type: ignore[arg-type]


def python(script: str, **more: object) -> Launch:
    return Launch((sys.executable, "-I", "-S", "-c", script), FOLDER, **more)  # type: ignore[arg-type]


def read_line(fd: int) -> str:
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(fd, 1)
        assert part, "the child said nothing"
        line += part
    return line.decode().strip()


def output(launcher: Launcher, make: Callable[[dict[int, int]], Launch]) -> str:
    """What a child writes to its standard output, when it succeeds."""
    reader, writer = os.pipe()
    with open(reader) as text:
        try:
            child = launcher.launch(make({1: writer}))
        finally:
            os.close(writer)
        written = text.read()
    assert child.wait(PATIENCE) == 0
    return written


class TestReturnCodes:
    @pytest.mark.parametrize("code", [0, 1, 77, 255])
    def test_of_an_exit(self, either: Launcher, code: int) -> None:
        child = either.launch(shell(f"exit {code}"))
        assert child.wait(PATIENCE) == code
        assert child.poll() == code
        assert child.wait() == code

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGSEGV, signal.SIGPIPE])
    def test_of_a_signal(self, either: Launcher, number: int) -> None:
        assert either.launch(shell(f"kill -{int(number)} $$")).wait(PATIENCE) == -number

    def test_not_yet(self, either: Launcher) -> None:
        child = either.launch(Launch(("/bin/sleep", "1000"), FOLDER))
        assert child.poll() is None
        assert child.wait(0.05) is None
        child.terminate()
        assert child.wait(PATIENCE) == -signal.SIGTERM
        child.terminate()
        child.kill()

    def test_reaches_all_who_wait(self, either: Launcher) -> None:
        child = either.launch(Launch(("/bin/sleep", "1000"), FOLDER))
        with ThreadPoolExecutor(8) as pool:
            waiting = [pool.submit(child.wait, PATIENCE) for _ in range(8)]
            child.kill()
            assert {future.result() for future in waiting} == {-signal.SIGKILL}


class TestSurroundings:
    def test_environment_is_empty(self, either: Launcher) -> None:
        assert output(either, lambda fds: Launch(("/usr/bin/env",), FOLDER, fds=fds)) == ""

    def test_environment_is_as_given(self, either: Launcher) -> None:
        env = {"LANG": "C", "WORD": "größe = 1"}
        written = output(either, lambda fds: Launch(("/usr/bin/env",), FOLDER, env, fds))
        assert set(written.splitlines()) == {"LANG=C", "WORD=größe = 1"}

    def test_folder(self, either: Launcher, tmp_path: Path) -> None:
        folder = tmp_path / "wörk folder"
        folder.mkdir()
        spec = (SHELL, "-c", "pwd -P")
        assert output(either, lambda fds: Launch(spec, folder, {}, fds)) == f"{folder.resolve()}\n"

    def test_arguments_arrive_unchanged(self, either: Launcher) -> None:
        given = ("", "a b", "ä\n", "\udcff", "x" * 100_000, *map(str, range(3000)))
        script = "import sys, json; print(json.dumps(sys.argv[1:]))"
        argv = (sys.executable, "-I", "-S", "-X", "utf8", "-c", script, *given)
        assert json.loads(output(either, lambda fds: Launch(argv, FOLDER, {}, fds))) == list(given)

    def test_standard_files_are_null_when_not_given(self, either: Launcher) -> None:
        script = "import os; print(*[os.readlink(f'/proc/self/fd/{n}') for n in (0, 2)])"
        assert output(either, lambda fds: python(script, fds=fds)) == "/dev/null /dev/null\n"

    def test_only_given_files_are_open(self, launcher: Launcher) -> None:
        # Files of this process that a child could inherit, were they not closed for it.
        reader, writer = os.pipe()
        os.set_inheritable(reader, True)
        # The listing itself has the folder open, under the first number that was free.
        script = (
            "import os; print(*sorted(map(int, os.listdir('/proc/self/fd')))); os.write(9, b'nine')"
        )
        try:
            listed = output(launcher, lambda fds: python(script, fds={**fds, 9: writer, 4: reader}))
            assert listed.split() == ["0", "1", "2", "3", "4", "9"]
            assert os.read(reader, 100) == b"nine"
        finally:
            os.close(reader)
            os.close(writer)

    def test_numbers_may_cross(self, launcher: Launcher) -> None:
        pipes = [os.pipe() for _ in range(6)]
        writers = [writer for _, writer in pipes]
        # The numbers used here, each for another file, overlap with those the server holds.
        script = "import os; [os.write(n, str(n).encode()) for n in range(3, 9)]"
        fds = dict(zip(range(3, 9), reversed(writers), strict=True))
        try:
            assert launcher.launch(python(script, fds=fds)).wait(PATIENCE) == 0
            arrived = [os.read(reader, 10) for reader, _ in pipes]
            assert arrived == [b"8", b"7", b"6", b"5", b"4", b"3"]
        finally:
            for pipe in pipes:
                os.close(pipe[0])
                os.close(pipe[1])

    def test_one_file_under_two_numbers(self, launcher: Launcher) -> None:
        written = output(
            launcher, lambda fds: shell("echo one; echo two >&2", fds={1: fds[1], 2: fds[1]})
        )
        assert written == "one\ntwo\n"

    def test_plain_refuses_other_numbers(self) -> None:
        with Launcher(plain=True) as plain, pytest.raises(OSError) as caught:
            plain.launch(shell("true", fds={3: 0}))
        assert caught.value.errno == errno.ENOTSUP

    def test_a_closed_file_is_refused(self, launcher: Launcher) -> None:
        # A number no process gets by itself: a lower one may be taken again meanwhile.
        with pytest.raises(OSError) as caught:
            launcher.launch(shell("true", fds={3: 1_000_000}))
        assert caught.value.errno == errno.EBADF
        assert launcher.launch(shell("exit 3")).wait(PATIENCE) == 3

    def test_signals_are_as_usual(self, launcher: Launcher) -> None:
        # Not Python: it ignores SIGPIPE itself.
        cat = ("/bin/cat", "/proc/self/status")
        lines = output(launcher, lambda fds: Launch(cat, FOLDER, {}, fds)).splitlines()
        # The C library keeps two signals for itself, and no program can change how they are
        # handled: below GNU make they are ignored.
        settable = sum(1 << (number - 1) for number in signal.valid_signals())
        masks = {
            name: int(value, 16) & settable
            for name, value in (
                line.split() for line in lines if line.startswith(("SigBlk", "SigIgn", "SigPnd"))
            )
        }
        assert masks == {"SigBlk:": 0, "SigIgn:": 0, "SigPnd:": 0}

    def test_session_and_privileges(self, launcher: Launcher) -> None:
        script = (
            "import os; print(os.getpid() == os.getsid(0) == os.getpgid(0)); "
            "print(*[line for line in open('/proc/self/status') if 'NoNewPrivs' in line])"
        )
        written = output(launcher, lambda fds: python(script, fds=fds))
        assert written.split() == ["True", "NoNewPrivs:", "1"]


def limits_seen(launcher: Launcher, limits: Limits) -> list[int]:
    """What a child sees: processor time, address space, data, file size, files, core, nice."""
    script = (
        "import json, os, resource as r; "
        "names = ['CPU', 'AS', 'DATA', 'FSIZE', 'NOFILE', 'CORE']; "
        "soft = [r.getrlimit(getattr(r, 'RLIMIT_' + name))[0] for name in names]; "
        "print(json.dumps([*soft, os.nice(0)]))"
    )
    seen: list[int] = json.loads(
        output(launcher, lambda fds: python(script, fds=fds, limits=limits))
    )
    return seen


class TestLimits:
    def test_all_are_set(self, launcher: Launcher) -> None:
        limits = Limits(
            cpu_seconds=7,
            address_space=900 * MIB,
            data=500 * MIB,
            file_size=MIB,
            open_files=99,
            nice=12,
        )
        written = limits_seen(launcher, limits)
        assert written == [7, 900 * MIB, 500 * MIB, MIB, 99, 0, max(12, os.nice(0))]

    def test_none_leaves_what_is(self, launcher: Launcher) -> None:
        limits = Limits(None, None, None, None, None, None)
        written = limits_seen(launcher, limits)
        kinds = (
            resource.RLIMIT_CPU,
            resource.RLIMIT_AS,
            resource.RLIMIT_DATA,
            resource.RLIMIT_FSIZE,
            resource.RLIMIT_NOFILE,
        )
        here = [resource.getrlimit(kind)[0] for kind in kinds]
        assert written == [*here, 0, os.nice(0)]

    def test_a_file_grows_no_further(self, launcher: Launcher, tmp_path: Path) -> None:
        argv = ("/bin/dd", "if=/dev/zero", "of=big", "bs=65536", "count=64")
        child = launcher.launch(Launch(argv, tmp_path, limits=Limits(file_size=MIB)))
        assert child.wait(PATIENCE) == -signal.SIGXFSZ
        assert (tmp_path / "big").stat().st_size == MIB

    def test_processor_time_ends(self, launcher: Launcher) -> None:
        child = launcher.launch(shell("while :; do :; done", limits=Limits(cpu_seconds=1)))
        assert child.wait(60) == -signal.SIGXCPU

    def test_memory_ends(self, launcher: Launcher) -> None:
        limits = Limits(address_space=256 * MIB)
        script = "import os\ntry: bytearray(512 << 20)\nexcept MemoryError: os._exit(42)"
        assert launcher.launch(python(script, limits=limits)).wait(PATIENCE) == 42


class TestFailures:
    def test_no_such_program(self, either: Launcher) -> None:
        with pytest.raises(FileNotFoundError):
            either.launch(Launch(("/no/such/program",), FOLDER))
        assert either.launch(shell("exit 3")).wait(PATIENCE) == 3

    def test_not_a_program(self, either: Launcher, tmp_path: Path) -> None:
        (tmp_path / "text").write_text("no program")
        with pytest.raises(PermissionError):
            either.launch(Launch((str(tmp_path / "text"),), FOLDER))
        (tmp_path / "text").chmod(0o755)
        with pytest.raises(OSError) as caught:
            either.launch(Launch((str(tmp_path / "text"),), FOLDER))
        assert caught.value.errno == errno.ENOEXEC

    def test_no_such_folder(self, either: Launcher, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError) as caught:
            either.launch(Launch(("/bin/true",), tmp_path / "missing"))
        assert str(tmp_path / "missing") in str(caught.value)

    def test_arguments_beyond_the_system(self, either: Launcher) -> None:
        with pytest.raises(OSError) as caught:
            either.launch(Launch(("/bin/true", "x" * (16 * MIB)), FOLDER))
        assert caught.value.errno == errno.E2BIG

    def test_a_closed_launcher_starts_nothing(self, either: Launcher) -> None:
        either.close()
        with pytest.raises(RuntimeError, match="closed"):
            either.launch(Launch(("/bin/true",), FOLDER))

    def test_without_a_fork_server_children_start_plainly(
        self, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr("gmapi.sandbox.fork_client._COMMAND", ("/bin/false",))
        with Launcher() as launcher:
            assert launcher.protection.state == "policy-only"
            assert "without limits" in caplog.text
            assert launcher.launch(shell("exit 3")).wait(PATIENCE) == 3


class TestKilling:
    def test_the_whole_group(self, either: Launcher) -> None:
        reader, writer = os.pipe()
        spec = shell("sleep 1000 & echo $!; wait", fds={1: writer}, env={"PATH": "/bin:/usr/bin"})
        child = either.launch(spec)
        os.close(writer)
        grandchild = int(read_line(reader))
        assert alive(grandchild)
        child.kill()
        child.kill()
        assert child.wait(PATIENCE) == -signal.SIGKILL
        wait_for(lambda: not alive(grandchild))
        os.close(reader)

    def test_what_is_left_of_a_group_that_ended(self, either: Launcher) -> None:
        reader, writer = os.pipe()
        spec = shell("sleep 1000 & echo $!", fds={1: writer}, env={"PATH": "/bin:/usr/bin"})
        child = either.launch(spec)
        os.close(writer)
        grandchild = int(read_line(reader))
        assert child.wait(PATIENCE) == 0
        wait_for(lambda: not alive(grandchild))
        os.close(reader)

    def test_closing_kills_all(self, either: Launcher) -> None:
        children = [either.launch(Launch(("/bin/sleep", "1000"), FOLDER)) for _ in range(5)]
        either.close()
        assert [child.poll() for child in children] == [-signal.SIGKILL] * 5
        assert all(not alive(child.pid) for child in children)
        either.close()


class TestMany:
    def test_fifty_threads_at_once(self, launcher: Launcher) -> None:
        start = threading.Barrier(50)

        def run(number: int) -> tuple[int | None, str]:
            reader, writer = os.pipe()
            start.wait(PATIENCE)
            child = launcher.launch(shell(f"echo {number}; exit {number}", fds={1: writer}))
            os.close(writer)
            line = read_line(reader)
            os.close(reader)
            return child.wait(PATIENCE), line

        with ThreadPoolExecutor(50) as pool:
            results = list(pool.map(run, range(50)))
        assert results == [(number, str(number)) for number in range(50)]

    def test_no_files_stay_open(self, either: Launcher) -> None:
        def open_files(pid: int) -> int:
            return len(os.listdir(f"/proc/{pid}/fd"))

        # Before the first launch: the server reports a child's end just before it closes its pipe.
        servers = [process.pid for process in fork_servers()]
        before = [open_files(pid) for pid in (os.getpid(), *servers)]
        for number in range(50):
            if number % 2:
                child = either.launch(Launch(("/bin/true",), FOLDER))
                assert child.wait(PATIENCE) == 0
            else:
                with pytest.raises(FileNotFoundError):
                    either.launch(Launch(("/no/such/program",), FOLDER))
        wait_for(lambda: [open_files(pid) for pid in (os.getpid(), *servers)] == before)

    def test_a_child_nobody_keeps_is_no_leak(self, launcher: Launcher) -> None:
        (server,) = fork_servers()
        before = server.num_fds(), psutil.Process().num_fds()
        for _ in range(10):
            launcher.launch(Launch(("/bin/true",), FOLDER))
        wait_for(lambda: (server.num_fds(), psutil.Process().num_fds()) == before)
        assert server.children() == []
