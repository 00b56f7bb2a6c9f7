"""The decision about a source, as the tools come to it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from gmapi.media.header import parse_header
from gmapi.media.picture_files import holds_film
from gmapi.media.selection import Selection, choose


def selected(program: Path, source: Path) -> Selection:
    """What this ffmpeg's header of a file leads to."""
    asked = subprocess.run(
        [program, "-hide_banner", "-nostdin", "-i", f"file:{source}"],
        capture_output=True, check=False,
    )  # fmt: skip
    info = parse_header(asked.stderr.decode("utf-8", "replace"))
    return choose(source, info, is_film=holds_film(source, info.container))
