"""From one decoded picture to its bytes in the output."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from gmapi.computercraft import monitor, png, preview
from gmapi.computercraft.converter import BestConverter, Converter, ExactConverter, PlaneConverter
from gmapi.computercraft.formats import nfp
from gmapi.computercraft.formats.bimg import BimgWriter
from gmapi.computercraft.formats.lua import LuaWriter
from gmapi.computercraft.formats.nfp import NfpWriter
from gmapi.computercraft.formats.raw import RawWriter
from gmapi.computercraft.formats.vid32 import Vid32Writer
from gmapi.computercraft.formats.writer import Film, TextEvent, Writer
from gmapi.computercraft.kernels import Kernels
from gmapi.computercraft.monitor import Wall
from gmapi.computercraft.options import Audio, Format, Options, Quality
from gmapi.computercraft.pixel_text import PixelText
from gmapi.computercraft.screen import U8
from gmapi.computercraft.subtitles import Hidden, Subtitles
from gmapi.tools.screens.plan import ScreenPlan
from gmapi.tools.screens.source import ScreenSource

PREVIEW_SCALE = 3
"""Dots per pixel: a character of the game's font is 6 x 9 dots."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """One picture as bytes; `count` chunks as the format counts them, and the subtitles that
    begin with it."""

    data: bytes
    count: int
    events: tuple[TextEvent, ...] = ()


class ChunkMaker:
    """Makes the chunks of one conversion; see `Converter.sequential` for its use in threads."""

    def __init__(
        self,
        plan: ScreenPlan,
        source: ScreenSource,
        kernels: Kernels,
        *,
        title: str,
        subtitles: str | None,
    ) -> None:
        """`title` is the source's name, `subtitles` the text of a file of them."""
        options, rhythm = plan.options, source.rhythm
        width, height = source.size.width, source.size.height
        layout = monitor.layout(width, height, options.split)
        self._plan = plan
        self._rhythm = rhythm
        self._subtitles: Subtitles | None = None
        self._pixel_text: PixelText | None = None
        if subtitles is not None:
            look = (subtitles, float(rhythm.fps), width, height)
            # A picture in 32vid has patterns of pixels and no letters.
            if plan.burn and options.format is Format.VID32:
                # Pixels of exact quality are blue, green, red.
                blue_first = options.quality is Quality.EXACT
                self._pixel_text = PixelText(*look, blue_first=blue_first)
            else:
                self._subtitles = Subtitles.from_text(*look)
        self._wall: Wall | None = layout.wall
        self.film = Film(
            columns=width // 2,
            rows=height // 3,
            fps=float(rhythm.fps),
            frames=rhythm.expected,
            still=rhythm.still,
            title=title,
            wall=layout.wall,
        )
        self._plane: PlaneConverter | None = None
        self._converter: Converter
        if options.quality is Quality.EXACT:
            self._converter = ExactConverter(options, kernels, layout.tiles)
        elif options.format is Format.NFP and not options.blocks_only and plan.preview is None:
            self._plane = PlaneConverter(options, kernels)
        else:
            self._converter = BestConverter(options, kernels, layout.tiles, still=rhythm.still)
        expected = rhythm.expected
        if expected is not None:
            expected = expected * len(layout.tiles) + source.pieces
        self.writer = make_writer(options, self.film, kernels, expected)

    @property
    def sequential(self) -> bool:
        """Whether pictures must be converted one after another."""
        # Separate streams are one long piece of work each.
        ordered = isinstance(self.writer, Vid32Writer) and not self.writer.interleaved
        return ordered or (self._plane is None and self._converter.sequential)

    def hidden_cues(self, frames: int) -> Hidden | None:
        """Which subtitles are not to be seen in `frames` pictures; None without any subtitles."""
        text = self._pixel_text or self._subtitles
        return None if text is None else text.hidden(frames)

    def make(self, number: int, pixels: U8) -> Chunk:
        """The chunk of picture `number`, from 0, of (height, width, 3) pixels."""
        seconds = self._rhythm.seconds(number)
        if self._pixel_text is not None:
            pixels = self._pixel_text.draw(pixels, number)
        if self._plane is not None:
            return Chunk(nfp.lines(self._plane.convert(pixels)), 1)
        screens = self._converter.convert(pixels)
        events: tuple[TextEvent, ...] = ()
        if self._subtitles is not None:
            if self._plan.burn:
                screens = [self._subtitles.burn(screens[0], number)]
            else:
                events = tuple(self._subtitles.events(number, screens[0].palette))
        if self._plan.preview is not None:
            columns = self._wall.columns if self._wall else 1
            indexes, palette = preview.render(screens, columns, PREVIEW_SCALE)
            return Chunk(png.indexed(indexes, palette), 1)
        return Chunk(self.writer.frame(screens, seconds), len(screens), events)


def make_writer(
    options: Options, film: Film, kernels: Kernels, expected_chunks: int | None
) -> Writer:
    """The writer of the format that is asked for."""
    if options.format is Format.LUA:
        return LuaWriter(film)
    if options.format is Format.NFP:
        return NfpWriter(film, blocks_only=options.blocks_only)
    if options.format is Format.RAW:
        return RawWriter(film)
    if options.format is Format.BIMG:
        return BimgWriter(film, binary=options.binary, now=datetime.now(UTC))
    return Vid32Writer(
        film,
        kernels=kernels,
        compression=options.compression,
        dfpwm=options.audio is Audio.DFPWM,
        separate=options.separate_streams,
        index=options.index,
        expected_chunks=expected_chunks,
    )
