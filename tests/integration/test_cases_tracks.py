"""Which tracks of a source are meant: films with a timecode, several sounds and pictures, songs
with a cover, attachments."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmapi.errors import GmapiError, JobError
from support.media import readers
from support.media.made_files import ffprobe, first_stream
from support.media.making import COLORS, H264, Maker, stripes, tones
from support.media.programs import make_media
from support.product.outcomes import (
    FILMS,
    SOUNDS,
    colors_in_time,
    convert,
    daily,
    heard,
    seen,
)
from support.product.tools import Tools

TIMECODES = {
    "h264.mov": [*H264, "-c:a", "aac"],
    "h264.mp4": [*H264, "-c:a", "aac", "-write_tmcd", "1"],
    "mjpeg.mov": ["-c:v", "mjpeg", "-pix_fmt", "yuvj420p", "-c:a", "pcm_s16le"],
    "prores.mov": ["-c:v", "prores_ks", "-c:a", "pcm_s16be"],
    "mpeg2.mxf": ["-c:v", "mpeg2video", "-r", "25", "-c:a", "pcm_s16le"],
}


@pytest.fixture(params=daily(sorted(TIMECODES), "h264.mov"))
def with_timecode(request: pytest.FixtureRequest, make: Maker) -> Path:
    """3 s of pictures, a tone of 440 Hz, and a track that only tells the time."""
    words = [*stripes(["red", "lime", "blue"]), *tones([440] * 3)]
    words += ["-map", "0:v", "-map", "1:a", "-timecode", "01:00:00:00", *TIMECODES[request.param]]
    return make(f"timecode-{request.param}", *words)


@pytest.mark.parametrize("way", daily(FILMS, "mp4", "32vid"))
def test_a_timecode_hides_no_track(tools: Tools, with_timecode: Path, way: str) -> None:
    made = convert(tools, way, with_timecode)
    assert (made.result.width, made.result.height) == (160, 120)
    found = seen(made)
    assert found.size == (160, 120)
    assert found.duration == pytest.approx(3.0, abs=0.1)
    if with_timecode.suffix != ".mxf" or way == "frames":
        assert len(found.pictures) == 30
    wanted = [COLORS["red"], COLORS["lime"], COLORS["blue"]]
    for one, two in zip(colors_in_time(found, 3), wanted, strict=True):
        assert readers.near(one, two, 8)
    sound = heard(made)
    assert sound is not None
    assert sound.duration == pytest.approx(3.0, abs=0.1)
    assert sound.tone(0.5, 2.5) == pytest.approx(440, abs=3)


def test_what_a_film_with_a_timecode_measures_is_told_of_a_copy(tools: Tools, make: Maker) -> None:
    """The output has such a track as well."""
    words = [*stripes(["red"]), "-timecode", "01:00:00:00", *H264]
    source = make("timecode-alone.mov", *words)
    made = tools.ffmpeg(source, "mov", args=["-c", "copy"])
    assert (made.result.width, made.result.height) == (160, 120)
    assert made.result.duration == pytest.approx(1.0, abs=0.1)


# -- sounds --------------------------------------------------------------------------------------

DEFAULT = ["-disposition:a:0", "0", "-disposition:a:1", "default"]
TRACKS: dict[str, tuple[str, list[str], int]] = {
    "default_second.mkv": ("aac", DEFAULT, 880),
    "default_second.mp4": ("aac", DEFAULT, 880),
    "default_second.mov": ("pcm_s16le", DEFAULT, 880),
    "default_second.webm": ("libopus", DEFAULT, 880),
    "titled.mkv": (
        "flac",
        ["-disposition:a", "0", "-metadata:s:a:0", "title=Director's commentary"],
        880,
    ),
    "flagged.mkv": ("aac", ["-disposition:a:0", "comment", "-disposition:a:1", "0"], 880),
    "plain.mkv": ("aac", ["-disposition:a", "0"], 440),
    "plain.ts": ("mp2", [], 440),
}
"""Codec, flags of the two tracks (440 and 880 Hz), and the tone that is meant."""


@pytest.fixture(params=daily(sorted(TRACKS), "default_second.mkv", "titled.mkv"))
def with_tracks(request: pytest.FixtureRequest, make: Maker) -> tuple[Path, int]:
    codec, flags, meant = TRACKS[request.param]
    words = [*stripes(["red"]), *tones([440]), *tones([880])]
    video = ["-c:v", "libvpx"] if request.param.endswith("webm") else H264
    words += ["-map", "0", "-map", "1", "-map", "2", *video, "-c:a", codec]
    words += ["-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger", *flags]
    return make(f"tracks-{request.param}", *words), meant


@pytest.mark.parametrize("way", SOUNDS)
def test_the_sound_that_is_meant_is_heard(
    tools: Tools, with_tracks: tuple[Path, int], way: str
) -> None:
    source, meant = with_tracks
    sound = heard(convert(tools, way, source))
    assert sound is not None
    assert sound.tone(0.1, 0.9) == pytest.approx(meant, abs=5)


@pytest.mark.parametrize("way", SOUNDS)
@pytest.mark.parametrize(
    ("track", "meant"),
    [
        (2, 880),
        ("ger", 880),
        *(
            pytest.param(*choice, marks=pytest.mark.slow)
            for choice in ((1, 440), ("2", 880), ("eng", 440), ("de", 880))
        ),
    ],
)
def test_a_track_can_be_chosen(
    tools: Tools, make: Maker, way: str, track: str | int, meant: int
) -> None:
    words = [*stripes(["red"]), *tones([440]), *tones([880]), "-map", "0", "-map", "1", "-map", "2"]
    words += [*H264, "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger"]
    source = make("tracks-languages.mkv", *words)
    sound = heard(convert(tools, way, source, audio_track=track))
    assert sound is not None
    assert sound.tone(0.1, 0.9) == pytest.approx(meant, abs=5)


@pytest.mark.parametrize("way", SOUNDS)
@pytest.mark.parametrize("track", daily([3, "fre"], 3))
def test_a_track_that_is_not_there_is_told_with_those_that_are(
    tools: Tools, make: Maker, way: str, track: str | int
) -> None:
    words = [*stripes(["red"]), *tones([440]), *tones([880]), "-map", "0", "-map", "1", "-map", "2"]
    words += [*H264, "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=ger"]
    source = make("tracks-languages.mkv", *words)
    with pytest.raises(GmapiError) as refused:
        convert(tools, way, source, audio_track=track)
    assert "audio_track" in refused.value.message
    assert all(language in refused.value.message for language in ("eng", "ger"))


@pytest.mark.parametrize("way", FILMS)
@pytest.mark.parametrize(("track", "meant"), [(None, "lime"), (1, "red"), (2, "lime")])
@pytest.mark.parametrize("ending", daily(["mkv", "mp4"], "mkv"))
def test_pictures_that_are_meant_are_seen(
    tools: Tools, make: Maker, way: str, track: int | None, meant: str, ending: str
) -> None:
    words = [*stripes(["red"]), *stripes(["lime"]), "-map", "0", "-map", "1", *H264]
    words += ["-disposition:v:0", "0", "-disposition:v:1", "default"]
    source = make(f"two-pictures.{ending}", *words)
    fields = {} if track is None else {"video_track": track}
    found = seen(convert(tools, way, source, **fields))
    assert readers.near(readers.color(found.pictures[0]), COLORS[meant], 8)


# -- covers --------------------------------------------------------------------------------------

COVERS = {
    "mp3": ["-c:a", "libmp3lame"],
    "m4a": ["-c:a", "aac"],
    "flac": ["-c:a", "flac"],
    "mkv": ["-c:a", "libopus"],
}


@pytest.fixture(params=daily(sorted(COVERS), "mp3"))
def with_cover(request: pytest.FixtureRequest, make: Maker) -> Path:
    """3 s of 440 Hz and a red picture of 150x151."""
    cover = make("cover.jpg", *stripes(["red"], size="150x151"), "-frames:v", "1", "-q:v", "2")
    words = [*tones([440] * 3), *COVERS[request.param]]
    if request.param == "mkv":
        words += ["-attach", str(cover), "-metadata:s:t", "mimetype=image/jpeg"]
        return make("song-cover.mkv", *words, "-metadata:s:t", "filename=cover.jpg")
    words = [*tones([440] * 3), "-i", str(cover), "-map", "0", "-map", "1", "-c:v", "copy"]
    words += ["-disposition:v", "attached_pic", *COVERS[request.param]]
    return make(f"song-cover.{request.param}", *words)


@pytest.mark.slow
@pytest.mark.parametrize("way", daily(["mp4", "avi", "mkv", "mov"], "mp4"))
def test_a_cover_is_seen_as_long_as_the_song_or_not_at_all(
    tools: Tools, with_cover: Path, way: str
) -> None:
    made = tools.ffmpeg(with_cover, way)
    assert readers.sound(made.path).duration == pytest.approx(3.0, abs=0.1)
    assert made.result.duration == pytest.approx(3.0, abs=0.15)
    kinds = [stream["codec_type"] for stream in ffprobe(made.path)["streams"]]
    if "video" not in kinds:
        return
    if first_stream(made.path, "video")["disposition"]["attached_pic"]:
        return  # a cover still, which players show as such
    found = readers.film(made.path)
    assert found.duration == pytest.approx(3.0, abs=0.25)
    assert len(found.pictures) < 400
    assert readers.near(readers.color(found.pictures[-1]), COLORS["red"], 8)


@pytest.mark.parametrize("way", daily(["mp3", "dfpwm", "wav"], "dfpwm"))
def test_a_song_with_a_cover_is_a_song(tools: Tools, with_cover: Path, way: str) -> None:
    sound = readers.sound(tools.ffmpeg(with_cover, way).path)
    assert sound.duration == pytest.approx(3.0, abs=0.1)
    assert sound.tone(0.5, 2.5) == pytest.approx(440, abs=3)


# -- attachments ---------------------------------------------------------------------------------


@pytest.fixture
def with_attachments(make: Maker, tmp_path: Path) -> Path:
    font = make.bytes("font.ttf", b"\x00\x01\x00\x00" + bytes(2000))
    words = [*stripes(["red"]), *tones([440]), "-map", "0", "-map", "1", *H264, "-c:a", "aac"]
    words += ["-attach", str(font), "-metadata:s:t", "mimetype=application/x-truetype-font"]
    return make("attachments.mkv", *words)


def test_a_copy_of_everything_says_which_stream_does_not_fit(
    tools: Tools, with_attachments: Path
) -> None:
    with pytest.raises(JobError) as refused:
        tools.ffmpeg(with_attachments, "mp4", args=["-map", "0", "-c", "copy"])
    said = refused.value.message
    assert "attach" in said.lower() or "0:2" in said
    assert "-map 0:v" in said or "-dn" in said


@pytest.mark.parametrize("way", FILMS)
def test_attachments_are_in_nobodys_way(tools: Tools, with_attachments: Path, way: str) -> None:
    made = convert(tools, way, with_attachments)
    assert seen(made).duration == pytest.approx(1.0, abs=0.1)
    sound = heard(made)
    assert sound is not None
    assert sound.tone(0.1, 0.9) == pytest.approx(440, abs=5)


def test_the_maker_of_films_makes_what_it_says(tmp_path: Path) -> None:
    """The judge is judged."""
    path = tmp_path / "film.mkv"
    make_media(path, *stripes(["red", "blue"]), *tones([440, 880]), "-c:v", "ffv1")
    found, sound = readers.film(path), readers.sound(path)
    assert colors_in_time(found, 2) == [COLORS["red"], COLORS["blue"]]
    assert (found.size, found.end, sound.duration) == ((160, 120), 2.0, 2.0)
    assert [round(sound.tone(at, at + 0.8)) for at in (0.1, 1.1)] == [440, 880]
