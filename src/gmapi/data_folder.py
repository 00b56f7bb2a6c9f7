"""The data folder is its owner's alone: requests, sources and outputs of others are in it."""

from __future__ import annotations

import logging
import os
import stat
import sys
from pathlib import Path

SERVER_LOCK = "server.lock"
"""The file in the data folder that the one server locks which uses it."""

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_MODE = 0o700

# All that a server of any version has made in its data folder; databases have files beside them.
_NAMES = frozenset({"files", "sources", "attempts", "run", SERVER_LOCK, "lost+found"})
_DATABASES = ("gmapi.db", "queue.db")

log = logging.getLogger(__name__)


def keep_private() -> None:
    """Let whatever this process and its children make be for its owner alone."""
    os.umask(_OTHERS)


def make(folder: Path) -> None:
    """Make the data folder, or close an existing one to others when it holds nothing but a
    server's data. Raises OSError when it cannot be made."""
    try:
        folder.mkdir(mode=_MODE)
    except FileNotFoundError:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=_MODE, exist_ok=True)
    except FileExistsError:
        if not folder.is_dir():
            raise
    if not is_open(folder):
        return
    if not is_closable(folder):
        log.warning("others may look into the data folder %s, which holds other things", folder)
        return
    try:
        folder.chmod(_MODE)
    except OSError as error:
        log.warning("others may look into the data folder %s: %s", folder, error.strerror)
    else:
        log.warning("the data folder %s was open to others and is closed now (mode 700)", folder)


def is_open(folder: Path) -> bool:
    """Whether others may look into the folder or change it."""
    return sys.platform != "win32" and bool(folder.stat().st_mode & _OTHERS)


def is_closable(folder: Path) -> bool:
    """Whether the folder belongs to this user and is for a server alone: not somebody's home, nor
    a place like /tmp."""
    if sys.platform == "win32" or folder.stat().st_uid != os.geteuid():
        return False
    return all(name in _NAMES or name.startswith(_DATABASES) for name in os.listdir(folder))
