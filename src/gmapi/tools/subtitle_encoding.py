"""Subtitles in whatever encoding they are, as UTF-8: ffmpeg drops what is not."""

from __future__ import annotations

from pathlib import Path

from gmapi.media.subtitle_text import SubtitleText, decode, looks_like_subtitles
from gmapi.tools.base import Work

SUBTITLE_BYTES_MAX = 2 << 20
_HEAD_BYTES = 4096


def in_utf8(work: Work, source: Path) -> Path:
    """A file with the same subtitles in UTF-8; the source itself when it is that, or no text."""
    if source.stat().st_size > SUBTITLE_BYTES_MAX:
        return source
    with open(source, "rb") as file:
        head = file.read(_HEAD_BYTES)
        if not looks_like_subtitles(head):
            return source
        found = decode(head + file.read())
    tell_encoding(work, found)
    if found.is_utf8 and not found.broken:
        return source
    made = work.inputs / f"{source.name}_utf8"
    made.write_text(found.text, encoding="utf-8", newline="")
    return made


def tell_encoding(work: Work, found: SubtitleText) -> None:
    """Log how subtitles were read where that was a guess, and warn of what could not be read."""
    if not found.is_utf8:
        work.reporter.log(f"the subtitles are read as {found.encoding}")
    if found.broken:
        letters = "letter" if found.broken == 1 else "letters"
        work.warn(
            f"{found.broken:,} {letters} of the subtitles could not be read as {found.encoding}; "
            "save the file as UTF-8."
        )
