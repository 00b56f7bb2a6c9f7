"""Faults of the reference around its pictures that the product does not have (formats document,
section 9): sizes, numbers, standard output, flags, titles and subtitles."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gmapi.computercraft.screen import Screen
from gmapi.errors import RefusedError
from support.game.cc_emulator import Computer
from support.http.origin import Origin
from support.http.raw_http import game_call
from support.product.server import GmapiServer
from support.screens import decoders, vid32_decoder
from support.screens.reference_runs import CASES, CLIP, GRADIENT, INPUTS, golden_file
from support.screens.studio import Made, Studio
from support.screens.vid32_decoder import AUDIO, TEXT, VIDEO, File, Picture

Media = Callable[[str], Path]

TINY = [
    (INPUTS / "one_1x1.png", [], (1, 1)),
    (INPUTS / "tall_37x101.png", ["-W1"], (1, 2)),
    (GRADIENT, ["-W2"], (2, 1)),
    (GRADIENT, ["-W2 -H2"], (2, 2)),
    (GRADIENT, ["-W1 -H40"], (1, 40)),
    (GRADIENT, ["-W40 -H2"], (40, 2)),
    (GRADIENT, ["-W2 -H3"], (2, 3)),
]
KINDS = [("32vid", coding, "exact") for coding in ("none", "ans", "deflate", "custom")]
KINDS += [(kind, None, "exact") for kind in ("lua", "nfp", "raw", "bimg")]
KINDS += [("32vid", "ans", "best"), ("nfp", None, "best")]


@pytest.mark.parametrize(("kind", "coding", "quality"), KINDS)
def test_tiny_pictures_do_not_crash(
    studio: Studio, kind: str, coding: str | None, quality: str
) -> None:
    for source, args, (width, height) in TINY:
        fields = {"output_format": kind, "quality": quality, "args": args}
        made = studio.convert(source, **fields, **({"compression": coding} if coding else {}))
        result = made.result
        assert (result.width, result.height) == (width, height)
        assert (result.columns, result.rows) == (width // 2, height // 3)
        assert result.frames == 1
        shows_nothing = any("The output is empty" in line for line in made.notes.lines)
        is_empty = kind != "nfp" and 0 in (result.columns, result.rows)  # nfp has pixels
        assert shows_nothing == is_empty
        assert drawn_size(kind, made.data) in ((result.columns, result.rows), None)


def test_a_side_that_would_be_nothing_is_an_error_with_a_remedy(
    server: GmapiServer, origin: Origin
) -> None:
    """80 x 60 pixels at a width of 1 are less than a pixel high."""
    values = {
        "input_url": origin.add("/gradient.png", GRADIENT.read_bytes()),
        "args": ["-W1"],
        "output_format": "bimg",
    }
    reply = game_call(server.port, "POST", "/api/sanjuuni", values)
    answer = reply.json()
    assert (reply.status, answer["status"]) == (200, "error")
    assert "give height too" in answer["error"]


def drawn_size(kind: str, data: bytes) -> tuple[int, int] | None:
    """Columns and rows of the only picture of a file; None where the game tells only by drawing."""
    if kind == "32vid":
        (picture,) = vid32_decoder.parse(data).pictures()
        return picture.codes.shape[1], picture.codes.shape[0]
    if kind == "raw":
        (screen,) = decoders.raw(data)[1]
        return screen.columns, screen.rows
    if kind == "lua":
        computer = Computer(instant=True)
        computer.type_line()
        computer.run(data)
        return None
    if kind == "bimg":
        (screen,) = decoders.bimg(data).screens
        # A table of no rows does not say how long they are.
        return (screen.columns, screen.rows) if screen.rows else None
    if not data.strip():
        return None
    plane = decoders.nfp(data)
    return plane.shape[1] // 2, plane.shape[0] // 3


BAD_NUMBERS = {
    "-W0": "width", "-W -1": "width", "-W abc": "width", "-W 20.7": "width", "-W20abc": "width",
    "-W65536": "width", "-H 0": "height", "--height=": "height", "-W": "width",
    "-W -H 20": "width", "-M0x0": "monitor", "-M1x1@0.3": "scale", "-M9": "monitor",
    "-cfoo": "compression", "-P zzz": "palette", "-P" + "000000," * 16 + "ffffff": "palette",
}  # fmt: skip


def test_bad_numbers_are_bad_requests(server: GmapiServer) -> None:
    for words, name in BAD_NUMBERS.items():
        values = {
            "input_url": "http://127.0.0.1:1/none.png",
            "args": [words],
            "output_format": "32vid",
        }
        for path in ("/api/sanjuuni", "/api/sanjuuni/async"):
            reply = game_call(server.port, "POST", path, values)
            assert reply.status == 400, words
            assert name in reply.json()["error"], words
            assert name in reply.reason, words


@pytest.mark.parametrize(
    "values",
    [{"width": 0}, {"height": 65536}, {"width": "wide"}, {"fps": 0}, {"colors": ["x1"]},
     {"monitor": "0x0"}],
)  # fmt: skip
def test_bad_numbers_in_fields_are_bad_requests(
    server: GmapiServer, values: dict[str, Any]
) -> None:
    asked = {"input_url": "http://127.0.0.1:1/none.png", "output_format": "bimg", **values}
    reply = game_call(server.port, "POST", "/api/sanjuuni", asked)
    assert reply.status == 400
    assert next(iter(values)) in reply.json()["error"]


# -- the program around ---------------------------------------------------------------------------


def to_stdout(kind: str, *arguments: str) -> bytes:
    """What `gmapi convert` writes to standard output."""
    command = [sys.executable, "-m", "gmapi", "convert", str(CLIP), "-f", kind, "-o", "-"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GMAPI_")}
    done = subprocess.run(
        [*command, *arguments], env=environment, capture_output=True, check=True, timeout=60
    )
    return done.stdout


def test_standard_output_gets_whole_files() -> None:
    flags = "--args=-p -t -W32 -H24"
    file = vid32_decoder.parse(to_stdout("32vid", flags))
    pictures = file.pictures()
    assert len(pictures) == 16
    assert (file.streams[0].size, file.streams[0].count) == (
        len(file.streams[0].data),
        len(file.chunks),
    )
    bimg = decoders.bimg(to_stdout("bimg", flags))
    assert {"animation", "secondsPerFrame", "creator"} <= set(bimg.fields)
    assert all(map(Picture.shows, pictures, bimg.screens))
    assert len(bimg.screens) == 16

    computer = Computer(instant=True)
    shown: list[Screen] = []
    computer.on_wait = lambda: shown.append(computer.terminal.screen)
    computer.run(to_stdout("lua", flags))
    assert len(shown) == 16
    for seen, screen in zip(shown, bimg.screens, strict=True):
        assert np.array_equal(seen.characters[:8, :16], screen.characters)
    # The end of the program is there: it has cleaned up.
    assert set(computer.terminal.screen.colors.flat) == {0xF0}


def test_the_two_meanings_of_s_are_told_apart(studio: Studio, screen_media: Media) -> None:
    clip = screen_media("sounding.mkv")
    for words in (["-S"], ["-S -p"], ["-p", "-S", "-t"], ["--separate-streams"]):
        file = vid32_decoder.parse(studio.convert(clip, output_format="32vid", args=words).data)
        assert [stream.kind for stream in file.streams] == [VIDEO, AUDIO]
    for words in (["-S subs.ass"], ["-S", "subs.ass"], ["-Ssubs.ass"], ["--subtitle=subs.ass"]):
        with pytest.raises(RefusedError, match="subtitle"):
            studio.convert(clip, output_format="32vid", args=words)


def test_bimg_tells_its_true_maker_and_a_title_with_a_quotation_mark(
    studio: Studio, tmp_path: Path
) -> None:
    source = tmp_path / "it's \\ here"
    source.write_bytes(GRADIENT.read_bytes())
    made = studio.convert(
        source, output_format="bimg", input_url="http://127.0.0.1/it's%20%5C%20here"
    )
    fields = decoders.bimg(made.data).fields
    assert (fields["title"], fields["creator"]) == (b"it's \\ here", b"GMapiServer")


# -- subtitles ------------------------------------------------------------------------------------

SCRIPT = (INPUTS / "subs.ass").read_text("utf-8")
ORANGE, BLUE, BLACK = 1, 11, 15


def subtitled(studio: Studio, tmp_path: Path, script: str, **fields: Any) -> Made:
    path = tmp_path / "subtitles.ass"
    path.write_text(script, "utf-8")
    return studio.convert(CLIP, subtitle_file=path, quality="exact", args=["-p -m"], **fields)


def event_list(file: File) -> list[vid32_decoder.Event]:
    return [
        e for chunk in file.chunks if chunk.kind == TEXT for e in vid32_decoder.events(chunk.data)
    ]


@pytest.mark.parametrize("comma", [",", ", "])
def test_both_forms_of_the_format_line_are_read(studio: Studio, tmp_path: Path, comma: str) -> None:
    head = [line for line in SCRIPT.splitlines() if line.startswith("Format:")]
    script = SCRIPT
    for line in head:
        script = script.replace(line, line.replace(",", comma))
    made = subtitled(studio, tmp_path, script, output_format="32vid")
    texts = [event.text for event in event_list(vid32_decoder.parse(made.data))]
    assert texts == [b"Hello world", b"Line one", b"Line two"]


def events_of_both(studio: Studio, tmp_path: Path) -> tuple[File, File]:
    """The reference's file and the product's."""
    made = subtitled(studio, tmp_path, SCRIPT, output_format="32vid")
    return golden_file("testsrc2_160x120_10fps.p.v3ans.subs"), vid32_decoder.parse(made.data)


def test_subtitles_have_their_colours(studio: Studio, tmp_path: Path) -> None:
    # The first is yellow (in the reference light blue), the others are blue (orange).
    theirs, ours = (
        [event.colors for event in event_list(file)] for file in events_of_both(studio, tmp_path)
    )
    assert theirs == [0xF9, 0xF1, 0xF1]
    assert ours == [BLACK << 4 | ORANGE, BLACK << 4 | BLUE, BLACK << 4 | BLUE]


def test_subtitles_at_the_top_are_at_the_top(studio: Studio, tmp_path: Path) -> None:
    theirs, ours = (
        [(event.x, event.y) for event in event_list(file)]
        for file in events_of_both(studio, tmp_path)
    )
    assert theirs == [(34, 36), (3, 19), (3, 20)]
    assert ours == [(34, 36), (3, 2), (3, 3)]


def test_subtitles_in_the_middle_are_in_the_middle(studio: Studio, tmp_path: Path) -> None:
    script = SCRIPT.replace("&H00FF8000,7,", "&H00FF8000,5,")
    assert script != SCRIPT
    made = subtitled(studio, tmp_path, script, output_format="32vid")
    (*_, one, two) = event_list(vid32_decoder.parse(made.data))
    assert (one.y, two.y) == (19, 20)
    assert one.x == two.x == (80 - 8) // 2


def test_subtitles_are_in_time(studio: Studio, tmp_path: Path) -> None:
    """From 0.2 s to 0.9 s and from 0.5 s to 1.2 s at ten pictures a second."""

    def pictures_before(file: File) -> list[int]:
        kinds = [chunk.kind for chunk in file.chunks]
        return [kinds[:at].count(VIDEO) for at, kind in enumerate(kinds) if kind == TEXT]

    theirs, ours = events_of_both(studio, tmp_path)
    # The text of picture 2, counted from 0, comes after that picture, not before it.
    assert pictures_before(theirs) == [2, 5, 5]
    assert pictures_before(ours) == [3, 6, 6]
    assert [(e.start, e.start + e.length) for e in event_list(ours)] == [(2, 9), (5, 12), (5, 12)]

    made = subtitled(studio, tmp_path, SCRIPT, output_format="bimg", width=160, height=120)
    bimg = decoders.bimg(made.data).screens
    _, golden = decoders.raw(CASES["testsrc2_160x120_10fps.p.raw.subs"].read())
    assert shows_text(bimg, 36, b"Hello world") == list(range(2, 9))
    assert shows_text(golden, 36, b"Hello world") == list(range(1, 8))


def shows_text(screens: Sequence[Screen], row: int, text: bytes) -> list[int]:
    """Numbers of the pictures with a text in a row."""
    return [n for n, screen in enumerate(screens) if text in bytes(screen.characters[row])]
