"""What the game shows of a screen, as a picture: for people who want to see a result without
starting the game. A character is 6 x 9 pixels there, so a pixel of a cell is 3 x 3."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from gmapi.computercraft.preview_font import GLYPH_HEIGHT, GLYPH_WIDTH, glyphs
from gmapi.computercraft.screen import BLANK, U8, Screen

U16 = npt.NDArray[np.uint16]
Mask = npt.NDArray[np.bool_]

_CELL_WIDTH, _CELL_HEIGHT = 6, 9
_EMPTY = frozenset({0, BLANK, 0xA0})
"""NUL, space and no-break space show only their background."""
_FIRST_PATTERN, _LAST_PATTERN = 128, 159
_BLACK = (0, 0, 0)
_COLORS_MAX = 256


def render(screens: Sequence[Screen], columns: int = 1, scale: int = 3) -> tuple[U8, U8]:
    """An indexed picture and its palette, (height, width) u8 and (n, 3) u8 with n <= 256.

    A cell is 2 * scale wide and 3 * scale high. The screens of a wall lie `columns` side by side,
    row by row; where one is smaller than its neighbours, and for palette entries that a screen
    does not have, the colour is black. Beyond 256 colours the rarer ones become the nearest of the
    others. Characters that are no printable ASCII are boxes.
    """
    slots: dict[tuple[int, ...], int] = {}
    pictures = []
    for screen in screens:
        indexes = _indexes(screen, scale)
        pictures.append(_table(screen, slots)[indexes])
    bands = [pictures[at : at + columns] for at in range(0, len(pictures), columns)]
    heights = [max(picture.shape[0] for picture in band) for band in bands]
    widths = [max(picture.shape[1] for picture in row) for row in _transposed(bands)]
    area = sum(heights) * sum(widths)
    covered = sum(picture.size for picture in pictures)
    filling = slots.setdefault(_BLACK, len(slots)) if covered < area else 0
    whole = np.full((sum(heights), sum(widths)), filling, np.uint16)
    top = 0
    for band, height in zip(bands, heights, strict=True):
        left = 0
        for picture, width in zip(band, widths, strict=False):
            whole[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
            left += width
        top += height
    palette = np.array(list(slots), np.uint8).reshape(-1, 3)
    if len(palette) > _COLORS_MAX:
        return _reduced(whole, palette)
    return whole.astype(np.uint8), palette


def _transposed(bands: list[list[U16]]) -> list[list[U16]]:
    return [
        [band[column] for band in bands if column < len(band)]
        for column in range(max((len(band) for band in bands), default=0))
    ]


def _table(screen: Screen, slots: dict[tuple[int, ...], int]) -> U16:
    """The slot of each palette index; colours that are new get one."""
    colors = [tuple(color) for color in screen.palette.tolist()]
    most = int(max(screen.foreground.max(initial=0), screen.background.max(initial=0)))
    colors += [_BLACK] * (most + 1 - len(colors))
    return np.array([slots.setdefault(color, len(slots)) for color in colors], np.uint16)


def _reduced(whole: U16, palette: U8) -> tuple[U8, U8]:
    """With the most used colours only."""
    counts = np.bincount(whole.ravel(), minlength=len(palette))
    kept = np.sort(np.argsort(-counts, kind="stable")[:_COLORS_MAX])
    distances = palette[:, None, :].astype(np.int32) - palette[None, kept, :]
    nearest = (distances**2).sum(axis=2).argmin(axis=1).astype(np.uint8)
    return nearest[whole], palette[kept]


def _indexes(screen: Screen, scale: int) -> U8:
    """(rows * 3 * scale, columns * 2 * scale) palette indexes."""
    height, width = screen.rows * 3 * scale, screen.columns * 2 * scale
    drawn = _shapes(scale)[screen.characters].transpose(0, 2, 1, 3).reshape(height, width)
    foreground, background = (
        plane.repeat(3 * scale, axis=0).repeat(2 * scale, axis=1)
        for plane in (screen.foreground, screen.background)
    )
    return np.where(drawn, foreground, background)


@lru_cache(maxsize=4)
def _shapes(scale: int) -> Mask:
    """(256, 3 * scale, 2 * scale): where each character shows the foreground."""
    shapes = np.zeros((256, _CELL_HEIGHT, _CELL_WIDTH), np.bool_)
    for code in range(256):
        shapes[code] = _shape(code)
    # The middle of each new pixel, in ninths and sixths of a cell.
    rows = (np.arange(3 * scale) * 2 + 1) * _CELL_HEIGHT // (6 * scale)
    columns = (np.arange(2 * scale) * 2 + 1) * _CELL_WIDTH // (4 * scale)
    return shapes[:, rows[:, None], columns[None, :]]


def _shape(code: int) -> Mask:
    """(9, 6)."""
    shape = np.zeros((_CELL_HEIGHT, _CELL_WIDTH), np.bool_)
    if _FIRST_PATTERN <= code <= _LAST_PATTERN:
        pixels = np.array([code >> bit & 1 for bit in range(5)] + [0], np.bool_).reshape(3, 2)
        return pixels.repeat(3, axis=0).repeat(3, axis=1)
    if code in _EMPTY:
        return shape
    glyph = glyphs().get(code)
    if glyph is None:
        shape[1:8, :GLYPH_WIDTH] = True
        shape[2:7, 1 : GLYPH_WIDTH - 1] = False
    else:
        shape[1 : 1 + GLYPH_HEIGHT, :GLYPH_WIDTH] = glyph
    return shape
