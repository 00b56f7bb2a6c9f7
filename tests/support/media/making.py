"""Media of one kind after another, made by ffmpeg when a test first asks for them.

Films show one colour after another and sounds one tone after another, so that what comes out can
be told by its colours and tones alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from support.media.programs import make_media

COLORS = {
    "red": (255, 0, 0),
    "lime": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "white": (255, 255, 255),
    "gray": (128, 128, 128),
    "black": (0, 0, 0),
}
H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p"]
H265 = [
    "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "log-level=none",
    "-pix_fmt", "yuv420p",
]  # fmt: skip


def stripes(
    colors: Sequence[str], *, size: str = "160x120", rate: float = 10, each: float = 1.0
) -> list[str]:
    """An input that shows each colour for `each` seconds."""
    parts = [
        f"color={color}:s={size}:r={rate:g}:d={each:g},format=gbrp[c{number}]"
        for number, color in enumerate(colors)
    ]
    joined = "".join(f"[c{number}]" for number in range(len(colors)))
    return ["-f", "lavfi", "-i", ";".join(parts) + f";{joined}concat=n={len(colors)}"]


def tones(
    hertz: Sequence[int], *, rate: int = 48_000, each: float = 1.0, channels: str = "mono"
) -> list[str]:
    """An input in which each tone is heard for `each` seconds, the same on all channels."""
    parts = [
        f"sine={tone}:r={rate}:d={each:g},volume=4[t{number}]" for number, tone in enumerate(hertz)
    ]
    joined = "".join(f"[t{number}]" for number in range(len(hertz)))
    # pan, for a mere change of layout leaves the new channels silent.
    count = {"mono": 1, "stereo": 2, "quad": 4, "5.1": 6, "5.1(side)": 6, "6.1": 7, "7.1": 8}
    same = "|".join(f"c{number}=c0" for number in range(count[channels]))
    graph = f"{joined}concat=n={len(hertz)}:v=0:a=1,pan={channels}|{same}"
    return ["-f", "lavfi", "-i", ";".join([*parts, graph])]


class Maker:
    """Makes files in a folder, each once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(self, name: str, *words: str) -> Path:
        """The file that ffmpeg makes with these words."""
        # Another file of the same name is another file.
        folder = hashlib.blake2s("\0".join(words).encode(), digest_size=8).hexdigest()
        return self.by(f"{folder}/{name}", lambda path: make_media(path, *words))

    def by(self, name: str, write: Callable[[Path], object]) -> Path:
        """The file that `write` makes at the path it is given."""
        path = self._folder / name
        if not path.exists():
            path.parent.mkdir(exist_ok=True)
            part = path.with_name(f"part-{path.name}")
            write(part)
            part.rename(path)
        return path

    def bytes(self, name: str, data: bytes) -> Path:
        return self.by(name, lambda path: path.write_bytes(data))

    def together(self, name: str, *parts: Path) -> Path:
        """The bytes of the parts one after another."""
        return self.by(name, lambda path: path.write_bytes(b"".join(p.read_bytes() for p in parts)))

    def joined(self, name: str, *parts: Path, words: Sequence[str] = ("-c", "copy")) -> Path:
        """The packets of the parts one after another, in one container, whatever they hold."""
        listing = self._folder / f"{name}.txt"
        listing.write_text("".join(f"file '{part}'\n" for part in parts))
        source = ["-f", "concat", "-safe", "0", "-i", str(listing)]
        return self(name, *source, "-map", "0", *words)
