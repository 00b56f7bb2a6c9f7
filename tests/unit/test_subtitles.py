"""Subtitles: reading ASS, SSA, SRT and WebVTT, and what the reference draws of them."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

import numpy as np
import pytest

from gmapi.computercraft import ass
from gmapi.computercraft.ass import Across, Cue, Down, Script, Style, parse_ass
from gmapi.computercraft.captions import parse_captions
from gmapi.computercraft.formats.writer import TextEvent
from gmapi.computercraft.screen import Screen
from gmapi.computercraft.subtitles import TEXT_CHARACTERS_MAX, SubtitleFaults, Subtitles
from gmapi.errors import LimitError, SourceError
from support.screens.subtitle_scripts import BLACK, BLUE, ORANGE, PALETTE, drawn, script, sized

GOLDENS = Path(__file__).parent.parent / "goldens/sanjuuni"
FAULTS = SubtitleFaults(placement=True, colors=True, timing=True)


# -- equality with the reference ------------------------------------------------------------------


def subchunks(name: str) -> list[tuple[int, bytes]]:
    """Type and data of the parts of a combined 32vid stream."""
    data = (GOLDENS / "out" / name).read_bytes()
    size, count, kind = struct.unpack_from("<IIB", data, 12)
    assert (kind, len(data)) == (12, 21 + size)
    found, at = [], 21
    for _ in range(count):
        length, kind = struct.unpack_from("<IB", data, at)
        found.append((kind, data[at + 5 : at + 5 + length]))
        at += 5 + length
    assert at == len(data)
    return found


def unpacked(frame: bytes) -> Screen:
    """The screen of an uncompressed 32vid frame of 80 x 40 cells; characters are 0 to 31."""
    bits = np.unpackbits(np.frombuffer(frame, np.uint8, 2000)).reshape(-1, 5)
    codes = np.packbits(bits, axis=1)[:, 0] >> 3
    colors = np.frombuffer(frame, np.uint8, 3200, 2000)
    palette = np.frombuffer(frame, np.uint8, 48, 5200)
    return Screen(codes.reshape(40, 80), colors.reshape(40, 80), palette.reshape(16, 3))


def raw_screens(name: str) -> list[Screen]:
    """The screens of a raw-mode file."""
    found = []
    for line in (GOLDENS / "out" / name).read_bytes().splitlines()[2:]:
        data = base64.b64decode(line[8:-8])
        columns, rows = struct.unpack_from("<HH", data, 4)
        planes, at = [], 16
        for _ in range(2):
            plane = bytearray()
            while len(plane) < columns * rows:
                plane += data[at : at + 1] * data[at + 1]
                at += 2
            planes.append(np.frombuffer(bytes(plane), np.uint8).reshape(rows, columns))
        palette = np.frombuffer(data, np.uint8, 48, at).reshape(16, 3)
        found.append(Screen(planes[0], planes[1], palette))
    return found


def golden_subtitles() -> Subtitles:
    text = (GOLDENS / "in/subs.ass").read_text("utf-8")
    return Subtitles.from_text(text, 10.0, 160, 120, FAULTS)


def event_bytes(event: TextEvent) -> bytes:
    numbers = (event.start, event.length, event.x, event.y, event.colors, 0, len(event.text))
    return struct.pack("<IIHHBBH", *numbers) + event.text


@pytest.mark.parametrize("coding", ["v3ans", "v3non"])
def test_events_are_those_of_the_reference(coding: str) -> None:
    """Each is where the reference puts it: after the picture that it begins with."""
    subtitles = golden_subtitles()
    found: list[bytes] = []
    expected: list[bytes] = []
    frame = 0
    for kind, data in subchunks(f"testsrc2_160x120_10fps.p.{coding}.subs.32v"):
        if kind == 8:
            expected.append(data)
        else:
            assert found == expected
            found += map(event_bytes, subtitles.events(frame, PALETTE))
            frame += 1
    assert found == expected
    assert len(found) == 3


def test_burnt_screens_are_those_of_the_reference() -> None:
    """32vid leaves the text to the player, so that its pictures are those without."""
    subtitles = golden_subtitles()
    plain = [
        unpacked(data)
        for kind, data in subchunks("testsrc2_160x120_10fps.p.v3non.subs.32v")
        if kind == 0
    ]
    golden = raw_screens("testsrc2_160x120_10fps.p.raw.subs.raw")
    assert len(plain) == len(golden) == 16
    texts = 0
    for number, (before, wanted) in enumerate(zip(plain, golden, strict=True)):
        burnt = subtitles.burn(before, number)
        np.testing.assert_array_equal(burnt.colors, wanted.colors)
        np.testing.assert_array_equal(burnt.palette, wanted.palette)
        np.testing.assert_array_equal(burnt.characters & 31, wanted.characters & 31)
        changed = burnt.characters != before.characters
        np.testing.assert_array_equal(burnt.characters[changed], wanted.characters[changed])
        texts += bool(changed.any())
    assert texts == 10


# -- without the faults ---------------------------------------------------------------------------


def test_the_golden_script_as_it_is_meant() -> None:
    text = (GOLDENS / "in/subs.ass").read_text("utf-8")
    subtitles = Subtitles.from_text(text, 10.0, 160, 120)
    # &H0000FFFF is yellow, to which the palette's orange is nearer than its yellow.
    assert [subtitles.events(frame, PALETTE) for frame in (1, 2, 3, 4)] == [
        [],
        [TextEvent(2, 7, 34, 36, BLACK << 4 | ORANGE, b"Hello world")],
        [],
        [],
    ]
    first, second = subtitles.events(5, PALETTE)
    assert (first.x, first.y, first.text) == (3, 2, b"Line one")
    assert (second.x, second.y, second.text) == (3, 3, b"Line two")
    # &H00FF8000 is a clear blue.
    assert first.colors == BLACK << 4 | BLUE


@pytest.mark.parametrize(
    ("number", "x", "y"),
    [(1, 2, 9), (2, 18, 9), (3, 34, 9), (4, 2, 5), (5, 18, 5), (6, 34, 5),
     (7, 2, 2), (8, 18, 2), (9, 34, 2)],
)  # fmt: skip
def test_places_are_numbered_as_on_a_number_pad(number: int, x: int, y: int) -> None:
    style = f"Style: Here, {number}, 4, 4, 6\n"
    assert drawn(sized("0,0:00:00.00,0:00:01.00,Here,,0,0,0,,text", styles=style)) == {
        y: (x, "text")
    }
    tag = sized(f"0,0:00:00.00,0:00:01.00,Default,,0,0,0,,{{\\an{number}}}text")
    assert drawn(tag) == {y: (x, "text")}


@pytest.mark.parametrize(
    ("number", "place"),
    [
        (1, (Across.LEFT, Down.BOTTOM)), (2, (Across.CENTER, Down.BOTTOM)),
        (3, (Across.RIGHT, Down.BOTTOM)), (5, (Across.LEFT, Down.TOP)),
        (6, (Across.CENTER, Down.TOP)), (7, (Across.RIGHT, Down.TOP)),
        (9, (Across.LEFT, Down.MIDDLE)), (10, (Across.CENTER, Down.MIDDLE)),
        (11, (Across.RIGHT, Down.MIDDLE)), (0, (Across.CENTER, Down.BOTTOM)),
        (4, (Across.CENTER, Down.BOTTOM)), (12, (Across.CENTER, Down.BOTTOM)),
        (-3, (Across.CENTER, Down.BOTTOM)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("head", ["ScriptType: v4.00", "[V4 Styles]"])
def test_ssa_numbers_places_otherwise(head: str, number: int, place: tuple[Across, Down]) -> None:
    text = (
        f"[Script Info]\n{head}\nFormat: Name, PrimaryColour, Alignment\n"
        f"Style: Default, 65535, {number}\n"
        "Dialogue: Marked=0,0:00:00.00,0:00:01.00,Default,,0,0,0,,text\n"
    )
    (cue,) = parse_ass(text).cues
    assert (cue.style.across, cue.style.down) == place
    assert cue.style.color == (255, 255, 0)


@pytest.mark.parametrize(
    ("text", "color"),
    [
        ("&H0000FFFF", (255, 255, 0)), ("&H00FF8000", (0, 128, 255)), ("&HFF8000&", (0, 128, 255)),
        ("&h80112233", (51, 34, 17)), ("H102030", (48, 32, 16)), ("255", (255, 0, 0)),
        ("-1", (255, 255, 255)), ("", (255, 255, 255)), ("red", (255, 255, 255)),
    ],
)  # fmt: skip
def test_colours_are_blue_green_red(text: str, color: tuple[int, int, int]) -> None:
    styles = f"Format: Name, PrimaryColour\nStyle: Default, {text}\n"
    (cue,) = parse_ass(script("0,0:0:0,0:0:1,Default,,0,0,0,,x", styles=styles)).cues
    assert cue.style.color == color


def test_both_forms_of_the_field_list_are_read() -> None:
    close = "Format: Start,End,Style,Text\nDialogue: 0:00:01.50,0:00:02.05,Default,a, b,c"
    spaced = close.replace("Start,End,Style,Text", "Start, End, Style, Text")
    assert parse_ass(close) == parse_ass(spaced)
    (cue,) = parse_ass(close).cues
    assert (cue.start, cue.end, cue.lines) == (1500, 2050, ("a, b,c",))


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (r"one\Ntwo\nthree", ("one", "two", "three")),
        (r"a\hb", ("a b",)),
        (r"{\i1}one{\i0} two{comment}", ("one two",)),
        (r"a{b", ("a{b",)),
        (r"a}b", ("a}b",)),
        (r"{\p1}m 0 0 l 9 9{\p0}shown", ("shown",)),
        (r"{\pbo1\pos(1,2)}shown", ("shown",)),
    ],
)
def test_codes_are_left_out_of_the_text(text: str, lines: tuple[str, ...]) -> None:
    (cue,) = parse_ass(script(f"0,0:00:00.00,0:00:01.00,Default,,0,0,0,,{text}")).cues
    assert cue.lines == lines


def test_styles_and_margins() -> None:
    styles = (
        "Format: Name, Alignment, MarginL, MarginR, MarginV\n"
        "Style: Default, 1, 20, 21, 22\nStyle: Other, 3, 30, 31, 32\n"
    )
    text = script(
        "0,0:00:00.00,0:00:01.00,*Other,,0,0,0,,a",
        "0,0:00:00.00,0:00:01.00,Missing,,5,0,7,,b",
        "0,0:00:00.00,0:00:01.00,default,,-5,6,0,,c",
        styles=styles,
    )
    placed = [(cue.style.left, cue.style.right, cue.style.vertical) for cue in parse_ass(text).cues]
    assert placed == [(30, 31, 32), (5, 21, 7), (20, 6, 22)]
    (bare,) = parse_ass(script("0,0:00:00.00,0:00:01.00,Missing,,0,0,0,,a")).cues
    assert bare.style == Style()


@pytest.mark.parametrize(
    ("head", "size"),
    [("", (384, 288)), ("PlayResX: 640", (640, 480)), ("PlayResY: 480", (640, 480)),
     ("PlayResX: 0\nPlayResY: -1", (384, 288)), ("PlayResX: 1280\nPlayResY:720", (1280, 720))],
)  # fmt: skip
def test_the_size_of_the_picture_that_a_script_is_for(head: str, size: tuple[int, int]) -> None:
    found = parse_ass(script(head=head))
    assert (found.width, found.height) == size


def test_cues_are_sorted_and_those_without_time_dropped() -> None:
    text = script(
        "0,0:00:05.00,0:00:06.00,Default,,0,0,0,,late",
        "0,0:00:03.00,0:00:03.00,Default,,0,0,0,,never",
        "0,0:00:03.00,0:00:02.00,Default,,0,0,0,,back",
        "0,soon,0:00:02.00,Default,,0,0,0,,when",
        "0,0:00:01.00,0:00:02.00,Default,,0,0,0,,{only codes}",
        "0,0:00:01.00",
        "0,1:02:03.45,2:00:00.00,Default,,0,0,0,,hour",
        "0,0:00:01.00,0:00:02.00,Default,,0,0,0,,early",
    )
    cues = parse_ass(text).cues
    assert [cue.lines[0] for cue in cues] == ["early", "late", "hour"]
    assert cues[2].start == 3_723_450


SRT = """1
00:00:01,000 --> 00:00:02,500
<i>First</i> line <3
{\\an8}<font color="#fff">second</font>

2
00:01:00,5 --> 00:01:02,000 X1:10 X2:20
again
"""
VTT = """WEBVTT - a title
Language: en

NOTE 00:00 is the start

STYLE
::cue { color: red }

name
00:01.000 --> 00:02.500 align:start
<v Ann>First</v> <00:00:01.500><c.x>&lt;line&gt;</c> &amp;

00:01:00.500 --> 00:01:02.000
again
"""


def test_srt() -> None:
    for text in (SRT, SRT.replace("\n", "\r\n"), SRT.replace("\n", "\r")):
        found = parse_captions(text)
        assert found is not None
        first, second = found.cues
        assert first == Cue(
            1000, 2500, ("First line <3", "second"), Style(across=Across.CENTER, down=Down.TOP)
        )
        assert second == Cue(60_500, 62_000, ("again",), Style())


def test_srt_without_empty_lines_between_cues() -> None:
    text = "1\n0:0:1,0 --> 0:0:2,0\none\n2\n0:0:2,0 --> 0:0:3,0\n2\n3\n0:0:3,0 --> 0:0:4,0\nthree"
    found = parse_captions(text)
    assert found is not None
    assert [cue.lines for cue in found.cues] == [("one",), ("2",), ("three",)]


def test_webvtt() -> None:
    found = parse_captions(VTT)
    assert found is not None
    assert found.cues == (
        Cue(1000, 2500, ("First <line> &",), Style()),
        Cue(60_500, 62_000, ("again",), Style()),
    )
    assert parse_captions("WEBVTT\n") == Script(())


@pytest.mark.parametrize("text", ["", "hello\n\nworld", "<html>-->", "WEBVTTX", "\0\1\2"])
def test_other_texts_are_errors(text: str) -> None:
    with pytest.raises(SourceError, match="ASS, SSA, SRT or WebVTT") as caught:
        Subtitles.from_text(text, 10.0, 80, 36)
    assert caught.value.field == "subtitle_url"


def test_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(LimitError, match="2 MiB"):
        Subtitles.from_text("x" * (TEXT_CHARACTERS_MAX + 1), 10.0, 80, 36)
    monkeypatch.setattr(ass, "CUES_MAX", 1)
    with pytest.raises(LimitError, match="subtitle_url"):
        Subtitles.from_text("\ufeff" + SRT, 10.0, 80, 36)
    long = script("0,0:00:00.00,0:00:01.00,Default,,0,0,0,," + "{" * 100_000 + "x" * 100_000)
    (cue,) = parse_ass(long).cues
    assert len(cue.lines[0]) == ass.CUE_CHARACTERS_MAX
