"""bubblewrap in place of Landlock: a child sees a file system of only what it is granted."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from dataclasses import replace

from gmapi.sandbox.launch import Launch
from gmapi.sandbox.system_paths import NULL, Needs

# No --new-session: the child must stay in its process group, which is how it is stopped.
_OPTIONS = ("--unshare-all", "--die-with-parent", "--cap-drop", "ALL")
# Links only, through which some libraries are found. Landlock needs no leave to follow a link.
_LINKS = "/etc/alternatives"
_SIGNAL_CODES = range(129, 193)


PID = 2
"""The child's number among the processes it sees: the first is bubblewrap's own."""


def wrap(program: str, spec: Launch, needs: Needs, filter_fd: int | None) -> Launch:
    """The same launch inside of bubblewrap, which is at `program`.

    `filter_fd` is this process's descriptor of a file with the filter's instructions. Raises
    OSError when the program or the folder cannot be used, as exec would.
    """
    os.stat(spec.cwd)
    _check_program(spec.argv[0])
    words, fds = [program, *_OPTIONS], dict(spec.fds)
    if filter_fd is not None:
        number = max((2, *fds)) + 1
        words += ["--seccomp", str(number)]
        fds[number] = filter_fd
    words += ["--dir", str(spec.cwd)]
    read = (*needs.execute, *needs.read, _LINKS, *map(str, spec.grants.read))
    for path in _parents_first(read):
        bind = "--dev-bind-try" if path.startswith("/dev/") else "--ro-bind-try"
        words += [bind, path, path]
    for path in _parents_first(tuple(map(str, spec.grants.write))):
        words += ["--bind", path, path]
    words += ["--dev-bind", NULL, NULL, "--chdir", str(spec.cwd), "--"]
    return replace(spec, argv=(*words, *spec.argv), fds=fds)


def exit_code(code: int) -> int:
    """The return code of the program, which bubblewrap tells as a shell does."""
    return 128 - code if code in _SIGNAL_CODES else code


def _parents_first(paths: tuple[str, ...]) -> Iterator[str]:
    """So that no folder hides what was put inside of it. Also the places that links point to."""
    both = {path for each in paths for path in (os.path.normpath(each), os.path.realpath(each))}
    return iter(sorted(both, key=lambda path: (path.count("/"), path)))


def _check_program(path: str) -> None:
    os.stat(path)
    if os.path.isdir(path) or not os.access(path, os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
