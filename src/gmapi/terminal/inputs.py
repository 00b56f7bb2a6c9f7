"""What `gmapi convert` reads: files, and standard input by way of one."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from gmapi.terminal.delivery import DeliveryError

_PIECE_BYTES = 1 << 20


def why_no_file(name: str) -> str | None:
    """Why nothing can be read under this name; None when it is a file."""
    if os.path.isfile(name):
        return None
    if os.path.isdir(name):
        return f"{name} is a folder; name a file in it."
    if os.path.lexists(name):
        return (
            f"{name} is no plain file; to read what it gives, hand it in: gmapi convert - <{name}"
        )
    return f"There is no file {name}."


@contextmanager
def standard_input(limit: int) -> Iterator[Path]:
    """All that comes by standard input, as a temporary file: FFmpeg must be able to go back in it.

    Raises DeliveryError when that is nothing, or more than `limit` bytes.
    """
    with tempfile.TemporaryDirectory(prefix="gmapi-") as folder:
        path = Path(folder, "input")
        size = 0
        with open(path, "xb") as file:
            while piece := sys.stdin.buffer.read(_PIECE_BYTES):
                size += len(piece)
                if size > limit:
                    raise DeliveryError(
                        f"Standard input gives more than {limit:,} bytes (GMAPI_FETCH_MAX_BYTES); "
                        "give a file instead."
                    )
                file.write(piece)
        if not size:
            raise DeliveryError("Standard input is empty.")
        yield path
