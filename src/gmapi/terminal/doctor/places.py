"""The doctor on this machine's folders, disk and limits."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from gmapi import data_folder
from gmapi.data_folder import SERVER_LOCK
from gmapi.filelock import FileLock
from gmapi.settings import Settings
from gmapi.terminal.doctor.check import Check
from gmapi.tools.bounds import free_space_reserve

LOW_SPACE_BYTES = 1024**3
LOW_FILES = 4096
"""Each waiting caller, viewer and download holds an open file of the web process."""

_DATABASE_SECONDS = 5.0


def check_data_folder(settings: Settings) -> Iterator[Check]:
    """Whether it can be used or made, who may look into it, and the space of its disk."""
    name, folder = "data folder", settings.data_dir
    remedy = "Give a folder that this user may write to with GMAPI_DATA_DIR."
    place = _nearest(folder)
    if not place.is_dir():
        yield Check(name, "failure", f"{place} is not a folder", remedy)
        return
    if place == folder:
        if problem := _unusable(settings):
            yield Check(name, "failure", problem, remedy)
            return
        yield _privacy(folder)
    elif os.access(place, os.W_OK | os.X_OK):
        yield Check(name, "ok", f"{folder} (will be made)")
    else:
        yield Check(name, "failure", f"{folder} cannot be made in {place}", remedy)
        return
    yield _free_space(settings, place)


def is_in_use(settings: Settings) -> bool:
    """Whether a server runs with the data folder. Cannot be told on Windows."""
    path = settings.data_dir / SERVER_LOCK
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        free = lock.try_acquire()
    except OSError:
        return False  # said of the folder itself
    if free:
        lock.release()
    return not free


def _nearest(path: Path) -> Path:
    """The path itself or the nearest above it that is there."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return path


def _unusable(settings: Settings) -> str | None:
    """Why the server could not work in its data folder."""
    made = (settings.files_dir, settings.sources_dir, settings.attempts_dir, settings.run_dir)
    for folder in (settings.data_dir, *(each for each in made if each.exists())):
        if not folder.is_dir():
            return f"{folder} is not a folder"
        try:
            with tempfile.TemporaryFile(dir=folder) as file:
                file.write(b"gmapi")
                file.flush()
        except OSError as error:
            return f"{folder} cannot be written: {error.strerror or error}"
    lock = settings.data_dir / SERVER_LOCK
    if lock.exists() and not (lock.is_file() and os.access(lock, os.R_OK | os.W_OK)):
        return f"{lock} cannot be opened"
    return None


def _privacy(folder: Path) -> Check:
    name = "data folder"
    if not data_folder.is_open(folder):
        return Check(name, "ok", str(folder))
    if data_folder.is_closable(folder):
        text = f"{folder}, open to other users; gmapi serve will close it to them"
        return Check(name, "warning", text, f"To do so now run chmod 700 {folder}")
    return Check(
        name,
        "warning",
        f"{folder}, which other users may look into; gmapi serve leaves that so, as it belongs to "
        "somebody else or holds other things",
        "Give a folder for the server alone with GMAPI_DATA_DIR.",
    )


def _free_space(settings: Settings, place: Path) -> Check:
    free = shutil.disk_usage(place).free
    text = f"{free / 1e9:.1f} GB free"
    remedy = "Make room, or give a folder on another disk with GMAPI_DATA_DIR."
    if free < 2 * free_space_reserve(place):
        return Check("free space", "failure", text, remedy)
    budget = int(settings.disk_budget)
    if budget and free < budget:
        text += f", less than GMAPI_DISK_BUDGET ({budget / 1e9:.1f} GB)"
        return Check("free space", "warning", text, "Make room, or lower the budget.")
    return Check("free space", "warning" if free < LOW_SPACE_BYTES else "ok", text,
                 remedy if free < LOW_SPACE_BYTES else None)  # fmt: skip


def check_database(settings: Settings) -> Iterator[Check]:
    """Whether it can be used or made, and whether this program knows its version."""
    from gmapi.jobs.schema import HEAD

    name, path = "database", settings.database_path
    if not path.exists():
        place = _nearest(path)
        if place.is_dir() and os.access(place, os.W_OK | os.X_OK):
            yield Check(name, "ok", f"{path} (will be made)")
        else:
            remedy = "Give one in a folder that this user may write to with GMAPI_DATABASE_URL."
            yield Check(name, "failure", f"{path} cannot be made in {place}", remedy)
        return
    try:
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=_DATABASE_SECONDS)) as database:
            tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
            if ("alembic_version",) not in tables.fetchall():
                row = None
            else:
                row = database.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error as error:
        yield Check(
            name,
            "failure",
            f"{path} cannot be read: {error}",
            "Stop the server and move the file away (jobs are lost, outputs expire), or put "
            "back a copy.",
        )
        return
    if row is None:
        yield Check(name, "ok", f"{path}, empty; the tables will be made")
    elif row[0] == HEAD:
        yield Check(name, "ok", f"{path}, version {HEAD}")
    elif row[0] in _known_versions():
        yield Check(name, "ok", f"{path}, version {row[0]}; will be brought to {HEAD}")
    else:
        yield Check(
            name,
            "failure",
            f"{path} has the version {row[0]}, which this program does not know",
            "Install the version of GMapiServer that made it, or a newer one.",
        )


def _known_versions() -> set[str]:
    from gmapi.jobs import schema

    folder = Path(schema.__file__).parent / "migrations" / "versions"
    return {path.name.partition("_")[0] for path in folder.glob("[0-9]*_*.py")}


def check_open_files() -> Iterator[Check]:
    """How many callers the limit of open files lets in."""
    if sys.platform == "win32":
        return
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    endless = soft == resource.RLIM_INFINITY
    if endless or soft >= LOW_FILES:
        yield Check("open files", "ok", "no limit" if endless else f"limit {soft}")
    else:
        yield Check(
            "open files",
            "warning",
            f"limit {soft}: enough for some {soft // 2} callers at once",
            f"For more run ulimit -n {LOW_FILES}, or set LimitNOFILE= in the systemd unit.",
        )
