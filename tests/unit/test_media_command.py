from pathlib import Path

import pytest

from gmapi.errors import RequestError, SettingsError
from gmapi.media.binaries import Abilities, Ffmpeg, find_ffmpeg
from gmapi.media.command import (
    INPUT_FORMATS,
    Options,
)
from gmapi.media.formats import OUTPUT_FORMATS, output_format
from gmapi.media.header import MediaInfo, Stream
from gmapi.media.selection import choose
from gmapi.media.shapes import PictureSize
from gmapi.media.transcode import defaults, transcode

FFMPEG = Ffmpeg(
    Path("/opt/ffmpeg"), "9.0", lambda: Abilities(frozenset({"mp3", "dfpwm"}), frozenset())
)


def test_names_are_forgiving() -> None:
    assert output_format(" .DFPWM ") is OUTPUT_FORMATS["dfpwm"]
    assert output_format("jpeg").extension == "jpg"
    assert output_format("alac").extension == "m4a"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("mp33", "did you mean mp3"),
        ("", "empty"),
        ("dfpmw", "dfpwm"),
        ("../x\n\x1b", r" \./x\?\? is not known"),
    ],
)
def test_unknown_names_are_refused_with_a_hint(name: str, hint: str) -> None:
    with pytest.raises(RequestError, match=hint) as caught:
        output_format(name)
    assert caught.value.field == "output_format"
    assert caught.value.message.isprintable()


@pytest.mark.parametrize("name", ["html", "svg", "xml", "hls", "m3u8", "tee", "dash", "mpd", "rtp"])
def test_pages_and_playlists_cannot_be_written(name: str) -> None:
    with pytest.raises(RequestError):
        output_format(name)


def test_a_format_the_program_cannot_write() -> None:
    assert output_format("mp3", FFMPEG).muxer == "mp3"
    with pytest.raises(RequestError, match="no writer for matroska"):
        output_format("mkv", FFMPEG)


def test_every_format_is_well_formed() -> None:
    for name, entry in OUTPUT_FORMATS.items():
        assert entry.name == name == name.lower()
        assert entry.extension.isalnum()
        assert "/" in entry.media_type
        assert "html" not in entry.media_type
        assert len(entry.default_args) % 2 == 0


def test_no_input_format_names_other_files() -> None:
    followers = "hls dash concat imf sdp rtp rtsp image2 image2pipe vobsub avisynth svg_pipe lavfi"
    assert not set(followers.split()) & set(INPUT_FORMATS)


def test_options_have_one_spelling() -> None:
    words = ["-vn", "-vcodec", "a", "-codec:a:0", "-vn", "-noautorotate", "-lavfi", "x", "-r", "5"]
    options = Options(words)
    assert options.get("c", "v") == "a"
    assert options.get("c", "a") == "-vn"
    assert options.get("filter_complex") == "x"
    assert options.get("r") == "5"
    assert options.has("vn")
    assert not options.has("an")
    assert Options(["-c", "copy"]).get("c", "v") == "copy"
    assert Options(["-c:v", "x", "-c:v", "y"]).get("c", "v") == "y"


def after(words: list[str], option: str) -> str:
    return words[words.index(option) + 1]


def test_transcode_order_and_guards() -> None:
    command = transcode(
        FFMPEG,
        [Path("/in/a"), Path("/in/b")],
        ["-ss", "3"],
        ["-q:a", "2"],
        OUTPUT_FORMATS["mp3"],
        Path("/out/x.mp3"),
        max_pixels=1000,
        progress_fd=5,
    )
    assert command[0] == "/opt/ffmpeg"
    assert after(command, "-progress") == "pipe:5"
    first, second = (i for i, word in enumerate(command) if word == "-i")
    for at, path in ((first, "file:/in/a"), (second, "file:/in/b")):
        guards = command[at - 6 : at]
        assert guards[:2] == ["-protocol_whitelist", "file,pipe"]
        assert guards[2] == "-format_whitelist"
        assert guards[4:] == ["-max_pixels", "1000"]
        assert command[at + 1] == path
    # Input options belong to the first input only, and what the caller gives is never twice.
    assert [i for i, word in enumerate(command) if word == "-ss"] == [first - 8]
    assert command[second + 2 :] == [
        "-vn", "-sn", "-dn", "-q:a", "2", "-f", "mp3", "file:/out/x.mp3",
    ]  # fmt: skip


def test_callers_options_replace_those_of_the_format() -> None:
    dfpwm = OUTPUT_FORMATS["dfpwm"]
    assert after(defaults(dfpwm, []), "-ar") == "48000"
    assert "-ar" not in defaults(dfpwm, ["-ar", "24000"])
    assert after(defaults(dfpwm, ["-ar", "24000"]), "-ac") == "1"
    assert "-vn" not in defaults(dfpwm, ["-map", "0:a"])
    png = OUTPUT_FORMATS["png"]
    assert "-frames:v" not in defaults(png, ["-vframes", "3"])
    assert "-c:v" not in defaults(png, ["-vcodec", "apng"])


ODD_FILM = MediaInfo(1.0, (Stream(0, "video", "h264", 65, 47, 65, 47, fps=10.0),), "matroska")


def given_words(args: list[str]) -> list[str]:
    """The command for a film of odd size as MP4."""
    return transcode(
        FFMPEG, [Path("/a")], [], args, OUTPUT_FORMATS["mp4"], Path("/o"),
        chosen=choose(Path("/a"), ODD_FILM), max_pixels=1, progress_fd=0,
    )  # fmt: skip


def test_video_defaults_give_way() -> None:
    mp4 = OUTPUT_FORMATS["mp4"]
    assert after(defaults(mp4, []), "-pix_fmt") == "yuv420p"
    assert after(defaults(mp4, []), "-movflags") == "+faststart"
    for copied in (["-c", "copy"], ["-c:v", "copy"], ["-vcodec", "copy"], ["-vn"]):
        assert "-pix_fmt" not in defaults(mp4, copied)
        assert "-vf" not in given_words(copied)
    for filtered in (["-vf", "x"], ["-filter:v", "x"], ["-filter_complex", "x"], ["-s", "8x8"]):
        assert not {"crop", "pad"} & set(" ".join(given_words(filtered)).replace("=", " ").split())
    assert "crop=w=" in after(given_words([]), "-vf")
    assert "-pix_fmt" in defaults(mp4, ["-c:v", "libx265"])
    assert "-pix_fmt" not in defaults(mp4, ["-c:v", "prores_ks"])
    assert "-cpu-used" not in defaults(OUTPUT_FORMATS["webm"], ["-c:v", "libsvtav1"])


def test_sizes_that_make_no_sense() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        PictureSize.inside(0, 10, (64, 48))


def test_find_ffmpeg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "ffmpeg"
    program.write_text("#!/bin/sh\n")
    with pytest.raises(SettingsError, match="GMAPI_FFMPEG"):
        find_ffmpeg(str(program))  # there, but not executable
    program.chmod(0o755)
    assert find_ffmpeg(str(program)) == program
    bundled = find_ffmpeg(None)
    assert "imageio_ffmpeg" in str(bundled)
    monkeypatch.setattr("gmapi.media.binaries._bundled", lambda: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_ffmpeg(None) == program
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SettingsError, match="pip install imageio-ffmpeg"):
        find_ffmpeg(None)


@pytest.mark.parametrize(
    ("version", "major"),
    [("n9.0.2-17-g2a571b6068", 9), ("5.1.9-0+deb12u1", 5), ("N-118000-gabc", None), ("7", 7)],
)
def test_major_version(version: str, major: int | None) -> None:
    assert Ffmpeg(Path("/f"), version, FFMPEG.abilities).major == major
