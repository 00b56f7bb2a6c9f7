"""Commands whose inputs come through pipes, since they are not there as files yet."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

FIRST_PIPE_FD = 3
"""The child's descriptor for the first of them."""

ONLY_PIPE_FD = 0
"""The only one that launchers can pass on which do not pass pipes by any number."""


def through_pipes(
    argv: Sequence[str], paths: Collection[Path], first: int = FIRST_PIPE_FD
) -> tuple[list[str], dict[int, Path]]:
    """A command of `command.guarded_input` with a pipe for each of its inputs that is one of
    `paths`: the child's descriptors from `first` on, and which file is to come through each."""
    words = list(argv)
    pipes: dict[int, Path] = {}
    named = {f"file:{path}": path for path in paths}
    whitelist = 0
    for at in range(len(words) - 1):
        if words[at] == "-protocol_whitelist":
            whitelist = at + 1
        elif words[at] == "-i" and (path := named.get(words[at + 1])) is not None:
            number = first + len(pipes)
            pipes[number] = path
            words[at + 1] = f"pipe:{number}"
            words[whitelist] = "pipe"
    return words, pipes
