"""Which streams `ffmpeg` takes for a caller who says nothing, and what it says when it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmapi.errors import MediaError, RequestError
from support.media.making import H264, Maker
from support.media.programs import make_media
from support.product.outcomes import daily_rows, sound_of
from support.product.tools import Ran, Tools

FILM = ("-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=2")


def tone(hertz: int) -> tuple[str, ...]:
    return "-f", "lavfi", "-i", f"sine={hertz}:r=48000:d=2"


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    (folder / "words.srt").write_text("1\n00:00:00,500 --> 00:00:01,500\nHello\n")
    make_media(folder / "cover.png", "-f", "lavfi", "-i", "color=blue:s=65x65", "-frames:v", "1")
    for name, codec in (("song.mp3", "libmp3lame"), ("song.m4a", "aac"), ("song.flac", "flac")):
        make_media(
            folder / name, *tone(440), "-i", str(folder / "cover.png"), "-map", "0", "-map", "1",
            "-c:a", codec, "-c:v", "png", "-disposition:v", "attached_pic",
        )  # fmt: skip
    make_media(
        folder / "two.mkv", *FILM, *tone(440), *tone(880), "-i", str(folder / "words.srt"),
        "-map", "0", "-map", "1", "-map", "2", "-map", "3", *H264, "-c:a", "aac", "-c:s", "srt",
        "-metadata:s:a:0", "title=Commentary", "-metadata:s:a:0", "language=eng",
        "-metadata:s:a:1", "language=ger", "-disposition:a:0", "0", "-disposition:a:1", "default",
    )  # fmt: skip
    (folder / "font.ttf").write_bytes(b"\0\1\0\0" + bytes(100))
    make_media(
        folder / "attached.mkv", *FILM, *tone(440), *H264, "-c:a", "aac",
        "-attach", str(folder / "font.ttf"), "-metadata:s:t:0", "mimetype=font/ttf",
    )  # fmt: skip
    make_media(folder / "timecode.mov", *FILM, *tone(440), *H264, "-timecode", "01:00:00:00")
    return folder


def pitch(made: Ran) -> float:
    """The loudest frequency of what was made, Hz."""
    return sound_of(made).tone(0.2, 1.2)


@pytest.mark.parametrize("output_format", ["mp3", "mp4", "dfpwm"])
def test_the_sound_that_is_meant(tools: Tools, media: Path, output_format: str) -> None:
    made = tools.ffmpeg(media / "two.mkv", output_format)
    assert pitch(made) == pytest.approx(880, abs=10)
    assert any("audio_track" in warning for warning in made.warnings)


def test_the_sound_that_is_asked_for(tools: Tools, media: Path) -> None:
    for track in (1, "eng"):
        made = tools.ffmpeg(media / "two.mkv", "mp3", audio_track=track)
        assert pitch(made) == pytest.approx(440, abs=10)
        assert not made.warnings
    with pytest.raises(RequestError, match=r"(?s)no sound track 5.*2: ger"):
        tools.ffmpeg(media / "two.mkv", "mp3", audio_track=5)


def test_a_filter_hears_the_sound_that_is_meant(tools: Tools, media: Path) -> None:
    """As the game's programs ask for left and right."""
    args = ["-vn", "-ar", "48000", "-filter_complex", "pan=mono|c0=c0"]
    made = tools.ffmpeg(media / "two.mkv", "wav", args)
    assert pitch(made) == pytest.approx(880, abs=10)


def test_what_a_caller_maps_is_his(tools: Tools, media: Path) -> None:
    made = tools.ffmpeg(media / "two.mkv", "mp3", "-map 0:a:0")
    assert pitch(made) == pytest.approx(440, abs=10)
    assert not made.warnings


@pytest.mark.parametrize(
    ("output_format", "args", "subtitles"),
    [("mkv", "", 1), ("webm", "", 1), ("mp4", "", 0), ("mp4", "-c:s mov_text", 1),
     ("mkv", "-sn", 0), ("srt", "", 1), ("vtt", "", 1)],
)  # fmt: skip
def test_subtitles_come_along_as_before(
    tools: Tools, media: Path, output_format: str, args: str, subtitles: int
) -> None:
    made = tools.ffmpeg(media / "two.mkv", output_format, args)
    kinds = [stream["codec_type"] for stream in made.file.streams]
    assert kinds.count("subtitle") == subtitles
    if output_format not in ("srt", "vtt"):
        assert kinds.count("video") == kinds.count("audio") == 1


def test_a_film_with_a_timecode_track(tools: Tools, media: Path) -> None:
    made = tools.ffmpeg(media / "timecode.mov", "mp4")
    assert (made.result.width, made.result.height) == (64, 48)
    assert made.file.frames == 20


@pytest.mark.parametrize(
    ("song", "output_format", "words"),
    [("song.mp3", "mp4", ""), ("song.m4a", "avi", ""), ("song.flac", "webm", ""),
     ("song.mp3", "ts", ""), ("song.mp3", "mp4", "-ss 1")],
)  # fmt: skip
def test_a_cover_is_shown_as_long_as_its_song(
    tools: Tools, media: Path, song: str, output_format: str, words: str
) -> None:
    made = tools.ffmpeg(media / song, output_format, input_args=words)
    video = made.file.stream("video")
    above, below = (int(number) for number in video["avg_frame_rate"].split("/"))
    assert 1 <= above / below <= 25
    begin, end = made.file.span("video")
    assert end - begin == pytest.approx(1.0 if words else 2.0, abs=0.45)
    assert made.file.size == (64, 64)
    assert made.file.pixels()[32, 32, 2] > 200
    made.file.stream("audio")


@pytest.mark.parametrize("output_format", ["png", "jpg"])
def test_the_picture_of_a_song_is_its_cover(tools: Tools, media: Path, output_format: str) -> None:
    picture = tools.ffmpeg(media / "song.mp3", output_format).file.pixels()
    assert picture.shape == (65, 65, 3)
    assert picture[32, 32, 2] > 200


def test_several_songs_with_covers_make_no_flash_of_video(tools: Tools, media: Path) -> None:
    songs = [media / "song.mp3", media / "song.flac"]
    made = tools.ffmpeg(songs, "mp4", ["-filter_complex", "[0:a][1:a]amix=inputs=2"])
    assert [stream["codec_type"] for stream in made.file.streams] == ["audio"]


@pytest.mark.both_ffmpegs
@pytest.mark.parametrize(
    ("source", "output_format", "args", "words"),
    [
        ("two.mkv", "mp3", "-map 0:a:3", r"0:a:0 \(eng, Commentary.*0:a:1 \(ger"),
        ("two.mkv", "mp4", "-map 0:v:2", r"matches nothing; the source has 0:v:0 \(h264, 64 x 48"),
        ("song.mp3", "srt", "-map 0:s", "The source has no subtitles"),
        ("two.mkv", "mp3", "-an", "^-an leaves out all"),
        ("two.mkv", "png", "-vn", "^-vn leaves out all"),
        ("attached.mkv", "mp4", "-map 0 -c copy", r"Stream 2 \(attachment.*-map 0:v -map"),
        ("attached.mkv", "avi", "-map 0 -c copy", "Attachments cannot.*-map 0:v -map 0:a"),
        ("two.mkv", "mp4", "-map 0 -c copy", r"Stream 3 \(subtitle subrip\).*-sn"),
        ("two.mkv", "avi", "-map 0", "avi cannot hold.*-sn -dn"),
    ],
)
def test_what_cannot_be_taken_is_named(
    tools: Tools, media: Path, source: str, output_format: str, args: str, words: str
) -> None:
    with pytest.raises(MediaError, match=words) as caught:
        tools.ffmpeg(media / source, output_format, args)
    assert caught.value.message.isprintable()


LAYOUTS = {
    # Loudspeakers of the source, format, channels of the output.
    ("5.1(side)", "opus"): 6,
    ("5.1(side)", "webm"): 6,
    ("7.1(wide)", "weba"): 6,
    ("quad(side)", "opus"): 4,
    ("22.2", "flac"): 8,
    ("7.1", "aac"): 6,
    ("22.2", "m4a"): 8,
    ("5.1", "mp3"): 2,
    ("5.1", "wma"): 2,
    ("stereo", "opus"): 2,
}


@pytest.mark.parametrize(("layout", "output_format"), daily_rows(LAYOUTS, *list(LAYOUTS)[::2]))
def test_loudspeakers_that_a_codec_lacks(
    tools: Tools, make: Maker, layout: str, output_format: str
) -> None:
    name = f"{layout.translate(str.maketrans('.()', '___'))}.wav"
    noise = f"anoisesrc=d=0.5:r=48000:a=0.3,aformat=channel_layouts={layout}"
    source = make(name, "-f", "lavfi", "-i", noise)
    made = tools.ffmpeg(source, output_format)
    sound = made.file.stream("audio")
    assert sound["channels"] == LAYOUTS[layout, output_format]
    before = {"stereo": 2, "quad(side)": 4, "5.1": 6, "5.1(side)": 6, "22.2": 24}.get(layout, 8)
    assert any("mixed" in w for w in made.warnings) == (sound["channels"] < before)
