"""What ffmpeg says again and again does not fill a task's log."""

from __future__ import annotations

from gmapi.media.folded_log import SHOWN_MAX, FoldedLog

CHANGES = (
    "[graph 0 input from stream 0:0] Changing video frame properties on the fly is not supported "
    "by all filters."
)


def folded(*lines: str) -> list[str]:
    shown: list[str] = []
    log = FoldedLog(shown.append)
    for line in lines:
        log.take(line)
    log.close()
    return shown


def test_lines_of_one_shape_are_counted() -> None:
    lines = [f"[h264] error while decoding MB {n} {2 * n}, bytestream -{n}" for n in range(3000)]
    shown = folded(*lines, "[mp3] Header missing")
    assert shown[:SHOWN_MAX] == lines[:SHOWN_MAX]
    assert shown[SHOWN_MAX:] == ["[mp3] Header missing", f"{lines[0]} (3000 times in all)"]


def test_repeats_that_ffmpeg_counts_itself_are_counted() -> None:
    shown = folded("[mp3] Header missing", "    Last message repeated 41 times")
    assert shown == ["[mp3] Header missing", "[mp3] Header missing (42 times in all)"]


def test_a_change_of_properties_is_one_sentence() -> None:
    context = (
        "[graph 0 input from stream 0:0] filter context - w: 160 h: 120, incoming frame - w: 9"
    )
    assert folded(*[CHANGES, context] * 50) == ["The picture's properties change on the way."]
    sound = CHANGES.replace("video", "audio")
    assert folded(sound, "    Last message repeated 9 times") == [
        "The sound's properties change on the way."
    ]


def test_headers_stay_whole() -> None:
    header = [f"      title           : Chapter {n}" for n in range(100)]
    assert folded("Input #0, matroska,webm, from 'a':", *header)[1:] == header
