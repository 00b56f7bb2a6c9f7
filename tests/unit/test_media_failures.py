"""Sentences for ends that cannot be made on purpose; the others are in the integration tests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.errors import GmapiError, LimitError, MediaError, NoSpaceError
from gmapi.media.failures import Context, explain
from gmapi.media.formats import OUTPUT_FORMATS


@pytest.mark.parametrize(
    ("code", "line", "error", "words"),
    [
        (228, "[out#0/mp4] [error] Error writing trailer: No space left on device", NoSpaceError,
         "disk is full"),
        (0, "Error closing file /srv/x/out.mp4: No space left on device", NoSpaceError, "disk"),
        (255, "Exiting normally, received signal 24.", LimitError, "processor time"),
        (-24, "", LimitError, "processor time"),
        (-25, "", LimitError, "grew beyond"),
        (1, "av_interleaved_write_frame(): File too large", LimitError, "grew beyond"),
        (-9, "", LimitError, "memory"),
        (244, "[libx265] [error] malloc of size 2048 failed", LimitError, "memory"),
        (-11, "frame= 10", MediaError, "crashed"),
        (1, "Decoder (codec speex) not found for input stream #0:0", MediaError, "speex"),
        (1, "", MediaError, "did not say why"),
        (1, "[error] Something new went wrong with /srv/gmapi/attempts/1/in/input", MediaError,
         "Something new went wrong with the file"),
    ],
)  # fmt: skip
def test_sentences(code: int, line: str, error: type[GmapiError], words: str) -> None:
    found = explain(code, [line] if line else [])
    assert type(found) is error
    assert words in found.message
    assert "/srv" not in found.message
    assert str(code) in str(found.cause)


@pytest.mark.parametrize(
    ("args", "muxer", "words"),
    [
        (("-c", "copy"), "VP8 or VP9 video and WebVTT subtitles are supported for WebM",
         "leave out copy"),
        (("-map", "0"), "VP8 or VP9 video and WebVTT subtitles are supported for WebM", "-dn"),
        (("-map", "0", "-c", "copy"), "audio, video, and subtitles are supported for Matroska",
         "-dn"),
    ],
)  # fmt: skip
def test_what_a_format_cannot_hold_names_the_remedy(
    args: tuple[str, ...], muxer: str, words: str
) -> None:
    line = f"[webm @ 0x1] [error] Only {muxer}."
    found = explain(1, [line], context=Context(args=args)).message
    assert words in found
    assert "-map 0:v -map 0:a" in found
    assert f"only {muxer}" in found


def test_the_level_tells_the_reason_from_the_chatter() -> None:
    tail = [
        "[info] Stream mapping:",
        "[Parsed_foo_0] [error] The foo is too blue",
        "[error] Conversion failed!",
        "[libx264] [info] frame I:1 Avg QP:20.0",
    ]
    assert explain(1, tail).message.endswith("The foo is too blue.")


@given(
    st.integers(-40, 255), st.lists(st.text(max_size=200), max_size=5), st.sampled_from(
        [None, Context(OUTPUT_FORMATS["mp3"]), Context(max_pixels=5)]
    )
)  # fmt: skip
def test_there_is_always_one_clean_sentence(
    code: int, tail: list[str], context: Context | None
) -> None:
    message = explain(code, tail, context=context).message
    assert message.strip()
    assert message.isprintable()
    assert len(message) < 500
