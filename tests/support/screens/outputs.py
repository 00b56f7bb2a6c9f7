"""Any output of `sanjuuni`, read back by the decoders that share nothing with its writers."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gmapi.computercraft.screen import Screen
from support.media.files import ffmpeg_program
from support.screens import decoders, vid32_decoder
from support.screens.decoders import LuaReader, Malformed, screen_of
from support.screens.vid32_decoder import AUDIO, MONITORS, VIDEO, Picture

DOTS = 3
"""Of a preview for each pixel."""

_BEGIN = b"local ok, problem = pcall(function()\n"
_END = b"end)\neachScreen(restore)"
_WALL = re.compile(rb"^local COLUMNS, ROWS, SCALE = (\d+), (\d+), ", re.MULTILINE)
_SHOW = re.compile(rb"^show\(([0-9.e+-]+), function\(\)\n", re.MULTILINE)
_PAINT = re.compile(rb"^paint\((\d+), (\d+), ", re.MULTILINE)


@dataclass(frozen=True)
class Output:
    """What a file holds: the screens of all pictures one after another, or for a preview and NFP
    the size of one picture alone. `wall` is columns and rows of monitors, `sound` is None where
    a format has none, `seconds` are those of each picture where the format says them."""

    pictures: int
    screens: Sequence[Screen | Picture] = ()
    size: tuple[int, int] | None = None
    fps: float | None = None
    seconds: Sequence[float] = ()
    wall: tuple[int, int] | None = None
    sound: bytes | None = None
    has_index: bool = False
    texts: Sequence[bytes] = ()

    @property
    def cells(self) -> list[tuple[int, int]]:
        """Columns and rows of each screen."""
        return [
            (int(plane.shape[1]), int(plane.shape[0]))
            for plane in (screen.colors for screen in self.screens)
        ]


def read_output(data: bytes, kind: str, *, pictures: int, path: Path) -> Output:
    """Read a file of a kind as `output_format` names it, which must be right in every byte.

    `pictures` is how many NFP has, which does not tell it; `path` is where a file may be put for
    ffmpeg.
    """
    if kind == "32vid":
        return _vid32(data)
    if kind == "bimg":
        return _bimg(data)
    if kind == "lua":
        return _lua(data)
    if kind == "raw":
        fps, raw_screens = decoders.raw(data)
        return Output(len(raw_screens), raw_screens, fps=float(fps))
    if kind == "nfp":
        plane = decoders.nfp(data)
        if len(plane) % pictures:
            raise Malformed(f"{len(plane)} lines for {pictures} pictures")
        return Output(pictures, size=(int(plane.shape[1]), len(plane) // pictures))
    if kind == "png":
        indexes, _ = decoders.png(data)
        return Output(1, size=(int(indexes.shape[1]), int(indexes.shape[0])))
    return _gif(data, path)


def _vid32(data: bytes) -> Output:
    file = vid32_decoder.parse(data)
    if file.streams[0].kind == VIDEO:
        return _separate(file)
    chunks = file.chunks
    if len(chunks) != file.streams[0].count:
        raise Malformed(f"{len(chunks)} sub-chunks, and the header says {file.streams[0].count}")
    screens = file.pictures()
    monitors = file.wall[0] * file.wall[1] if file.wall else 1
    kinds = [chunk.kind for chunk in chunks if chunk.kind == VIDEO or chunk.kind in MONITORS]
    if file.wall:
        columns, rows = file.wall
        each = [64 + 8 * column + row for row in range(rows) for column in range(columns)]
        if kinds != each * (len(kinds) // monitors):
            raise Malformed("the monitors do not come in their order")
    has_sound = any(chunk.kind == AUDIO for chunk in chunks)
    texts = [
        event.text
        for chunk in chunks
        if chunk.kind == vid32_decoder.TEXT
        for event in vid32_decoder.events(chunk.data)
    ]
    return Output(
        len(screens) // monitors,
        screens,
        fps=file.fps,
        wall=file.wall,
        sound=file.sound() if has_sound else None,
        has_index=[stream.kind for stream in file.streams[1:]] == [vid32_decoder.INDEX],
        texts=texts,
    )


def _separate(file: vid32_decoder.File) -> Output:
    first, *others = file.streams
    screens = vid32_decoder.row_of_pictures(first.data, file.columns, file.rows, file.compression)
    if len(screens) != first.count:
        raise Malformed(f"{len(screens)} pictures, and the header says {first.count}")
    streams = {stream.kind: stream.data for stream in others}
    events = vid32_decoder.events(streams.get(vid32_decoder.TEXT, b""))
    return Output(
        len(screens),
        screens,
        fps=file.fps,
        sound=streams.get(AUDIO),
        texts=[event.text for event in events],
    )


def _bimg(data: bytes) -> Output:
    file = decoders.bimg(data)
    wall, monitors = None, 1
    if split := file.fields.get("multiMonitor"):
        wall = int(split["width"]), int(split["height"])
        monitors = wall[0] * wall[1]
    usual = file.fields["secondsPerFrame"]
    pictures = len(file.screens) // monitors
    if file.fields["animation"] is not (pictures > 1):
        raise Malformed("the field animation is wrong")
    seconds = [usual if own is None else own for own in file.durations[::monitors]]
    return Output(pictures, file.screens, fps=1 / usual, seconds=seconds, wall=wall)


def _lua(data: bytes) -> Output:
    """The frames of the program; what plays them is run by other tests."""
    body = data[data.index(_BEGIN) + len(_BEGIN) : data.rindex(_END)]
    _, *parts = _SHOW.split(body)
    screens: list[Screen] = []
    places: list[tuple[int, int]] = []
    for frame in parts[1::2]:
        painted, after = frame.rsplit(b"end)\n", 1)
        if after not in (
            b"",
            b"waitForEnter()\n",
            b'print("Press Enter to end.")\nwaitForEnter()\n',
        ):
            raise Malformed(f"{after[:40]!r} after a frame")
        _, *calls = _PAINT.split(painted)
        for row, column, values in zip(calls[::3], calls[1::3], calls[2::3], strict=True):
            reader = LuaReader(values.removesuffix(b")\n"))
            rows = reader.value()
            reader.expect(b",")
            screens.append(screen_of(rows, reader.value()))
            if not reader.ended:
                raise Malformed("more than two values are painted")
            places.append((int(column), int(row)))
    pictures = len(parts) // 2
    arrangement = _WALL.search(data)
    wall = (int(arrangement[1]), int(arrangement[2])) if arrangement else None
    columns, rows_of_wall = wall or (1, 1)
    each = [(x + 1, y + 1) for y in range(rows_of_wall) for x in range(columns)]
    if places != each * pictures:
        raise Malformed("the monitors are not painted in their order")
    return Output(pictures, screens, seconds=[float(text) for text in parts[::2]], wall=wall)


def _gif(data: bytes, path: Path) -> Output:
    path.write_bytes(data)
    command = [ffmpeg_program(), "-v", "error", "-xerror", "-i", str(path)]
    command += ["-fps_mode", "passthrough", "-f", "framecrc", "-"]
    said = subprocess.run(command, check=True, capture_output=True, text=True)
    if said.stderr:
        raise Malformed(said.stderr)
    size = re.search(r"^#dimensions 0: (\d+)x(\d+)$", said.stdout, re.MULTILINE)
    assert size is not None
    pictures = sum(not line.startswith("#") for line in said.stdout.splitlines())
    return Output(pictures, size=(int(size[1]), int(size[2])))
