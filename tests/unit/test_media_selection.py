"""What of a source is meant, by its header."""

from __future__ import annotations

from pathlib import Path

import pytest

from gmapi.errors import RequestError
from gmapi.media.header import Stream, parse_header
from gmapi.media.languages import same_language
from gmapi.media.selection import Selection, Track, choose, described

MKV = "matroska,webm"
MP4 = "mov,mp4,m4a,3gp,3g2,mj2"
H264 = "Video: h264 (High), yuv420p(progressive), 160x120 [SAR 1:1 DAR 4:3], 10 fps, 10 tbr, 1k tbn"
LARGE = H264.replace("160x120", "320x240")
AAC = "Audio: aac (LC), 48000 Hz, stereo, fltp"


def header(*lines: str, container: str = MKV, start: str = "0.000000") -> str:
    """A header with streams; a line that begins with a space is a tag of the one before."""
    text = (
        f"Input #0, {container}, from 'x':\n  Duration: 00:00:03.00, start: {start}, bitrate: 1\n"
    )
    number = 0
    for line in lines:
        if line.startswith(" "):
            text += f"    Metadata:\n     {line}\n"
        elif line.startswith(("Program", "Stream")):
            text += f"  {line}\n"
        else:
            language, colon, rest = line.rpartition("|")
            text += f"  Stream #0:{number}{f'({language})' if colon else ''}: {rest}\n"
            number += 1
    return text


def chosen(*lines: str, container: str = MKV, start: str = "0.000000", **asked: Track) -> Selection:
    info = parse_header(header(*lines, container=container, start=start))
    return choose(Path("x"), info, **asked)  # type: ignore[arg-type]


def pair(selection: Selection) -> tuple[int | None, int | None]:
    """The indexes of picture and sound."""
    picture, sound = selection.picture, selection.sound
    return picture.index if picture else None, sound.index if sound else None


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ((H264, AAC), (0, 1)),
        # The default one, wherever it stands.
        ((H264, AAC, f"{AAC} (default)"), (0, 2)),
        ((H264, f"{AAC} (default)", AAC), (0, 1)),
        # None is, or all are: the first that is not commentary.
        ((H264, f"{AAC} (comment)", AAC), (0, 2)),
        ((H264, AAC, " title           : Director's Commentary", AAC), (0, 2)),
        ((H264, f"{AAC} (default) (comment)", f"{AAC} (default)"), (0, 2)),
        ((H264, f"{AAC} (visual impaired) (descriptions)", AAC), (0, 2)),
        ((H264, f"{AAC} (comment)"), (0, 1)),
        ((H264, f"{AAC} (comment)", f"{AAC} (comment)"), (0, 1)),
        # What cannot be decoded is no choice where there is another.
        ((H264, "Audio: none", AAC), (0, 2)),
        # Pictures: no cover, no thumbnails; the default one, then the largest, then the first.
        ((f"{LARGE} (attached pic)", AAC), (None, 1)),
        ((f"{LARGE} (attached pic)", H264, AAC), (1, 2)),
        ((f"{LARGE} (timed thumbnails)", H264), (1, None)),
        ((f"{LARGE} (still image)", H264), (1, None)),
        ((H264, LARGE), (1, None)),
        ((H264, H264), (0, None)),
        ((f"{H264} (default)", LARGE), (0, None)),
        ((f"{H264} (default)", f"{LARGE} (default)"), (1, None)),
        # Sound of the program that the pictures are of.
        (("Program 1", H264, AAC, "Program 2", LARGE, AAC), (2, 3)),
        (("Program 1", LARGE, AAC, "Program 2", H264, f"{AAC} (default)"), (0, 1)),
    ],
)
def test_what_is_meant(lines: tuple[str, ...], expected: tuple[int | None, int | None]) -> None:
    assert pair(chosen(*lines)) == expected


def test_the_animation_and_not_the_still_item() -> None:
    item = "Video: av1 (High), gbrp, 320x240, 1 fps, 1 tbr, 1 tbn (default)"
    film = "Video: av1 (High), gbrp, 160x120, 10 fps, 10 tbr, 10240 tbn (default)"
    selection = chosen(item, film, container=MP4)
    assert pair(selection) == (1, None)
    assert not selection.is_still
    assert not selection.notes
    alone = chosen(item, item.replace("320x240", "64x48").replace(" (default)", ""), container=MP4)
    assert pair(alone) == (0, None)
    assert alone.is_still
    assert not alone.notes


def test_all_tiles_of_a_picture() -> None:
    group = "Stream group #0:2[0x1]: Tile Grid: hevc (Main), yuvj420p(pc), 4032x3024 [SAR 1:1 DAR \
4:3] (default)"
    thumbnail = "Video: hevc (Main), yuvj420p(pc), 320x240, 1 fps, 1 tbr, 1 tbn"
    selection = chosen(thumbnail, group, container=MP4)
    assert selection.picture is not None
    assert selection.picture.tile_group == 2
    assert (selection.size, selection.is_still) == ((4032, 3024), True)


@pytest.mark.parametrize(("rate", "still"), [("1 fps, 1 tbr, 1 tbn", True),
                                             ("5 fps, 5 tbr, 1k tbn", False)])  # fmt: skip
def test_transparency_of_avif_is_a_stream_of_its_own(rate: str, still: bool) -> None:
    color = f"Video: av1 (Main), yuv420p(pc, smpte170m/bt709/iec61966-2-1), 64x48, {rate} (default)"
    gray = f"Video: av1 (Main), gray(pc), 64x48, {rate}"
    selection = chosen(color, gray, container=MP4)
    assert pair(selection) == (0, None)
    assert selection.alpha is not None
    assert (selection.alpha.index, selection.is_in_pieces) == (1, True)
    assert selection.is_still is still
    assert not selection.notes
    assert described(selection.info) == []
    assert chosen(color, gray.replace("64x48", "32x24"), container=MP4).alpha is None
    assert chosen(gray, gray, container=MP4).alpha is None


def test_streams_that_are_read_to_keep_time() -> None:
    broadcast = chosen(H264, AAC, container="mpegts")
    assert broadcast.beside(broadcast.picture)[:2] == ["-map", "0:1"]
    assert broadcast.beside(broadcast.sound)[:2] == ["-map", "0:0"]
    silent = chosen(H264, container="mpegts")
    assert silent.beside(silent.picture) == []
    film = chosen(H264, AAC)
    assert film.beside(film.picture) == []


def test_the_largest_icon() -> None:
    icon = "Video: png, rgb24(pc), 16x16, 90k tbr, 90k tbn"
    selection = chosen(icon, icon.replace("16x16", "256x256"), icon, container="ico")
    assert pair(selection) == (1, None)
    assert selection.is_still
    assert not selection.notes


def test_stills_and_films() -> None:
    png = "Video: png, rgb24(pc), 160x120, 25 fps, 25 tbr, 25 tbn"
    assert chosen(png, container="png_pipe").is_still
    assert not chosen(png.replace("png", "gif"), container="gif").is_still
    assert not chosen(png.replace("png", "webp"), container="webp_pipe").is_still
    info = parse_header(header(png, container="png_pipe"))
    assert not choose(Path("x"), info, is_film=True).is_still


@pytest.mark.parametrize(
    ("container", "start", "length"),
    [
        # Matroska tells the time of the end, others the length.
        (MKV, "1.500000", 1.5), (MP4, "1.500000", 3.0), ("mpegts", "3600.0", 3.0),
        (MKV, "3600.000000", 3.0), (MKV, "-0.020000", 3.0),
    ],
)  # fmt: skip
def test_a_late_start_is_no_part_of_the_length(container: str, start: str, length: float) -> None:
    assert chosen(H264, container=container, start=start).length == pytest.approx(length)


@pytest.mark.parametrize(("codec", "decoder"), [("vp8", "libvpx"), ("vp9", "libvpx-vp9")])
def test_decoders_that_know_transparency(codec: str, decoder: str) -> None:
    line = H264.replace("h264 (High)", codec)
    clear = chosen(AAC, line, " alpha_mode      : 1")
    assert clear.has_alpha
    assert clear.input_words == ["-c:1", decoder]
    assert not clear.may_change
    opaque = chosen(AAC, line, " alpha_mode      : 0")
    assert not opaque.has_alpha
    assert opaque.input_words == []
    assert opaque.may_change


def test_colours_of_hdr() -> None:
    told = "Video: hevc (Main 10), yuv420p10le(tv, bt2020nc/bt2020/{}, progressive), 160x120"
    assert chosen(told.format("smpte2084")).hdr == "pq"
    assert chosen(told.format("arib-std-b67")).hdr == "hlg"
    assert chosen(told.format("bt2020-10")).hdr is None
    assert chosen(H264).hdr is None


TRACKS = (H264, f"eng|{AAC}", f"ger|{AAC} (default)", f"zho|{AAC}")


@pytest.mark.parametrize(
    ("asked", "index"),
    [(1, 1), (3, 3), ("eng", 1), ("en", 1), ("de", 2), ("deu", 2), ("ger", 2), ("zh-CN", 3)],
)
def test_a_track_that_is_asked_for(asked: Track, index: int) -> None:
    selection = chosen(*TRACKS, audio_track=asked)
    assert pair(selection) == (0, index)
    assert not selection.notes


@pytest.mark.parametrize("asked", [0, 4, "fra", "x"])
def test_a_track_that_is_not_there(asked: Track) -> None:
    with pytest.raises(RequestError, match=r"1: eng, aac, 2 ch.*; 2: ger, .*3: zho") as error:
        chosen(*TRACKS, audio_track=asked)
    assert error.value.field == "audio_track"
    with pytest.raises(RequestError, match="no video track; leave video_track out"):
        chosen(AAC, video_track=1)


def test_what_there_is_and_what_was_taken() -> None:
    selection = chosen(*TRACKS)
    note = selection.notes["audio"]
    assert "3 sound tracks; number 2 was taken (ger, aac, 2 channels, default)" in note
    assert "audio_track" in note
    assert described(selection.info) == [
        "audio_track 1: eng, aac, 2 channels",
        "audio_track 2: ger, aac, 2 channels, default",
        "audio_track 3: zho, aac, 2 channels",
    ]
    assert not chosen(H264, AAC).notes
    assert described(chosen(H264, AAC).info) == []


def test_no_tag_passes_for_a_stream() -> None:
    """Tags are a stranger's text, whatever they are called and however deep they stand."""
    selection = chosen(
        f"{H264} (default)", " Stream #0:7(eng): Video: h264, yuv420p, 640x480 (default)",
        " Stream group #0:1: Tile Grid: av1, yuv420p, 9000x9000 (default)",
    )  # fmt: skip
    assert [stream.index for stream in selection.info.streams] == [0]


def test_streams_of_a_group_are_indented() -> None:
    text = header() + (
        "  Stream group #0:0[0x3]: Track Reference:\n"
        f"    Stream #0:0[0x1]: {H264} (default)\n"
        "      Metadata:\n"
        "        title           : Stream #0:9: Video: h264, yuv420p, 1x1\n"
        "    Stream #0:2[0x3](eng): Data: none (tmcd / 0x64636D74), 0 kb/s\n"
        f"  Stream #0:1[0x2]: {AAC} (default)\n"
    )
    info = parse_header(text)
    assert [(s.index, s.kind) for s in info.streams] == [(0, "video"), (2, "data"), (1, "audio")]
    assert isinstance(info.streams[0], Stream)
    assert info.streams[0].title == "Stream #0:9: Video: h264, yuv420p, 1x1"


def test_languages() -> None:
    assert same_language("EN", "eng")
    assert same_language("fre", "fra")
    assert not same_language("en", None)
    assert not same_language("", "")
    assert not same_language("e", "eng")
