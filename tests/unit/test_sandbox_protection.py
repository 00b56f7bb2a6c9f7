"""What is made of a system's abilities: the degradation from full to policy-only."""

from __future__ import annotations

import pytest

from gmapi.sandbox.protection import Protection, System, plan

FILES, CALLS, NETWORK = "Landlock file rules", "seccomp filter", "network rules"


def linux(**found: object) -> Protection:
    return plan(System("linux", fork_server=True, **found))  # type: ignore[arg-type]


@pytest.mark.parametrize("abi", [4, 5, 6, 7, 9])
def test_linux_since_6_7(abi: int) -> None:
    assert linux(landlock_abi=abi, seccomp=True) == Protection("full", (), abi, seccomp=True)


@pytest.mark.parametrize("abi", [1, 2, 3])
def test_linux_from_5_13_to_6_6_has_its_network_closed_by_the_filter(abi: int) -> None:
    assert linux(landlock_abi=abi, seccomp=True) == Protection("full", (), abi, seccomp=True)
    assert linux(landlock_abi=abi) == Protection("partial", (CALLS, NETWORK), abi)


def test_older_linux() -> None:
    assert linux(seccomp=True) == Protection("partial", (FILES,), seccomp=True)


def test_older_linux_with_bubblewrap() -> None:
    assert linux(seccomp=True, bubblewrap=True) == Protection(
        "full", (), seccomp=True, bubblewrap=True
    )
    assert linux(bubblewrap=True) == Protection("partial", (CALLS,), bubblewrap=True)


def test_landlock_is_preferred_to_bubblewrap() -> None:
    assert not linux(landlock_abi=1, seccomp=True, bubblewrap=True).bubblewrap


def test_landlock_alone() -> None:
    assert linux(landlock_abi=4) == Protection("partial", (CALLS,), 4)


def test_linux_with_neither() -> None:
    found = linux()
    assert (found.state, found.missing) == ("policy-only", (FILES, CALLS, NETWORK))
    assert found.how == "no locks"


@pytest.mark.parametrize("platform", ["darwin", "win32", "linux"])
def test_without_a_fork_server(platform: str) -> None:
    # Not even where the kernel could do it: there is nobody to put the locks on.
    found = plan(System(platform, fork_server=False, landlock_abi=7, seccomp=True))
    assert found.state == "policy-only"
    assert {FILES, CALLS, "no_new_privs"} < set(found.missing)
    assert (found.landlock_abi, found.seccomp, found.bubblewrap) == (0, False, False)
    assert (platform == "win32") == any("have started" in each for each in found.missing)
    assert "container" in (found.remedy or "")


def test_off() -> None:
    found = plan(System("linux", True, 7, True, True), "off")
    assert found.state == "off"
    assert {FILES, CALLS} < set(found.missing)
    assert any(each.startswith("limits of memory") for each in found.missing)
    assert (found.landlock_abi, found.seccomp, found.bubblewrap) == (0, False, False)
    assert "GMAPI_SANDBOX=off" in (found.remedy or "")
    assert plan(System("darwin"), "off").state == "off"


def test_a_mode_changes_nothing_else() -> None:
    system = System("linux", True, 3, True)
    assert plan(system, "require") == plan(system, "auto")


def test_remedies_name_what_helps() -> None:
    assert linux(landlock_abi=7, seccomp=True).remedy is None
    files = linux(seccomp=True).remedy or ""
    assert "Linux 5.13" in files
    assert "bubblewrap" in files
    assert "seccomp" not in files
    calls = linux(landlock_abi=7).remedy or ""
    assert "aarch64" in calls
    assert "5.13" not in calls


def test_how_it_is_called() -> None:
    assert linux(landlock_abi=7, seccomp=True).how == "Landlock ABI 7 and seccomp"
    assert linux(seccomp=True, bubblewrap=True).how == "bubblewrap and seccomp"
