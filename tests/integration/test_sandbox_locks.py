"""Each lock alone, on the real kernel: what it stops, and what it leaves to the other one.

A child tries a list of things (`box_probe`) under no lock, Landlock alone, the filter alone and
both. Under no lock all of it works, so that a lock that does nothing is seen.
"""

from __future__ import annotations

import errno
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gmapi.sandbox.launcher import Grants, Launch, Launcher
from gmapi.sandbox.protection import LOCKS, Lock
from support.sandbox import box_probe, old_kernel
from support.sandbox.locked_children import PATIENCE, in_child, needs, said_by

if sys.platform != "linux":
    pytest.skip("the locks are for Linux", allow_module_level=True)

from gmapi.sandbox import landlock, seccomp

# What the interpreter needs to be the child.
PYTHON = (Path(os.__file__).parent, Path(sys.prefix) / "pyvenv.cfg", Path(box_probe.__file__))

WORK = (
    "read the source", "write an output", "read an output", "rename an output",
    "delete an output", "write to null", "read random bytes", "start a thread",
    "set its own priority", "set its own processors", "ask for its own limits",
    "make a pipe that does not block",
)  # fmt: skip
OTHER_FILES = (
    "read a secret", "list a folder", "list the root", "read /proc", "read /etc/passwd",
    "write the source", "write beside the output folder", "make a file in the folder of a secret",
    "delete a secret", "make a folder", "make a symbolic link", "make a fifo",
    "make a socket file", "run a program",
)  # fmt: skip
MOVES = ("move an output away", "link a secret")
TCP = ("connect by TCP", "listen by TCP")
SCOPES = ("connect to an abstract socket", "signal another process")
SOCKETS = (
    "make a TCP socket", "make a TCP socket for IPv6", "make a UDP socket", "make a Unix socket",
    "make a netlink socket", "make a pair of sockets", *TCP, "connect to an abstract socket",
    "make a socket file",
)  # fmt: skip
SIDEWAYS = (
    "send another a signal by a pipe (F_SETOWN)", "send another a signal by a pipe (F_SETOWN_EX)",
    "choose the signal of a pipe", "wait for a lease", "watch a folder by signals",
    "send another a signal by ioctl", "send another a signal with a value",
    "set another's priority", "set a user's priority", "set another's disk priority",
    "set another's processors", "set another's scheduling",
    "set another's scheduling parameters", "set another's scheduling attributes",
    "move another's memory",
)  # fmt: skip
CALLS = (
    *SOCKETS, *SIDEWAYS, "fork", "spawn", "change a mode", "change an owner", "set a time",
    "set an attribute", "link an output", "link a secret", "make a symbolic link", "make a fifo",
    "make a folder", "make a memory file", "outlive the worker", "set its own limits",
    "set its own limits by the older call", "set another's limits", "trace",
    "read another's memory", "set up io_uring", "use bpf", "use the key store", "use userfaultfd",
    "watch performance", "mount", "leave namespaces", "enter namespaces", "open by handle",
    "load a kernel", "load a module", "take another's file", "share memory",
    "truncate the source by name", "truncate the source by opening it", "signal another process",
)  # fmt: skip

Probe = Callable[..., dict[str, str]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("locks")


@pytest.fixture(scope="module")
def probe(folder: Path) -> Iterator[Probe]:
    """Tries everything in a child under these locks."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    abstract = socket.socket(socket.AF_UNIX)
    abstract.bind(f"\0gmapi-test-{port}")
    abstract.listen()
    # Another process of this user, which is no ancestor of the child.
    other = subprocess.Popen(["sleep", "1000"])
    results: dict[frozenset[Lock], dict[str, str]] = {}

    def probe(*locks: Lock) -> dict[str, str]:
        wanted = frozenset(locks)
        if wanted in results:
            return results[wanted]
        needs(set(wanted))
        place = folder / ("-".join(sorted(locks)) or "none")
        job, another = place / "job", place / "another"
        for each in (job / "in", job / "out", another):
            each.mkdir(parents=True)
        secret = another / "secret"
        secret.write_text("a secret")
        (another / "secret.spare").write_text("a secret")
        (another / "program").write_text("no program")
        (another / "program").chmod(0o755)
        (another / "source").write_text("the source")
        # As a run on a file of the user has it.
        source = job / "in" / "input0"
        source.symlink_to(another / "source")
        grants = Grants((source, *PYTHON), (job / "out",))
        arguments = [str(source), str(job / "out"), str(secret), str(port), str(other.pid)]
        argv = [sys.executable, "-I", "-S", box_probe.__file__, *arguments]
        with Launcher(locks=wanted) as launcher:
            code, said = said_by(launcher, argv, job, grants)
        assert code == 0, said
        results[wanted] = json.loads(said)
        found: dict[str, str] = results[wanted]
        assert (another / "secret").exists()
        return found

    yield probe
    other.kill()
    other.wait()
    listener.close()
    abstract.close()


def test_without_locks_nothing_is_stopped(probe: Probe) -> None:
    """The control: what is refused below is refused by the locks."""
    found = probe()
    for name in (*WORK, *OTHER_FILES, *MOVES, *TCP, *SCOPES):
        expected = "ENOEXEC" if name == "run a program" else "ok"
        assert found[name] == expected, name
    for name in CALLS:
        assert found[name] not in ("EPERM", "EACCES"), name


def test_landlock_alone_keeps_to_the_files_that_are_granted(probe: Probe) -> None:
    found = probe("landlock")
    for name in WORK:
        assert found[name] == "ok", name
    for name in OTHER_FILES:
        assert found[name] == "EACCES", name
    for name in MOVES:
        assert found[name] in ("EXDEV", "EACCES"), name


def test_landlock_alone_knows_tcp_signals_and_abstract_sockets(probe: Probe) -> None:
    found = probe("landlock")
    abi = landlock.kernel_abi()
    if abi >= 4:
        assert [found[name] for name in TCP] == ["EACCES", "EACCES"]
    if abi >= 6:
        assert [found[name] for name in SCOPES] == ["EPERM", "EPERM"]
    if abi < 6:
        pytest.skip(f"this kernel has Landlock ABI {abi}, which knows less")


def test_landlock_alone_leaves_the_rest_to_the_filter(probe: Probe) -> None:
    found = probe("landlock")
    assert found["make a UDP socket"] == "ok"
    assert found["fork"] == "ok"
    assert found["change a mode"] == "ok"
    assert found["link an output"] == "ok"


def test_the_filter_alone_refuses_calls(probe: Probe) -> None:
    free, found = probe(), probe("seccomp")
    for name in WORK:
        assert found[name] == "ok", name
    for name in CALLS:
        expected = "ENOSYS" if name == "set up io_uring" else "EPERM"
        assert found[name] == expected, name
    # Calls that this kernel does not have are told from those that are refused.
    assert sum(free[name] == "ENOSYS" for name in CALLS) < 5


def test_the_filter_alone_leaves_files_to_landlock(probe: Probe) -> None:
    found = probe("seccomp")
    assert found["read a secret"] == "ok"
    assert found["write beside the output folder"] == "ok"
    assert found["run a program"] == "ENOEXEC"


def test_both_together(probe: Probe) -> None:
    found = probe("landlock", "seccomp")
    for name, result in found.items():
        assert (result == "ok") == (name in WORK), name


def test_bubblewrap_and_the_filter_are_as_good(probe: Probe) -> None:
    found = probe("bubblewrap", "seccomp")
    # The root it sees is an empty one of its own, with folders made for what is granted.
    own = {"list the root", "list a folder", "write beside the output folder",
           "move an output away", "make a file in the folder of a secret"}  # fmt: skip
    for name, result in found.items():
        if name not in own:
            assert (result == "ok") == (name in WORK), name


def test_bubblewrap_alone_hides_files_and_the_network(probe: Probe, folder: Path) -> None:
    found = probe("bubblewrap")
    for name in WORK:
        assert found[name] == "ok", name
    for name in ("read a secret", "read /proc", "read /etc/passwd", "delete a secret"):
        assert found[name] == "ENOENT", name
    assert found["write the source"] == "EROFS"
    assert found["connect by TCP"] == "ECONNREFUSED"
    assert found["connect to an abstract socket"] == "ECONNREFUSED"
    assert found["signal another process"] == "ESRCH"
    # What was written beside the granted folders was written to nowhere.
    place = folder / "bubblewrap"
    assert sorted(path.name for path in (place / "job").iterdir()) == ["in", "out"]


@pytest.mark.parametrize("locks", [{"landlock"}, {"seccomp"}, {"bubblewrap"}, LOCKS])
def test_return_codes_and_signals_are_told(locks: set[Lock]) -> None:
    needs({"bubblewrap"} if locks == {"bubblewrap"} else set(locks) - {"bubblewrap"})
    with Launcher(locks=locks) as launcher:

        def shell(script: str) -> Launch:
            return Launch(("/bin/sh", "-c", script), Path("/"))

        assert launcher.launch(shell("exit 3")).wait(PATIENCE) == 3
        assert launcher.launch(shell("exit 255")).wait(PATIENCE) == 255
        assert launcher.launch(shell("kill -ABRT $$")).wait(PATIENCE) == -signal.SIGABRT
        child = launcher.launch(shell("while :; do :; done"))
        assert child.poll() is None
        child.kill()
        assert child.wait(PATIENCE) == -signal.SIGKILL
        with pytest.raises(FileNotFoundError):
            launcher.launch(Launch(("/no/such/program",), Path("/")))
        with pytest.raises(PermissionError):
            launcher.launch(Launch(("/etc/passwd",), Path("/")))
        with pytest.raises(FileNotFoundError):
            launcher.launch(Launch(("/bin/true",), Path("/no/such/folder")))


def test_a_launch_without_grants_has_none(tmp_path: Path) -> None:
    needs({"landlock", "seccomp"})
    (tmp_path / "file").write_text("content")
    with Launcher() as launcher:
        cat = ["/bin/cat", str(tmp_path / "file")]
        assert said_by(launcher, cat, tmp_path, Grants())[0] == 1
        assert said_by(launcher, cat, tmp_path, Grants((tmp_path / "file",))) == (0, "content")
        assert said_by(launcher, cat, tmp_path, Grants((tmp_path,))) == (0, "content")
        # What is not there cannot be read, as without a sandbox.
        missing = ["/bin/cat", str(tmp_path / "missing")]
        grants = Grants((tmp_path / "missing",))
        code, said = said_by(launcher, missing, tmp_path, grants)
        assert code == 1
        assert "denied" in said or "No such file" in said


def test_hard_links_to_a_cached_source_may_be_read_and_not_written(tmp_path: Path) -> None:
    needs({"landlock", "seccomp"})
    cached, source = tmp_path / "cached", tmp_path / "in"
    cached.write_text("content")
    source.hardlink_to(cached)
    with Launcher() as launcher:
        grants = Grants((source,))
        assert said_by(launcher, ["/bin/cat", str(source)], tmp_path, grants) == (0, "content")
        code, _ = said_by(
            launcher, ["/bin/sh", "-c", 'echo bad >"$0"', str(source)], tmp_path, grants
        )
        assert code == 2
    assert cached.read_text() == "content"


def test_threads_work_and_processes_do_not_for_a_library_that_uses_clone3(tmp_path: Path) -> None:
    """The C library must fall back to clone, whose flags the filter sees."""
    needs({"seccomp"})
    script = (
        "import os, threading\n"
        "t = threading.Thread(target=print, args=('thread',)); t.start(); t.join()\n"
        "try: os.posix_spawn('/bin/true', ['true'], {})\n"
        "except OSError as error: print(error.errno)\n"
    )
    with Launcher(locks={"seccomp"}) as launcher:
        argv = [sys.executable, "-I", "-S", "-c", script]
        code, said = said_by(launcher, argv, tmp_path, Grants(PYTHON))
    assert (code, said.split()) == (0, ["thread", str(errno.EPERM)])


def test_calls_of_the_32_bit_machine_kill(tmp_path: Path) -> None:
    """By its old number the same call would be taken for another one."""
    needs({"seccomp"})
    compiler = shutil.which("cc")
    if platform.machine() != "x86_64" or compiler is None:
        pytest.skip("needs x86_64 and a C compiler")
    source, program = tmp_path / "old.c", tmp_path / "old"
    source.write_text(
        "int main(void) { int r; "
        '__asm__ volatile ("int $0x80" : "=a"(r) : "a"(20) : "memory"); return r > 0 ? 7 : 8; }\n'
    )
    subprocess.run([compiler, "-O0", "-o", program, source], check=True)
    with Launcher(locks=frozenset()) as launcher:
        free = launcher.launch(Launch((str(program),), tmp_path)).wait(PATIENCE)
    if free != 7:
        pytest.skip("this kernel takes no calls of the 32-bit machine")
    with Launcher(locks={"seccomp"}) as launcher:
        locked = launcher.launch(Launch((str(program),), tmp_path)).wait(PATIENCE)
    assert locked == -signal.SIGSYS


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_gets_the_same_locks(tmp_path: Path) -> None:
    needs({"landlock", "seccomp"})
    for each in (tmp_path, *tmp_path.parents[:-2]):
        each.chmod(each.stat().st_mode | 0o755)
    out, secret = tmp_path / "out", tmp_path / "secret"
    out.mkdir()
    out.chmod(0o777)
    secret.write_text("a secret")
    secret.chmod(0o644)

    def body() -> list[str]:
        os.setgroups([])
        os.setresgid(65534, 65534, 65534)
        os.setresuid(65534, 65534, 65534)
        before = secret.read_text()
        old_kernel.without()  # nothing but no_new_privs
        ruleset = landlock.make_ruleset(landlock.kernel_abi(), [], [os.fsencode(out)], [])
        landlock.restrict(ruleset)
        seccomp.install(seccomp.Filter(platform.machine()).program(os.getpid()))
        (out / "file").write_text("output")
        found = [before]
        for trial in (secret.read_text, (out / "folder").mkdir, socket.socket, os.fork):
            try:
                trial()
            except OSError as error:
                found.append(errno.errorcode[error.errno or 0])
        return found

    assert in_child(body) == str(["a secret", "EACCES", "EPERM", "EPERM", "EPERM"])


def test_locks_are_held_by_the_child_alone(tmp_path: Path) -> None:
    """Neither the worker nor the fork server is locked in with it."""
    needs({"landlock", "seccomp"})
    secret = tmp_path / "secret"
    secret.write_text("a secret")
    with Launcher() as launcher:
        for _ in range(2):
            cat = ["/bin/cat", str(secret)]
            assert said_by(launcher, cat, tmp_path, Grants())[0] == 1
            assert said_by(launcher, cat, tmp_path, Grants((secret,))) == (0, "a secret")
    assert secret.read_text() == "a secret"
    socket.socket().close()
