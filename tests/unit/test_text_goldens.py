"""Files of the reference: read by independent decoders and written again, byte for byte."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from gmapi import __version__
from gmapi.computercraft.formats import blit, nfp
from gmapi.computercraft.formats.bimg import BimgWriter
from gmapi.computercraft.formats.lua import LuaWriter
from gmapi.computercraft.formats.nfp import NfpWriter
from gmapi.computercraft.formats.raw import RawWriter
from gmapi.computercraft.formats.writer import Film, Tally, Writer
from gmapi.computercraft.monitor import Wall
from gmapi.computercraft.screen import Screen
from support.screens import decoders

GOLDENS = Path(__file__).parents[1] / "goldens" / "sanjuuni" / "out"
DATE = re.compile(rb"(date ?= ?)'([^']*)'")


def names(extension: str) -> list[str]:
    found = sorted(path.name for path in GOLDENS.glob(f"*.{extension}"))
    assert found, "the goldens are missing"
    return found


def written(writer: Writer, pictures: list[list[Screen]], seconds: float) -> bytes:
    chunks = [writer.frame(screens, seconds) for screens in pictures]
    tally = Tally(len(pictures), len(chunks), sum(map(len, chunks)))
    ending = writer.finish(tally)
    assert ending.patches == ()
    return writer.header() + b"".join(chunks) + ending.trailer


def film_of(screens: list[Screen], **fields: object) -> Film:
    plain: dict[str, object] = {"columns": screens[0].columns, "rows": screens[0].rows, "fps": 25.0}
    return Film(**(plain | fields))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", names("bimg"))
def test_bimg(name: str) -> None:
    golden = (GOLDENS / name).read_bytes()
    binary = ".bimgB." in name
    read = decoders.bimg(golden)
    fields = read.fields
    assert set(read.durations) == {None}
    parts, wall = 1, None
    if "multiMonitor" in fields:
        parts, wall = len(read.screens), wall_of(fields["multiMonitor"], len(read.screens))
    film = film_of(
        read.screens, fps=1 / fields["secondsPerFrame"], title=fields["title"].decode(), wall=wall
    )
    date = DATE.search(golden)
    assert date is not None
    now = datetime.strptime(date[2].decode(), "%Y-%m-%dT%H:%M:%S%z")
    writer = BimgWriter(film, binary=binary, now=now)
    pictures = [read.screens[at : at + parts] for at in range(0, len(read.screens), parts)]
    own = golden.replace(b"'sanjuuni'", b"'GMapiServer'")
    own = own.replace(b"'1.0.0'", b"'%b'" % __version__.encode())
    if wall is not None and wall.columns != fields["multiMonitor"]["width"]:
        own = own.replace(
            b"{width=4,height=4,", b"{width=%d,height=%d," % (wall.columns, wall.rows)
        )
    assert written(writer, pictures, fields["secondsPerFrame"]) == own
    assert fields["animation"] == (len(pictures) > 1)


def wall_of(field: dict[str, float], parts: int) -> Wall:
    """The wall; where the reference miscounts, with the true size (formats document, 5.6)."""
    columns, rows = int(field["width"]), int(field["height"])
    if columns * rows != parts:
        columns = rows = round(parts**0.5)
    assert columns * rows == parts
    return Wall(columns, rows, field["scale"])


@pytest.mark.parametrize("name", names("raw"))
def test_raw(name: str) -> None:
    golden = (GOLDENS / name).read_bytes()
    fps, screens = decoders.raw(golden)
    film = film_of(screens, fps=float(fps) or 25.0, still=fps == b"0")
    assert written(RawWriter(film), [[screen] for screen in screens], 1.0) == golden


@pytest.mark.parametrize("name", names("lua"))
def test_lua(name: str) -> None:
    golden = (GOLDENS / name).read_bytes()
    screens = decoders.lua_tables(golden)
    tables = [blit.spread(screen) for screen in screens]
    assert b"".join(b"return %b\n" % table for table in tables) == golden
    script = written(LuaWriter(film_of(screens)), [[screen] for screen in screens], 0.04)
    for table in tables:
        assert table in script


@pytest.mark.parametrize("name", names("nfp"))
def test_nfp_from_pixels(name: str) -> None:
    golden = (GOLDENS / name).read_bytes()
    assert nfp.lines(decoders.nfp(golden)) == golden


@pytest.mark.parametrize(
    ("cells", "name", "blocks_only"),
    [
        ("example_8x6.pt.raw.raw", "example_8x6.pt.nfp.nfp", False),
        ("cc16_32x24.pt.raw.raw", "cc16_32x24.pt.nfp.nfp", False),
        ("text_120x45.t.raw.raw", "text_120x45.t.nfp.nfp", False),
        ("gradient_80x60.def.raw.fmt.raw", "gradient_80x60.def.nfp.fmt.nfp", False),
        ("gradient_80x60.def.raw.N.raw", "gradient_80x60.def.nfp.N.nfp", True),
        ("testsrc2_160x120_10fps.pt.raw.raw", "testsrc2_160x120_10fps.pt.nfp.nfp", False),
    ],
)
def test_nfp_from_cells(cells: str, name: str, blocks_only: bool) -> None:
    _, screens = decoders.raw((GOLDENS / cells).read_bytes())
    writer = NfpWriter(film_of(screens), blocks_only=blocks_only)
    golden = (GOLDENS / name).read_bytes()
    assert written(writer, [[screen] for screen in screens], 1.0) == golden


@pytest.mark.parametrize(
    "files",
    [
        ["example_8x6.pt.raw.raw", "example_8x6.pt.bimg.bimg", "example_8x6.pt.bimgB.bimg",
         "example_8x6.pt.lua.lua"],
        ["gradient_80x60.def.raw.N.raw", "gradient_80x60.def.bimg.N.bimg",
         "gradient_80x60.def.bimgB.N.bimg", "gradient_80x60.def.lua.N.lua"],
        ["anim_48x36.pt.raw.raw", "anim_48x36.pt.bimg.bimg", "anim_48x36.pt.bimgB.bimg",
         "anim_48x36.pt.lua.lua"],
        ["testsrc2_160x120_10fps.p.raw.subs.raw", "testsrc2_160x120_10fps.p.bimg.subs.bimg"],
    ],
)  # fmt: skip
def test_the_decoders_agree_with_each_other(files: list[str]) -> None:
    first, *others = (decoded(name) for name in files)
    for other in others:
        assert len(other) == len(first)
        for one, two in zip(first, other, strict=True):
            assert np.array_equal(one.characters, two.characters)
            assert np.array_equal(one.colors, two.colors)
            assert np.array_equal(one.palette[: len(two.palette)], two.palette)


def decoded(name: str) -> list[Screen]:
    data = (GOLDENS / name).read_bytes()
    if name.endswith(".raw"):
        return decoders.raw(data)[1]
    if name.endswith(".bimg"):
        return decoders.bimg(data).screens
    return decoders.lua_tables(data)


def test_dates_are_universal_time() -> None:
    film = Film(columns=1, rows=1, fps=25.0)
    now = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
    trailer = BimgWriter(film, binary=True, now=now).finish(Tally(1, 1, 1)).trailer
    assert b"date='2030-01-02T03:04:05+0000'" in trailer
    assert b"date" not in BimgWriter(film, binary=True).finish(Tally(1, 1, 1)).trailer
