"""How well children are locked in: what a system offers, and what is made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mode = Literal["auto", "require", "off"]
"""As GMAPI_SANDBOX: as good as it gets, nothing or the full sandbox, no locks at all."""

State = Literal["full", "partial", "policy-only", "off"]
"""`full`: the kernel keeps children to their files, off the network and to one process each.
`partial`: some of that. `policy-only`: none; what protects then is the check of arguments and
sources, and ffmpeg's own options. `off`: the same because it was wished."""

Lock = Literal["landlock", "seccomp", "bubblewrap"]
LOCKS: frozenset[Lock] = frozenset({"landlock", "seccomp", "bubblewrap"})

FILE_RULES = "Landlock file rules"
CALL_FILTER = "seccomp filter"
_TCP_RULES = "network rules"
_LIMITS = "limits of memory, processor time, file size and open files"
_REST_OF_FORK_SERVER = (
    "low priority (nice)",
    "no_new_privs",
    "the end of children whose worker is killed",
)
_GRANDCHILDREN = "the end of processes that children have started"
# The first ABI with rules for TCP.
_TCP_ABI = 4


@dataclass(frozen=True)
class System:
    """What was found to work: the ABI of Landlock (0 for none), the filter of system calls,
    bubblewrap, and the fork server, which only Linux has."""

    platform: str
    fork_server: bool = False
    landlock_abi: int = 0
    seccomp: bool = False
    bubblewrap: bool = False


@dataclass(frozen=True)
class Protection:
    """The locks that children get, what that is called, and what is missing, for people to read."""

    state: State
    missing: tuple[str, ...]
    landlock_abi: int = 0
    seccomp: bool = False
    bubblewrap: bool = False

    @property
    def how(self) -> str:
        """The locks by their names, such as "Landlock ABI 6 and seccomp"."""
        files = f"Landlock ABI {self.landlock_abi}" if self.landlock_abi else "bubblewrap"
        locks = [files] if self.landlock_abi or self.bubblewrap else []
        return " and ".join([*locks, *(["seccomp"] if self.seccomp else [])]) or "no locks"

    @property
    def remedy(self) -> str | None:
        """What helps against what is missing; None when nothing is."""
        if self.state == "full":
            return None
        if self.state == "off":
            return "Leave out GMAPI_SANDBOX=off."
        if _LIMITS in self.missing:
            return "Run the server on Linux, for example as a container."
        steps = []
        if FILE_RULES in self.missing:
            steps.append(
                "use Linux 5.13 or newer with Landlock switched on (landlock among lsm= of the "
                "kernel's command line), or install bubblewrap where users may make namespaces"
            )
        if CALL_FILTER in self.missing:
            steps.append(
                "use a 64-bit Python on x86_64 or aarch64, and allow the seccomp system call "
                "where a container's profile forbids it"
            )
        text = "; ".join(steps)
        return text[0].upper() + text[1:] + "."


def plan(system: System, mode: Mode = "auto") -> Protection:
    """The best protection that a system allows; with mode `off` none.

    bubblewrap takes the place of Landlock only: the filter is still ours.
    """
    if mode == "off":
        system = System(system.platform, system.fork_server)
        return Protection("off", tuple(dict.fromkeys((*_missing(system), _LIMITS))))
    missing = _missing(system)
    if not system.fork_server:
        return Protection("policy-only", missing)
    files = system.landlock_abi > 0 or system.bubblewrap
    state: State = "policy-only"
    if files or system.seccomp:
        state = "partial" if missing else "full"
    return Protection(
        state,
        missing,
        system.landlock_abi,
        system.seccomp,
        system.bubblewrap and not system.landlock_abi,
    )


def _missing(system: System) -> tuple[str, ...]:
    absent: list[str] = []
    boxed = system.fork_server and system.bubblewrap
    if not (system.fork_server and system.landlock_abi) and not boxed:
        absent.append(FILE_RULES)
    if not (system.fork_server and system.seccomp):
        absent.append(CALL_FILTER)
        if not boxed and system.landlock_abi < _TCP_ABI:
            absent.append(_TCP_RULES)
    if not system.fork_server:
        absent += [*_REST_OF_FORK_SERVER, _LIMITS]
    if system.platform == "win32":
        absent.append(_GRANDCHILDREN)
    return tuple(absent)
