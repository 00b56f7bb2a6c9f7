"""32vid files of the reference: read by an independent decoder and written again, byte for byte."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gmapi.computercraft.formats.vid32 import Vid32Writer
from gmapi.computercraft.formats.writer import Film, Tally, TextEvent
from gmapi.computercraft.kernels import Kernels
from gmapi.computercraft.monitor import Wall
from gmapi.computercraft.options import Compression
from gmapi.computercraft.screen import Screen
from support.screens import vid32_decoder as decoder
from support.screens.kernel_choices import KERNELS, NUMPY

GOLDENS = Path(__file__).parents[1] / "goldens" / "sanjuuni" / "out"
NAMES = sorted(path.name for path in GOLDENS.glob("*.32v"))
EMPTY_DEFLATE = bytes.fromhex("0300")
FLAGS_AT = 10


def read(name: str) -> tuple[bytes, decoder.File]:
    data = (GOLDENS / name).read_bytes()
    return data, decoder.parse(data)


def is_video(chunk: decoder.Chunk) -> bool:
    return chunk.kind == decoder.VIDEO or chunk.kind in decoder.MONITORS


def true_screen(picture: decoder.Picture, compression: Compression) -> Screen:
    """What was coded. The ANS coder starts with the first cell's colours exchanged; the other one
    with zeros, which say nothing of them."""
    colors = picture.colors.copy()
    if colors.size and compression is Compression.ANS:
        shown = int(colors[0, 0])
        colors[0, 0] = (shown & 15) << 4 | shown >> 4
    return Screen(picture.codes, colors, picture.palette)


def film_of(file: decoder.File) -> Film:
    """The wall is as large as its chunks say."""
    wall = None
    if file.wall:
        places = [divmod(chunk.kind - 64, 8) for chunk in file.chunks if is_video(chunk)]
        columns, rows = (1 + max(numbers) for numbers in zip(*places, strict=True))
        wall = Wall(columns, rows, 0.5)
    return Film(file.columns, file.rows, file.fps, wall=wall)


def written(writer: Vid32Writer, file: decoder.File, screens: list[Screen]) -> bytes:
    """The file with other pictures."""
    waiting = iter(screens)
    at_once = writer.chunks_per_frame
    pieces, frames, passed = [], 0, 0
    for chunk in file.chunks:
        if is_video(chunk):
            passed += 1
            if passed % at_once == 0:
                frames += 1
                pieces.append(writer.frame([next(waiting) for _ in range(at_once)], 0.1))
        elif chunk.kind == decoder.AUDIO:
            pieces.append(writer.sound(chunk.data))
        else:
            (event,) = decoder.events(chunk.data)
            fields = (event.start, event.length, event.x, event.y, event.colors, event.text)
            pieces.append(writer.text(TextEvent(*fields)))
    tally = Tally(frames, len(file.chunks), sum(map(len, pieces)))
    ending = writer.finish(tally)
    data = bytearray(writer.header() + b"".join(pieces) + ending.trailer)
    for offset, patch in ending.patches:
        data[offset : offset + len(patch)] = patch
    return bytes(data)


def has_wrong_monitor_counts(golden: decoder.File) -> bool:
    """The reference counts one column or row too many when the picture is a multiple of a part."""
    wall = film_of(golden).wall
    return wall is not None and golden.wall != (wall.columns, wall.rows)


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("name", [name for name in NAMES if ".v3def." not in name])
def test_a_file_is_read_and_written_again(name: str, kernels: Kernels) -> None:
    data, file = read(name)
    pictures = file.pictures()
    assert pictures
    stream = file.streams[0]
    assert (stream.size, stream.count) == (len(stream.data), len(file.chunks))
    writer = Vid32Writer(
        film_of(file),
        kernels=kernels,
        compression=file.compression,
        dfpwm=file.dfpwm,
        first_cell_fault=True,
    )
    screens = [true_screen(picture, file.compression) for picture in pictures]
    again = written(writer, file, screens)
    if has_wrong_monitor_counts(file):
        flags = again[FLAGS_AT : FLAGS_AT + 2]
        data = data[:FLAGS_AT] + flags + data[FLAGS_AT + 2 :]
    assert again == data


PAIRS = [
    (plain, coded)
    for plain in NAMES
    for coded in (plain.replace(".v3non.", ".v3ans."), plain.replace(".v3non.", ".v3cus."))
    if coded != plain and coded in NAMES
]
"""Files of the same pictures, the first one stored plainly."""


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize(("plain", "coded"), PAIRS)
def test_pictures_stored_plainly_give_the_coded_ones(
    plain: str, coded: str, kernels: Kernels
) -> None:
    """The first cell's fault too, since here that cell is known."""
    pictures = read(plain)[1].pictures()
    data, file = read(coded)
    writer = Vid32Writer(
        film_of(file),
        kernels=kernels,
        compression=file.compression,
        dfpwm=file.dfpwm,
        first_cell_fault=True,
    )
    screens = [true_screen(picture, Compression.NONE) for picture in pictures]
    assert written(writer, file, screens) == data


@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("name", [name for name in NAMES if ".v3def." in name])
def test_deflated_pictures_are_not_empty_as_the_references(name: str, kernels: Kernels) -> None:
    _, broken = read(name)
    assert {chunk.data for chunk in broken.chunks if is_video(chunk)} == {EMPTY_DEFLATE}

    _, plain = read(name.replace(".v3def.", ".v3non."))
    pictures = plain.pictures()
    writer = Vid32Writer(
        film_of(broken),
        kernels=kernels,
        compression=Compression.DEFLATE,
        dfpwm=False,
        first_cell_fault=True,
    )
    screens = [true_screen(picture, Compression.NONE) for picture in pictures]
    ours = decoder.parse(written(writer, broken, screens))
    assert replace(ours, streams=()) == replace(broken, streams=())
    assert [chunk.kind for chunk in ours.chunks] == [chunk.kind for chunk in broken.chunks]
    for picture, screen in zip(ours.pictures(), screens, strict=True):
        assert picture.shows(screen)


def test_the_fault_is_off_by_default() -> None:
    """Pictures of the reference's ANS files differ from the plainly stored ones in cell 0."""
    _, plain = read("testsrc2_160x120_10fps.pt.v3non.32v")
    _, coded = read("testsrc2_160x120_10fps.pt.v3ans.32v")
    for stored, shown in zip(plain.pictures(), coded.pictures(), strict=True):
        different = np.argwhere(stored.colors != shown.colors).tolist()
        assert different in ([], [[0, 0]])
    writer = Vid32Writer(film_of(coded), kernels=NUMPY, compression=Compression.ANS, dfpwm=False)
    screens = [true_screen(picture, Compression.NONE) for picture in plain.pictures()]
    ours = decoder.parse(written(writer, coded, screens))
    for picture, screen in zip(ours.pictures(), screens, strict=True):
        assert picture.shows(screen)
