"""Subtitles that are not in UTF-8, and such that are not shown, through the tools."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.product.outcomes import daily
from support.product.tools import Tools
from support.screens.studio import Studio

OLD = (
    "1\n00:00:00,100 --> 00:00:01,000\nHéllo wörld – ünïcode\n\n"
    "2\n00:00:01,000 --> 00:00:02,000\nZwo\n"
)
SCREEN = {"output_format": "32vid", "width": 80}


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le", "utf-16"])
@pytest.mark.parametrize("kind", daily(["srt", "vtt", "ass"], "srt"))
def test_ffmpeg_converts_them(tools: Tools, tmp_path: Path, kind: str, encoding: str) -> None:
    source = tmp_path / "old.srt"
    source.write_bytes(OLD.encode(encoding))
    made = tools.ffmpeg(source, kind)
    text = made.path.read_text(encoding="utf-8")
    assert "Héllo wörld – ünïcode" in text
    assert "Zwo" in text
    assert made.warnings == []
    assert any("subtitles are read as" in line for line in made.notes.lines)


def test_screens_show_them(studio: Studio, media_dir: Path, tmp_path: Path) -> None:
    new, old = tmp_path / "new.srt", tmp_path / "old.srt"
    new.write_text(OLD, encoding="utf-8")
    old.write_bytes(OLD.encode("cp1252"))
    clip = media_dir / "clip.mp4"
    expected = studio.convert(clip, subtitle_file=new, **SCREEN)
    made = studio.convert(clip, subtitle_file=old, **SCREEN)
    assert b"H\xe9llo w\xf6rld - \xfcn\xefcode" in made.data
    assert made.data == expected.data
    assert "the subtitles are read as Windows-1252 (Western)" in made.notes.lines
    assert not any("warning" in line for line in made.notes.lines + expected.notes.lines)


def test_subtitles_that_are_not_shown_are_told(
    studio: Studio, media_dir: Path, tmp_path: Path
) -> None:
    cues = tmp_path / "cues.srt"
    cues.write_text(
        OLD
        + "\n3\n00:00:0x,000 --> 00:00:02,000\nBroken\n\n4\n01:00:00,000 --> 01:00:01,000\nLate",
        encoding="utf-8",
    )
    made = studio.convert(media_dir / "clip.mp4", subtitle_file=cues, **SCREEN)
    told = [line for line in made.notes.lines if line.startswith("warning")]
    assert told == [
        "warning: 2 of 4 subtitles are not shown: 1 without times that make sense, "
        "1 after the end of the film."
    ]
    cues.write_text("WEBVTT\n", encoding="utf-8")
    made = studio.convert(media_dir / "clip.mp4", subtitle_file=cues, **SCREEN)
    assert "warning: The subtitles have no text that could be shown." in made.notes.lines
