"""The file of subtitles that belongs to a film, and what of it is not to be seen."""

from __future__ import annotations

from pathlib import Path

from gmapi.computercraft.options import Format
from gmapi.computercraft.subtitles import Hidden
from gmapi.errors import SourceError
from gmapi.media.subtitle_text import decode
from gmapi.tools.base import Work
from gmapi.tools.screens.plan import ScreenPlan
from gmapi.tools.subtitle_encoding import SUBTITLE_BYTES_MAX, tell_encoding


def read_subtitles(work: Work, plan: ScreenPlan, path: Path | None) -> str | None:
    """The text, if there is any and it can be shown. Raises SourceError for a file too large."""
    if path is None:
        return None
    where = "on several monitors" if plan.options.split is not None else "in nfp"
    if plan.options.split is not None or plan.options.format is Format.NFP:
        work.warn(f"Subtitles are not shown {where}.")
        return None
    if path.stat().st_size > SUBTITLE_BYTES_MAX:
        raise SourceError("The subtitles are larger than 2 MiB.", code="source_too_large")
    found = decode(path.read_bytes())
    tell_encoding(work, found)
    return found.text


def warn_of_hidden(work: Work, hidden: Hidden | None) -> None:
    """Warn of subtitles that are not to be seen."""
    if hidden is None:
        return
    if not hidden.cues:
        work.warn("The subtitles have no text that could be shown.")
        return
    reasons = [
        (hidden.timeless, "without times that make sense"),
        (hidden.after, "after the end of the film"),
    ]
    told = ", ".join(f"{count:,} {why}" for count, why in reasons if count)
    if told:
        number = hidden.timeless + hidden.after
        work.warn(f"{number:,} of {hidden.cues:,} subtitles are not shown: {told}.")
