"""No child runs with less protection than was promised: locks that fail, and systems that lack
them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gmapi.sandbox.launcher import Grants, Launch, Launcher
from support.sandbox import old_kernel
from support.sandbox.locked_children import PATIENCE, in_child, needs

if sys.platform != "linux":
    pytest.skip("the locks are for Linux", allow_module_level=True)

from gmapi.sandbox import landlock


class TestFailures:
    """No child runs with less protection than the launcher says."""

    def test_an_output_folder_that_is_not_there(self, tmp_path: Path) -> None:
        needs({"landlock"})
        ran = tmp_path / "ran"
        with Launcher(locks={"landlock"}) as launcher:
            argv = ("/bin/sh", "-c", f"echo >{ran}")
            grants = Grants(write=(tmp_path, tmp_path / "missing"))
            with pytest.raises(FileNotFoundError) as caught:
                launcher.launch(Launch(argv, tmp_path, grants=grants))
            assert str(tmp_path / "missing") in str(caught.value)
            assert not ran.exists()
            grants = Grants(write=(tmp_path,))
            child = launcher.launch(Launch(argv, tmp_path, grants=grants))
            assert child.wait(PATIENCE) == 0
            assert ran.exists()

    @pytest.mark.parametrize(
        ("part", "cause"),
        [("restrict", "file rules"), ("seccomp", "system call filter"), ("landlock", "file rules")],
    )
    def test_a_lock_that_fails_later_fails_the_launch(
        self, tmp_path: Path, part: str, cause: str
    ) -> None:
        """The fork server dies, and the next one is where a lock is refused."""
        needs({"landlock", "seccomp"})
        ran = tmp_path / "ran"

        def body() -> list[str]:
            with Launcher() as launcher:
                spec = Launch(
                    ("/bin/sh", "-c", f"echo >>{ran}"), tmp_path, grants=Grants((), (tmp_path,))
                )
                assert launcher.protection.state == "full"
                assert launcher.launch(spec).wait(PATIENCE) == 0
                old_kernel.without(part)
                server = launcher._server
                assert server is not None
                server._process.kill()
                server._process.wait()
                told = []
                for _ in range(2):
                    try:
                        launcher.launch(spec).wait(PATIENCE)
                    except OSError as error:
                        told.append(str(error))
                return [*told, launcher.protection.state, ran.read_text()]

        said = in_child(body)
        assert said.count(cause) == 2, said
        assert said.endswith("'full', '\\n']"), said


@pytest.mark.parametrize(
    ("parts", "state", "missing"),
    [
        ("landlock", "partial", ["Landlock file rules"]),
        ("restrict", "partial", ["Landlock file rules"]),
        ("seccomp", "partial", ["seccomp filter"]),
        ("landlock,seccomp", "policy-only",
         ["Landlock file rules", "seccomp filter", "network rules"]),
    ],
)  # fmt: skip
def test_what_an_older_kernel_has(parts: str, state: str, missing: list[str]) -> None:
    needs({"landlock", "seccomp"})
    if parts == "seccomp" and landlock.kernel_abi() < 4:
        missing = [*missing, "network rules"]
    script = (
        "import json\n"
        "from gmapi.sandbox.launcher import *\n"
        "with Launcher(locks={'landlock', 'seccomp'}) as launcher:\n"
        "    print(json.dumps([launcher.protection.state, launcher.protection.missing]))\n"
        "try:\n"
        "    with Launcher('require', locks={'landlock', 'seccomp'}): print('started')\n"
        "except Exception as error: print(type(error).__name__, str(error))\n"
    )
    command = [sys.executable, old_kernel.__file__, parts, sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert json.loads(first) == [state, missing]
    assert second.startswith("SettingsError")


def test_without_landlock_bubblewrap_takes_its_place() -> None:
    needs({"bubblewrap", "seccomp"})
    script = (
        "from gmapi.sandbox.launcher import *\n"
        "with Launcher('require') as launcher: print(launcher.protection.how)\n"
    )
    command = [sys.executable, old_kernel.__file__, "landlock", sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "bubblewrap and seccomp\n", done.stderr


def test_a_bubblewrap_that_does_not_work_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    broken = tmp_path / "bwrap"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with Launcher(locks={"bubblewrap", "seccomp"}) as launcher:
        assert "Landlock file rules" in launcher.protection.missing
        assert not launcher.protection.bubblewrap
    assert "does not work here" in caplog.text
