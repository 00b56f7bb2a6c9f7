"""Fuzz target: tracks and addresses as requests write them."""

from __future__ import annotations

import json
import re

from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gmapi.fetch.address import trim_address
from gmapi.tools.ffmpeg import FfmpegRequest
from support.fuzzing import fuzz, mutated

TRACKS = st.one_of(
    mutated(["1", "2.0", "eng", "en-GB", "pt_br", " 03 ", "999"], "0123456789.-_ eEnN\u0130\u0663"),
    st.integers(),
    st.floats(),
    st.booleans(),
    st.none(),
    st.lists(st.integers(), max_size=2),
    st.text(max_size=6),
)
MARGINS = st.text(
    " \t\n\"'`<>\u201c\u201d\u201e\u00ab\u00bb\u2039\u203a\u200b\ufeff\x00\x1b", max_size=6
)
ADDRESSES = st.builds(
    lambda before, address, after: before + address + after,
    MARGINS,
    mutated(["http://a.example/x?y='1'", "http://u:secret@a.example/"], "<>\"'` \u201d@:/"),
    MARGINS,
)


@fuzz
@given(TRACKS)
def test_a_track_is_a_number_a_language_or_refused(value: object) -> None:
    body = {"input_url": "http://a.example/", "output_format": "mp3", "audio_track": value}
    try:
        request = FfmpegRequest.model_validate(body)
    except ValidationError:
        return
    track = request.audio_track
    if isinstance(track, str):
        assert re.fullmatch(r"[a-z]{2,8}(-[a-z0-9]{1,8}){0,4}", track)
    else:
        assert track is None or 1 <= track <= 999
    stored = FfmpegRequest.restore(json.loads(json.dumps(request.normalised())))
    assert stored == request


@fuzz
@given(ADDRESSES)
def test_what_stands_around_an_address_is_taken_off_once_for_all(text: str) -> None:
    trimmed = trim_address(text)
    assert trimmed in text
    assert trim_address(trimmed) == trimmed
    request = FfmpegRequest.model_validate({"input_url": text, "output_format": "mp3"})
    stored = FfmpegRequest.restore(json.loads(json.dumps(request.normalised())))
    assert stored.sources() == request.sources()
    assert stored.key("ffmpeg") == request.key("ffmpeg")
