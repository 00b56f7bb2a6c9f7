"""What to start (`Launch`) and what has been started (`Child`)."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from gmapi.sandbox.limits import Limits

# On Windows SIGTERM cannot be caught either.
KILL = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL


@dataclass(frozen=True)
class Grants:
    """What a child may touch of the file system, beside its program and the system's libraries
    and fonts. Raises ValueError for a path that is not absolute.

    A folder stands for all that is in it, a symbolic link for what it points to.
    """

    read: tuple[Path, ...] = ()
    """What is not there cannot be read either, and is no error."""
    write: tuple[Path, ...] = ()
    """Files to write and read, and folders where plain files may be made, written, read and
    deleted; no folders, links, sockets or devices. All must be there."""

    def __post_init__(self) -> None:
        for path in (*self.read, *self.write):
            if not path.is_absolute():
                raise ValueError(f"Grants must be absolute paths, unlike {path}")
            if "\0" in str(path):
                raise ValueError("Grants must not contain NUL characters")


@dataclass(frozen=True)
class Launch:
    """What to start and in which surroundings. Raises ValueError when it cannot be meant so."""

    argv: tuple[str, ...]
    """The program's absolute path, then its arguments; nothing is looked up in a PATH."""
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    """The child's whole environment."""
    fds: Mapping[int, int] = field(default_factory=dict)
    """Child's number: the file descriptor of this process that it gets there. 0, 1 and 2 are
    /dev/null when absent; nothing else is open in the child. The caller keeps its own and closes
    them when `launch` has returned. A plain launcher can pass on no others than 0, 1 and 2."""
    limits: Limits = field(default_factory=Limits)
    grants: Grants = field(default_factory=Grants)

    def __post_init__(self) -> None:
        if not self.argv or not os.path.isabs(self.argv[0]):
            raise ValueError("Launch.argv must begin with the absolute path of a program")
        names = (*self.argv, str(self.cwd), *self.env, *self.env.values())
        if any("\0" in name for name in names):
            raise ValueError("Launch.argv, cwd and env must not contain NUL characters")
        if any(not name or "=" in name for name in self.env):
            raise ValueError("Launch.env has a name that is empty or contains '='")
        if any(number < 0 for number in self.fds):
            raise ValueError("Launch.fds has a negative number")


class Child(ABC):
    """A started process, leader of a process group of its own. All methods are thread safe.

    When it ends, whatever is left of its group is killed. A descendant that made itself a session
    or group of its own is out of reach.
    """

    def __init__(self, pid: int) -> None:
        self.pid = pid

    @abstractmethod
    def wait(self, timeout: float | None = None) -> int | None:
        """The return code, `-N` after signal N; None when `timeout` seconds were not enough."""

    @abstractmethod
    def _signal(self, number: int) -> None:
        """Send a signal to the whole group, if the child has not ended."""

    def poll(self) -> int | None:
        """The return code, or None while the child runs."""
        return self.wait(0)

    def kill(self) -> None:
        """End the whole group at once. Does nothing when the child has ended."""
        self._signal(KILL)

    def terminate(self) -> None:
        """Ask the whole group to end. Does nothing when the child has ended."""
        self._signal(signal.SIGTERM)


def kill_group(pid: int, number: int) -> None:
    if sys.platform != "win32":
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, number)
