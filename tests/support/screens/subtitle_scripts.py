"""Scripts of subtitles, and what is on a screen they are drawn on."""

from __future__ import annotations

import numpy as np

from gmapi.computercraft.screen import U8, Screen
from gmapi.computercraft.subtitles import Subtitles

# Formats document, 3.2.
PALETTE = np.frombuffer(
    bytes.fromhex(
        "f0f0f0f2b233e57fd899b2f2dede6c7fcc19f2b2cc4c4c4c9999994c99b2b266e53366cc7f664c57a64ecc4c4c"
        "111111"
    ),
    np.uint8,
).reshape(16, 3)
ORANGE, BLUE, BLACK = 1, 11, 15


def blank(columns: int = 40, rows: int = 12, palette: U8 = PALETTE, background: int = 8) -> Screen:
    return Screen(
        np.full((rows, columns), 32, np.uint8),
        np.full((rows, columns), background << 4, np.uint8),
        palette,
    )


def text_rows(screen: Screen) -> dict[int, tuple[int, str]]:
    """The text on an otherwise blank screen: row to first column and characters."""
    found: dict[int, tuple[int, str]] = {}
    for row in range(screen.rows):
        drawn = np.flatnonzero(screen.colors[row] != 8 << 4)
        if len(drawn):
            text = bytes(screen.characters[row, drawn[0] : drawn[-1] + 1]).decode("latin-1")
            found[row] = (int(drawn[0]), text)
    return found


def script(*dialogues: str, styles: str = "", head: str = "") -> str:
    lines = "\n".join(f"Dialogue: {dialogue}" for dialogue in dialogues)
    return f"[Script Info]\n{head}\n[V4+ Styles]\n{styles}\n[Events]\n{lines}\n"


def drawn(
    text: str, frame: int = 0, columns: int = 40, rows: int = 12
) -> dict[int, tuple[int, str]]:
    """What is on a screen at 10 pictures a second; the script's pixels are those of the screen."""
    subtitles = Subtitles.from_text(text, 10.0, columns * 2, rows * 3)
    return text_rows(subtitles.burn(blank(columns, rows), frame))


def sized(*dialogues: str, styles: str = "", head: str = "") -> str:
    """A script for `drawn`, 80 x 36 pixels, with margins of 2 cells each."""
    style = "Format: Name, Alignment, MarginL, MarginR, MarginV\nStyle: Default, 2, 4, 4, 6\n"
    head = f"PlayResX: 80\nPlayResY: 36\n{head}"
    return script(*dialogues, styles=style + styles, head=head)
