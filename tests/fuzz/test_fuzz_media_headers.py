"""Fuzz target: the reader of what ffmpeg says of a source, and the choice of what is meant."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from gmapi.errors import RequestError
from gmapi.media.header import parse_header
from gmapi.media.selection import choose, described
from support.fuzzing import fuzz, mutated

MARK = "<fuzz> "
FILM = """Input #0, {0}, from 'input':
  Metadata:
    title           : Stream #0:7: Video: h264, yuv420p, 1x1
  Duration: 00:01:03.04, start: 1.400000, bitrate: 83 kb/s
  Program 1
  Stream #0:0[0x1](und): Video: av1 (Main) (av01 / 0x31637661), {1}yuv420p(tv, bt2020nc/bt2020/\
smpte2084), {1}640x360 [SAR 4:3 DAR 16:9], 10 kb/s, {1}23.98 fps, 24 tbr, 1 tbn (default)
    Metadata:
      alpha_mode      : 1
      DURATION        : 00:00:05.000000000
    Side data:
      displaymatrix: rotation of -90.00 degrees
  Stream #0:1[0x1]: Video: av1, {1}gray(pc), {1}640x360, {1}23.98 fps, 24 tbr, 1 tbn
  Stream #0:2[0x2](eng): Audio: aac (LC) (mp4a / 0x6134706D), {1}44100 Hz, 5.1(side), fltp (default)
    Metadata:
      title           : Director's commentary
  Stream #0:3(ger): Audio: vorbis, {1}48000 Hz, stereo, fltp (comment)
  Stream #0:4: Subtitle: subrip
  Stream group #0:0[0x1]: Tile Grid: hevc (Main), {1}yuv420p, {1}512x384 (default)
    Stream #0:5[0x1]: Video: mjpeg, {1}yuvj444p(pc), {1}64x48, {1}90k tbr, 90k tbn (attached pic)
At least one output file must be specified
"""
CONTAINERS = ["mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "mpegts", "ico", "jpeg_pipe"]
PLAIN = [FILM.format(name, "") for name in CONTAINERS]
ALPHABET = "0123456789:#(),./[]x-+ \nASRDvide\u202e\u00e9"
TRACKS = st.none() | st.integers(1, 9) | st.sampled_from(["eng", "de", "xx-yy"])


@fuzz
@given(mutated(PLAIN, ALPHABET), TRACKS, TRACKS, st.booleans())
def test_any_header_is_read_and_decided_about(
    text: str, video: int | str | None, audio: int | str | None, is_film: bool
) -> None:
    info = parse_header(text)
    said = described(info)
    try:
        chosen = choose(
            Path("x"), info, video_track=video, audio_track=audio, is_film=is_film
        )  # fmt: skip
    except RequestError as error:
        said.append(error.message)
    else:
        said += chosen.notes.values()
        maps = [f"0:{s.index}" for s in (chosen.picture, chosen.sound) if s is not None]
        beside = chosen.beside(chosen.picture)
        assert all(word == "-map" or word in maps for word in beside[:2])
        for stream in (chosen.picture, chosen.sound):
            assert stream is None or stream in info.streams
        assert chosen.size is None or min(chosen.size) > 0
    assert all(line.isprintable() and len(line) < 1500 for line in said)


@fuzz
@given(mutated(PLAIN, ALPHABET))
def test_without_the_mark_nothing_is_a_picture_or_sound(text: str) -> None:
    kinds = {stream.kind for stream in parse_header(text, MARK).streams}
    assert not kinds & {"video", "audio"}


@fuzz
@given(mutated(PLAIN, ALPHABET), st.sampled_from(CONTAINERS))
def test_the_mark_itself_is_not_seen(other: str, container: str) -> None:
    marked, plain = FILM.format(container, MARK), FILM.format(container, "")
    found = parse_header(marked + other, MARK)
    assert found == parse_header(plain)
    assert len(found.streams) == 7
