"""How much a job may take: of time, of the disk, of files."""

from __future__ import annotations

import shutil
from pathlib import Path

from gmapi.errors import LimitError
from gmapi.settings import Settings

FILES_MAX = 1000
"""Most files one job may make; frames are kept in chunks and do not count singly."""

RESERVE_MAX = 64 * 1024**2


def out_of_time(settings: Settings) -> LimitError:
    """That a job has taken longer than it may."""
    return LimitError(
        f"The job took longer than the {settings.job_timeout:.0f} s that this server allows. "
        "Ask for a shorter part or a simpler conversion."
    )


def free_space_reserve(folder: Path) -> int:
    """Bytes of the disk that jobs leave free, so that the database can always be written."""
    return min(RESERVE_MAX, shutil.disk_usage(folder).total // 20)
