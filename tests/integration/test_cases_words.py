"""Texts in old encodings, things that are no media that can be read here, and the sentences that
say so: each names what is there and what can be done."""

from __future__ import annotations

import io
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from gmapi.errors import GmapiError, JobError
from support.media import photos
from support.media.making import H264, Maker, stripes, tones
from support.media.programs import make_media
from support.product.outcomes import FILMS, PICTURES, convert, daily, heard, is_clear, seen, tried
from support.product.tools import Ran, Tools
from support.screens.outputs import read_output

# -- subtitles -----------------------------------------------------------------------------------

LETTERS = "Hällo wörld – naïve café"
SRT = f"1\n00:00:00,500 --> 00:00:01,500\n{LETTERS}\n\n2\n00:00:02,000 --> 00:00:02,900\nSecond\n"
ENCODINGS = ["cp1252", "utf-8", "utf-8-sig", "utf-16", "mac-roman", "cp1250"]


def texts(made: Ran) -> list[bytes]:
    return list(read_output(made.path.read_bytes(), "32vid", pictures=30, path=made.path).texts)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", daily(ENCODINGS, "cp1252", "utf-16"))
@pytest.mark.parametrize("line_end", daily(["\n", "\r\n"], "\n"))
def test_subtitles_in_old_encodings_are_read_or_told_of(
    tools: Tools, make: Maker, encoding: str, line_end: str
) -> None:
    written = SRT if encoding != "cp1250" else SRT.replace("ï", "i")
    data = written.replace("\n", line_end).encode(encoding)
    lines = make.bytes(f"lines-{encoding}-{len(line_end)}.srt", data)
    film = make("for-lines.mp4", *stripes(["red", "lime", "blue"], size="160x120"), *H264)
    made = tools.sanjuuni(film, "32vid", subtitle_file=lines)
    found = texts(made)
    assert b"Second" in found
    first = found[0]
    is_right = first.startswith("Hällo wörld".encode("latin-1")) and first.endswith(b"caf\xe9")
    # A guess may fail where a text is short, but not in silence.
    assert is_right or (made.warnings and encoding in ("mac-roman", "cp1250")), found


def test_cues_that_are_no_cues_are_counted(tools: Tools, make: Maker) -> None:
    broken = SRT.replace("00:00:02,000 --> 00:00:02,900", "soon --> later").encode()
    lines = make.bytes("broken.srt", broken)
    film = make("for-lines.mp4", *stripes(["red", "lime", "blue"], size="160x120"), *H264)
    made = tools.sanjuuni(film, "32vid", subtitle_file=lines)
    found = texts(made)
    assert len(found) == 2 or made.warnings


# -- what is no media here -----------------------------------------------------------------------


def _zip() -> bytes:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("song.mp3", bytes(500))
    return data.getvalue()


def _arithmetic_jpeg() -> bytes:
    """A JPEG whose frame says that arithmetic coding was used (SOF9)."""
    return photos.jpeg("red", 160, 120).replace(b"\xff\xc0", b"\xff\xc9", 1)


def _module() -> bytes:
    """A ProTracker module of one pattern and no samples."""
    samples = bytes(30) * 31
    return b"song".ljust(20, b"\0") + samples + b"\x01\x7f" + bytes(128) + b"M.K." + bytes(1024)


def _spdif() -> bytes:
    """AC-3 as it goes through a cable."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cable"
        make_media(path, *tones([440], channels="stereo"), "-c:a", "ac3", "-f", "spdif")
        return path.read_bytes()


_XPM = b"""/* XPM */
static char *x[] = {
"2 2 2 1",
"a c #FF0000",
"b c #00FF00",
"ab",
"ba"
};
"""


def _tga() -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (160, 120), "red").save(data, "TGA")
    return data.getvalue()


READ = ("only sound", "no picture", "no sound")
"""Of what can be read here after all, and is not of the sort asked for."""

STRANGERS: dict[str, tuple[Callable[[], bytes], tuple[str, ...]]] = {
    # What makes it, and words of which one must be in the refusal.
    "zip": (_zip, ("zip", "archive")),
    "pdf": (lambda: b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n<<>>\nendobj\n", ("pdf",)),
    "text": (lambda: b"Dear reader,\n\nthis is a letter.\n" * 20, ("text",)),
    "rar": (lambda: b"Rar!\x1a\x07\x01\x00" + bytes(300), ("rar", "archive")),
    "7z": (lambda: b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(300), ("7z", "7-zip", "archive")),
    "mod": (_module, ("module", "tracker", "mod", *READ)),
    "xpm": (lambda: _XPM, ("xpm", *READ)),
    "spdif": (_spdif, ("spdif", "s/pdif", *READ)),
    "tga": (_tga, ("tga", "targa", *READ)),
    "arithmetic": (_arithmetic_jpeg, ("arithmetic", *READ)),
}


@pytest.mark.slow
@pytest.mark.parametrize("way", daily(["png", "mp3", "frames", "bimg"], "frames"))
@pytest.mark.parametrize("kind", sorted(STRANGERS))
def test_what_cannot_be_read_is_named(tools: Tools, make: Maker, kind: str, way: str) -> None:
    write, words = STRANGERS[kind]
    source = make.bytes(f"stranger-{kind}", write())
    try:
        made = convert(tools, way, source)
    except JobError as refused:
        said = refused.message.lower()
        assert is_clear(refused.message), said
        assert "names other files" not in said
        assert any(word in said for word in words), said
        return
    # It may be read after all; then it is right.
    assert kind in ("tga", "xpm", "mod", "spdif", "arithmetic")
    if kind in ("tga", "arithmetic"):
        assert seen(made).pictures[0][60, 80].tolist() == [255, 0, 0]


# -- sentences -----------------------------------------------------------------------------------


def two_tracks(make: Maker) -> Path:
    words = [*stripes(["red"]), *tones([440]), "-map", "0", "-map", "1", *H264, "-c:a", "aac"]
    return make("for-words.mp4", *words)


def test_a_track_too_many_is_told_with_what_there_is(tools: Tools, make: Maker) -> None:
    with pytest.raises(GmapiError) as refused:
        tools.ffmpeg(two_tracks(make), "mp3", args=["-map", "0:a:3"])
    assert "has no sound" not in refused.value.message
    assert "0:a:3" in refused.value.message
    assert "1" in refused.value.message


def test_the_callers_own_silence_is_not_the_sources(tools: Tools, make: Maker) -> None:
    with pytest.raises(GmapiError) as refused:
        tools.ffmpeg(two_tracks(make), "mp3", args=["-an"])
    assert "the source has no sound" not in refused.value.message.lower()
    assert "-an" in refused.value.message


def test_a_photo_is_given_no_advice_about_films(tools: Tools, make: Maker) -> None:
    source = make.by("photo.jpg", lambda path: photos.corners(160, 120).save(path))
    made = tools.video_frame(source)
    assert "200" not in made.result.message
    assert "1 frame" in made.result.message
    assert "1 frames" not in made.result.message


@pytest.mark.slow
@pytest.mark.parametrize("way", PICTURES)
def test_a_phone_s_photo_of_48_million_pixels(tools: Tools, make: Maker, way: str) -> None:
    def write(path: Path) -> None:
        Image.new("RGB", (8064, 6048), "red").save(path, quality=30)

    fields = {"bimg": {"width": 40}, "frames": {}, "png": {"args": ["-vf", "scale=80:-1"]}}[way]
    made = convert(tools, way, make.by("large.jpg", write), **fields)
    found = seen(made).pictures[0]
    assert found.shape[1] / found.shape[0] == pytest.approx(4 / 3, abs=0.05)
    assert max(abs(found[found.shape[0] // 2, 10].astype(int) - [255, 0, 0])) < 8


@pytest.mark.parametrize("way", FILMS)
def test_no_plain_film_is_warned_of(tools: Tools, make: Maker, way: str) -> None:
    made = tried(tools, way, two_tracks(make))
    assert isinstance(made, Ran)
    assert not made.warnings
    assert heard(made) is not None
