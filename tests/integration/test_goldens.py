"""Exact quality against 192 outputs of the reference program, byte by byte.

The product mends faults of the reference. Here they are switched on one by one, so that all else
can be compared; `test_reference_faults` shows what the product does instead.
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from gmapi.computercraft import monitor
from gmapi.computercraft.converter import ExactConverter
from gmapi.computercraft.formats import blit
from gmapi.computercraft.formats.vid32 import Vid32Writer
from gmapi.computercraft.formats.writer import Film, Tally
from gmapi.computercraft.kernels import Kernels
from gmapi.computercraft.options import Audio, Dither, Format, Options, PaletteSource, Quality
from gmapi.computercraft.screen import U8, Screen
from gmapi.computercraft.subtitles import SubtitleFaults, Subtitles
from gmapi.media import raw_pictures
from gmapi.media.binaries import Ffmpeg, inspect
from gmapi.media.raw_pictures import Look
from gmapi.media.shapes import PictureSize
from gmapi.media.sound import growing
from gmapi.sandbox.launcher import Launcher
from gmapi.tools.screens.chunks import make_writer
from support.media.selected import selected
from support.screens.golden_cases import FOLDER, GOLDENS, Golden, reference_ffmpeg
from support.screens.kernel_choices import NATIVE, NUMPY, needs_native

PROGRESS_FD = 2
MAX_PIXELS = 1 << 24

LOST_PICTURES = {"static_64x48_5fps.mp4": 2, "mandel_128x96_15fps.mkv": 2}
"""The reference does not ask the decoder for its last pictures (formats document, 2.1)."""

RATES = {
    "testsrc2_160x120_10fps.mp4": 10.0,
    "static_64x48_5fps.mp4": 5.0,
    "mandel_128x96_15fps.mkv": 15.0,
    "mjpeg_96x72_12fps.avi": 12.0,
    "anim_48x36.gif": 8.0,
}
WITHOUT_RATE = (".png", ".jpg", ".gif", ".avi")
"""Of these the reference knows no rate at the first picture and writes 0 into raw files."""

WRONG_MONITORS = {"plasma_102x96.t.bimgB.M1x1trim", "plasma_102x96.t.v3non.M1x1exact"}
"""In these the reference counts its monitors wrong (5.6 and 5.7)."""
MONITOR_COUNTS = 0b1111_1100_0000

SIZES = re.compile(r"_(\d+)x(\d+)")


@pytest.fixture(scope="module")
def program() -> Iterator[Ffmpeg]:
    found = reference_ffmpeg()
    if found is None:
        pytest.skip("needs ffmpeg 5.1, whose scaler made the goldens")
    with Launcher() as launcher:
        yield inspect(launcher, found)


def options_of(case: Golden) -> Options:
    """The flags of a case as options."""
    flags = case.flags
    return Options(
        format=flags.format or Format.LUA,
        quality=Quality.EXACT,
        width=flags.width,
        height=flags.height,
        palette=flags.palette or PaletteSource.MEDIAN_CUT,
        colors=flags.colors or (),
        dither=flags.dither or Dither.DIFFUSION,
        lab=bool(flags.lab),
        blocks_only=bool(flags.blocks_only),
        binary=bool(flags.binary),
        compression=flags.compression or Options.compression,
        audio=flags.audio or Audio.PCM,
        split=flags.split,
    )


def source_size(path: Path) -> tuple[int, int]:
    match = SIZES.search(path.name)
    assert match is not None
    return int(match[1]), int(match[2])


@cache
def pictures(program: Ffmpeg, path: Path, width: int, height: int, folder: Path) -> U8:
    """All pictures that the reference converts, (n, height, width, 3) blue, green, red."""
    size = PictureSize(width, height, (width, height))
    unnamed = folder / path.stem
    shutil.copyfile(path, unnamed)
    chosen = selected(program.path, unnamed)
    argv = raw_pictures.decoded(
        program, chosen, Look(size, faithful=True), max_pixels=MAX_PIXELS, progress_fd=PROGRESS_FD
    )
    data = subprocess.run(argv, capture_output=True, check=True).stdout
    found = np.frombuffer(data, np.uint8).reshape(-1, height, width, 3)
    return found[: len(found) - LOST_PICTURES.get(path.name, 0)]


@cache
def sound(program: Ffmpeg, path: Path, dfpwm: bool, folder: Path) -> list[bytes]:
    """The whole pieces of half a second; the reference drops the rest."""
    output = folder / f"{path.name}.{dfpwm}"
    argv = growing(
        program,
        selected(program.path, path),
        output,
        dfpwm=dfpwm,
        max_pixels=MAX_PIXELS,
        progress_fd=PROGRESS_FD,
    )
    subprocess.run(argv, capture_output=True, check=True)
    data, size = output.read_bytes(), 3000 if dfpwm else 24_000
    return [data[at : at + size] for at in range(0, len(data) - size + 1, size)]


def made(
    program: Ffmpeg, kernels: Kernels, case: Golden, options: Options, folder: Path
) -> tuple[Film, list[list[Screen]]]:
    """The film of a case and the screens of each of its pictures."""
    width, height = monitor.fitted(options.width, options.height, *source_size(case.input))
    found = pictures(program, case.input, width, height, folder)
    layout = monitor.layout(width, height, options.split)
    converter = ExactConverter(options, kernels, layout.tiles, lab_wraps=True, lab_takes_rgb=True)
    rate = RATES.get(case.input.name, 25.0)
    film = Film(
        width // 2,
        height // 3,
        rate,
        frames=len(found),
        still=case.input.suffix in WITHOUT_RATE,
        title=f"in/{case.input.name}",
        wall=layout.wall,
    )
    screens = [converter.convert(picture) for picture in found]
    if case.subtitles and options.format is not Format.VID32:
        subtitles = faulty_subtitles(rate, width, height)
        screens = [[subtitles.burn(one, n)] for n, (one,) in enumerate(screens)]
    return film, screens


def faulty_subtitles(rate: float, width: int, height: int) -> Subtitles:
    text = (FOLDER / "in" / "subs.ass").read_text()
    return Subtitles.from_text(text, rate, width, height, SubtitleFaults(True, True, True))


def whole_file(
    film: Film, options: Options, kernels: Kernels, screens: list[list[Screen]]
) -> bytes:
    writer = make_writer(options, film, kernels, None)
    chunks = [writer.frame(each, 1 / film.fps) for each in screens]
    ending = writer.finish(Tally(len(chunks), len(chunks), sum(map(len, chunks))))
    return writer.header() + b"".join(chunks) + ending.trailer


def chunk_kinds(data: bytes) -> list[int]:
    """The types of the sub-chunks of a combined 32vid file, in order."""
    kinds, at = [], 21
    while at < len(data):
        size, kind = struct.unpack_from("<IB", data, at)
        kinds.append(kind)
        at += 5 + size + (4 if kind >= 64 else 0)
    return kinds


def vid32(program: Ffmpeg, kernels: Kernels, case: Golden, options: Options, folder: Path) -> bytes:
    """The file of a case with sound and subtitles at the places where the golden has them."""
    film, screens = made(program, kernels, case, options, folder)
    expected = case.read()
    writer = Vid32Writer(
        film,
        kernels=kernels,
        compression=options.compression,
        dfpwm=options.audio is Audio.DFPWM,
        first_cell_fault=True,
    )
    pieces = iter(())
    kinds = chunk_kinds(expected)
    if 1 in kinds:
        pieces = iter(sound(program, case.input, options.audio is Audio.DFPWM, folder))
    chunks, events, number = [], [], 0
    for kind in kinds:
        if kind == 1:
            chunks.append(writer.sound(next(pieces)))
        elif kind == 8:
            chunks.append(writer.text(events.pop(0)))
        elif kind in (0, 64):
            chunks.append(writer.frame(screens[number], 1 / film.fps))
            if case.subtitles:
                subtitles = faulty_subtitles(film.fps, *source_size(case.input))
                events += subtitles.events(number, screens[number][0].palette)
            number += 1
    assert number == len(screens)
    assert next(pieces, None) is None
    assert not events
    count = len(kinds)
    ending = writer.finish(Tally(number, count, sum(map(len, chunks))))
    data = bytearray(writer.header() + b"".join(chunks) + ending.trailer)
    for offset, patch in ending.patches:
        data[offset : offset + len(patch)] = patch
    return bytes(data)


def without_monitor_counts(data: bytes) -> bytes:
    flags = struct.unpack_from("<H", data, 10)[0] & ~MONITOR_COUNTS
    return data[:10] + struct.pack("<H", flags) + data[12:]


def neutral(data: bytes) -> bytes:
    """A bimg file without the fields that name its maker and its date."""
    return re.sub(rb"(creator|version|date|title) ?= ?'(?:[^'\\]|\\.)*'", rb"\1", data)


def needs_median_cut(case: Golden) -> bool:
    """Whether the order in which equal pixels are sorted matters, which NumPy does not imitate."""
    options = options_of(case)
    full = bool(options.colors) and None not in options.colors
    return not full and options.palette in (PaletteSource.MEDIAN_CUT, PaletteSource.KMEANS)


@pytest.mark.parametrize("case", GOLDENS, ids=lambda case: case.name)
@needs_native
def test_golden(case: Golden, program: Ffmpeg, tmp_path_factory: pytest.TempPathFactory) -> None:
    assert NATIVE is not None
    compare(case, program, NATIVE, tmp_path_factory.getbasetemp())


WITHOUT_MEDIAN_CUT = [case for case in GOLDENS if not needs_median_cut(case)]


@pytest.mark.parametrize("case", WITHOUT_MEDIAN_CUT, ids=lambda case: case.name)
def test_golden_with_numpy(
    case: Golden, program: Ffmpeg, tmp_path_factory: pytest.TempPathFactory
) -> None:
    compare(case, program, NUMPY, tmp_path_factory.getbasetemp())


def compare(case: Golden, program: Ffmpeg, kernels: Kernels, folder: Path) -> None:
    """A case with faults and all, made by us and by the reference."""
    options = options_of(case)
    if options.format is Format.VID32:
        data = vid32(program, kernels, case, options, folder)
        expected = case.read()
        if case.name in WRONG_MONITORS:
            assert data[10:12] != expected[10:12]
            data, expected = (without_monitor_counts(file) for file in (data, expected))
        if not case.fault:
            assert data == expected
        else:
            # The payloads are empty in the reference; headers and order are the same.
            assert chunk_kinds(data) == chunk_kinds(case.read())
            assert data[:12] == case.read()[:12]
            assert len(data) > len(case.read())
        return
    film, screens = made(program, kernels, case, options, folder)
    if options.format is Format.LUA:
        tables = b"".join(b"return " + blit.spread(one) + b"\n" for (one,) in screens)
        assert tables == case.read()
        return
    data = whole_file(film, options, kernels, screens)
    if options.format is Format.BIMG:
        data, expected = neutral(data), neutral(case.read())
        if case.name in WRONG_MONITORS:
            assert data != expected
            count = rb"multiMonitor=\{width=\d+,height=\d+,"
            data, expected = (re.sub(count, b"", file) for file in (data, expected))
        assert data == expected
    else:
        assert data == case.read()
