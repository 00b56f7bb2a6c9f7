"""`gmapi.toml`: read, and trusted only where its owner's word counts.

A setting can name a program to run (`ffmpeg`). So the file that merely lies in the current folder
counts when nobody but this user and root can have written it; the one that `GMAPI_CONFIG` names is
the operator's own word.
"""

from __future__ import annotations

import os
import stat
import sys
import tomllib
from pathlib import Path
from typing import Any

from gmapi.errors import SettingsError

DEFAULT_CONFIG = "gmapi.toml"


def read_named(path: Path) -> dict[str, Any]:
    """The values of a file that was named. Raises SettingsError."""
    try:
        return _parse(path.read_bytes(), str(path))
    except OSError as error:
        raise SettingsError([f"{path} cannot be read: {error.strerror or error}"]) from error


def read_found() -> dict[str, Any]:
    """The values of `gmapi.toml` in the current folder; none when there is no such file. Raises
    SettingsError when it is not to be trusted, cannot be read or is none."""
    path = Path(DEFAULT_CONFIG)
    try:
        link = path.lstat()
    except FileNotFoundError:
        return {}
    try:
        # Before it is opened: a stranger's pipe would never be.
        _require_owner(link)
        with path.open("rb") as file:
            # What was opened, so that nothing can be put in its place after the look.
            _require_trust(os.fstat(file.fileno()), Path.cwd())
            return _parse(file.read(), DEFAULT_CONFIG)
    except OSError as error:
        raise SettingsError(
            [f"{DEFAULT_CONFIG} cannot be read: {error.strerror or error}"]
        ) from error


def _parse(data: bytes, name: str) -> dict[str, Any]:
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise SettingsError([f"{name}: it is no text in UTF-8; save it as such"]) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsError([f"{name}: {error}"]) from error


def _require_owner(file: os.stat_result) -> None:
    """Raise SettingsError when a file or link belongs to somebody else."""
    if sys.platform != "win32" and file.st_uid not in {0, os.geteuid()}:
        raise _untrusted("it belongs to somebody else", "make it your own")


def _require_trust(file: os.stat_result, folder: Path) -> None:
    """Raise SettingsError when others may have written the file, or put it where it is."""
    if sys.platform == "win32":  # rights are not told by these numbers there
        return
    _require_owner(file)
    place = folder.stat()
    if file.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise _untrusted("others may write to it", f"run chmod go-w {DEFAULT_CONFIG}")
    if place.st_uid not in {0, os.geteuid()}:
        raise _untrusted("its folder belongs to somebody else", "start the server elsewhere")
    # In a folder such as /tmp (sticky) nobody can move what belongs to others.
    if place.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not place.st_mode & stat.S_ISVTX:
        raise _untrusted("others may write to its folder", "run chmod go-w .")


def _untrusted(reason: str, remedy: str) -> SettingsError:
    return SettingsError(
        [
            f"{DEFAULT_CONFIG} in this folder is not used: {reason}. It could name a program to "
            f"run. If it is yours, {remedy}, or say so with GMAPI_CONFIG={DEFAULT_CONFIG}"
        ]
    )
