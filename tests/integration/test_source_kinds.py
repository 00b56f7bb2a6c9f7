"""Sources of odd kinds through all tools: right, or refused with a sentence that says what they
are; never a black picture, never an untrue sentence."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gmapi.errors import JobError, MediaError
from gmapi.media import failures
from gmapi.media.binaries import Ffmpeg
from gmapi.media.process import Finished
from support.http.origin import Origin
from support.media import odd_files
from support.media.made_files import U8
from support.media.odd_files import HEIGHT, WIDTH, jpeg, noise, targa, tiff
from support.media.programs import make_media
from support.product.outcomes import convert, daily
from support.product.tools import Ran, Tools

WAYS: dict[str, dict[str, Any]] = {
    "png": {},
    "bimg": {"width": 16},
    "frames": {"w": 32, "h": 24},
}


class Served:
    """Conversions of bytes that an origin serves, as files of strangers come."""

    def __init__(self, tools: Tools, origin: Origin) -> None:
        self._tools = tools
        self._origin = origin

    def run(self, way: str, source: bytes, **fields: Any) -> Ran:
        url = self._origin.add(f"/{uuid.uuid4().hex}", source)
        return convert(self._tools, way, url, **WAYS.get(way, {}), **fields)


@pytest.fixture(scope="module")
def runs(tools: Tools) -> Iterator[Served]:
    with Origin() as origin:
        yield Served(tools, origin)


def decoded(made: Ran) -> U8:
    return made.file.pixels()


def encrypted(make: Path) -> bytes:
    """A film encrypted as sellers do (common encryption), whose header says so to nobody but a
    reader of its boxes."""
    key = "00112233445566778899aabbccddeeff"
    words = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=0.5", "-c:v", "mpeg4"]
    words += ["-encryption_scheme", "cenc-aes-ctr", "-encryption_key", key]
    return make_media(make / "film.mp4", *words, "-encryption_kid", key).read_bytes()


def fairplay(make: Path) -> bytes:
    """A song that says it is protected by FairPlay."""
    words = ["-f", "lavfi", "-i", "sine=d=0.5", "-c:a", "aac"]
    return make_media(make / "song.m4a", *words).read_bytes().replace(b"mp4a", b"drms")


REFUSED: dict[str, tuple[bytes | Callable[[Path], bytes], str, str]] = {
    "zip": (odd_files.zipped(("song.mp3", noise())), "source_not_media",
            "a ZIP archive, not a media file; unpack it and give the address of the file inside"),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + jpeg(), "source_not_media", "a PDF document"),
    "spc": (b"SNES-SPC700 Sound File Data v0.30\x1a\x1a" + bytes(66000), "source_not_media",
            "music for a game console"),
    "text": (b"This song is no longer here.\n" * 9, "source_not_media", "is a text"),
    "zeros": (bytes(50_000), "source_not_media", "nothing but zero bytes"),
    "disc": (bytes(32768) + b"\x01CD001\x01\0" + noise(), "source_not_media", "image of a disc"),
    "noise": (noise(), "media_failed", "not media that ffmpeg knows, or it is damaged"),
    "start of a jpeg": (b"\xff\xd8\xff", "media_failed|corrupt_media", "damaged, or in a form"),
    "torn png": (b"\x89PNG\r\n\x1a\n" + noise(300), "media_failed|corrupt_media", "damaged"),
    "png of noise": (odd_files.png(noise(300)), "media_failed|corrupt_media",
                     "cannot be read|could not be decoded"),
    "jpeg in tiff": (tiff(jpeg(), {259: (3, [7])}), "corrupt_media", "TIFF.*compression JPEG"),
    "tiles in tiff": (odd_files.tiled_tiff(), "corrupt_media", "TIFF picture in tiles"),
    "spoilt tiff": (tiff(noise(), {259: (3, [5])}), "corrupt_media", "damaged"),
    "raw photo": (tiff(noise(), {50706: (1, [1, 4, 0, 0])}), "corrupt_media", "raw photo"),
    "jpeg of 12 bits": (jpeg(0xC1, 12), "corrupt_media", "12 bits a sample"),
    "arithmetic jpeg": (jpeg(0xC9), "corrupt_media", "arithmetic coding"),
    "encrypted film": (encrypted, "media_failed", "encrypted"),
    "fairplay": (fairplay, "media_failed", "encrypted"),
    "wmv with drm": (odd_files.encrypted_wmv(), "media_failed", "encrypted"),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
@pytest.mark.parametrize("way", daily(WAYS, "bimg"))
def test_what_cannot_be_read_is_refused_with_what_it_is(
    runs: Served, tmp_path: Path, way: str, kind: str
) -> None:
    made, code, words = REFUSED[kind]
    source = made if isinstance(made, bytes) else made(tmp_path)
    with pytest.raises(JobError, match=words) as caught:
        runs.run(way, source)
    assert caught.value.code in code.split("|")
    assert "other files" not in caught.value.message
    assert way == "png" or "-ss" not in caught.value.message, "it has no such flags"


@pytest.mark.parametrize("way", ["bimg", "frames"])
def test_subtitles_are_told_from_sound(runs: Served, way: str) -> None:
    source = b"1\r\n00:00:01,000 --> 00:00:02,000\r\nHi\r\n"
    with pytest.raises(MediaError, match="only text, such as subtitles; give the ad") as caught:
        runs.run(way, source)
    assert caught.value.code == "no_video"


@pytest.mark.parametrize("made", ["s16le", "u8", "srt"])
def test_an_output_that_cannot_be_read_back_is_no_bad_source(
    runs: Served, tmp_path: Path, made: str
) -> None:
    words = ["-f", "lavfi", "-i", "anullsrc=d=1:r=8000:cl=mono"]
    source = make_media(tmp_path / "silence.wav", *words).read_bytes()
    if made == "srt":
        source = b"1\r\n00:00:01,000 --> 00:00:02,000\r\nHi\r\n"
    done = runs.run(made, source)
    assert done.path.stat().st_size > 0
    assert not any("zero bytes" in line or "a text" in line for line in done.notes.lines)


def test_raw_samples_are_what_the_caller_says(runs: Served) -> None:
    samples = noise() * 32
    words = ["-f", "s16le", "-ar", "48000", "-ac", "1"]
    done = runs.run("dfpwm", samples, input_args=words)
    assert done.path.stat().st_size == len(samples) // 16


# -- what can be read, and is ----------------------------------------------------------------------


@pytest.mark.parametrize("foot", [False, True])
@pytest.mark.parametrize("kind", daily([1, 2, 3, 10], 2, 10))
def test_a_targa_picture_without_a_name_is_read(runs: Served, kind: int, foot: bool) -> None:
    shown = decoded(runs.run("png", targa(kind, foot=foot)))
    expected = np.arange(WIDTH, dtype=np.uint8)[None, :, None] * 5
    assert shown.shape == (HEIGHT, WIDTH, 3)
    assert (shown == expected).all()


@pytest.mark.parametrize("way", ["bimg", "frames"])
def test_a_targa_picture_is_a_still_for_the_game(runs: Served, way: str) -> None:
    result = runs.run(way, targa()).result.model_dump()
    assert result.get("frames", result.get("total_frames")) == 1


def test_a_torn_targa_picture_is_an_error(runs: Served) -> None:
    source = targa(10)[:400] + b"TRUEVISION-XFILE.\0"
    with pytest.raises(MediaError, match="a Targa picture, but it is damaged") as caught:
        runs.run("png", source)
    assert caught.value.code == "corrupt_media"


@pytest.mark.parametrize("way", WAYS)
def test_an_xpm_picture_is_read(runs: Served, way: str) -> None:
    done = runs.run(way, odd_files.xpm())
    if way == "png":
        shown = decoded(done)
        assert (shown[:, :32] == [255, 0, 0]).all()
        assert (shown[:, 32:] == [0, 255, 0]).all()


@pytest.mark.parametrize("codec", ["xbm", "xwd", "pfm"])
def test_simple_pictures_are_read(runs: Served, tmp_path: Path, codec: str) -> None:
    words = ["-f", "lavfi", "-i", "color=white:s=64x48", "-frames:v", "1", "-c:v", codec]
    source = make_media(tmp_path / "picture", *words, "-f", "image2pipe").read_bytes()
    assert decoded(runs.run("png", source)).min() > 250


@pytest.mark.both_ffmpegs
def test_tracker_music_is_played(runs: Served, ffmpeg: Ffmpeg) -> None:
    demuxers = subprocess.run([ffmpeg.path, "-v", "0", "-demuxers"], capture_output=True).stdout
    source = odd_files.tracker_module()
    if b" libopenmpt " not in demuxers:
        with pytest.raises(MediaError, match=r"tracker music \(MOD\)"):
            runs.run("dfpwm", source)
        return
    sound = runs.run("dfpwm", source).data
    assert 7 * 6000 < len(sound) < 9 * 6000
    assert len(set(sound)) > 20, "silence"


def test_sound_wrapped_for_a_wire_is_read(runs: Served, tmp_path: Path) -> None:
    words = ["-f", "lavfi", "-i", "sine=d=2:r=48000", "-ac", "2", "-c:a", "ac3", "-f", "spdif"]
    source = make_media(tmp_path / "sound", *words).read_bytes()
    sound = runs.run("dfpwm", source).data
    assert abs(len(sound) - 12_000) < 600
    assert len(set(sound)) > 20, "silence"


READ_TIFFS = {
    "big-endian": tiff(order=">"),
    "strips": tiff(tags={273: (4, [0, WIDTH * 16]), 278: (3, [16]), 279: (4, [WIDTH * 16] * 2)}),
}


@pytest.mark.parametrize("kind", READ_TIFFS)
def test_usual_tiffs_are_read(runs: Served, kind: str) -> None:
    shown = decoded(runs.run("png", READ_TIFFS[kind]))
    assert (shown == np.arange(WIDTH, dtype=np.uint8)[None, :, None] * 5).all()


def test_jpegs_of_8_bits_are_read(runs: Served) -> None:
    shown = decoded(runs.run("png", jpeg(0xC1)))
    assert abs(shown.mean() - 128) < 2


# -- wordings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "[tiff] [error] JPEG compression is not supported",
        "[tiff] [error] Decoded only 0 bytes of 480",
        "[tiff] [error] Uncompressing failed (0 of 57600) with error -3",
        "[tiff] [error] Run went out of bounds",
    ],
)
def test_a_success_that_is_none_is_an_error(line: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.write_bytes(b"x")
    with pytest.raises(MediaError) as caught:
        failures.check(Finished(0, [line, "[info] frame= 1"]), [made])
    assert caught.value.code == "corrupt_media"
    failures.check(Finished(0, ["[tiff] [warning] odd", "[info] frame= 1"]), [made])


def test_a_format_that_is_not_read_is_no_playlist() -> None:
    error = failures.explain(1, ["[in#0] [error] Format not on whitelist 'aac,ac3'"])
    assert "a kind of file that this server does not read" in error.message
    assert "playlist" not in error.message
