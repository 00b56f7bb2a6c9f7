"""What a media file holds, by libraries and decoders that the product does not ask: Pillow, and
plain decoding into NumPy arrays."""

from __future__ import annotations

import io
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageSequence

from gmapi.computercraft.screen import Screen
from support.game.dfpwm import Decoder
from support.media.programs import ffmpeg_output
from support.screens import decoders
from support.screens.outputs import Output
from support.screens.vid32_decoder import Picture

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]

DFPWM_RATE = 48_000
QUIET = 0.005
"""Root mean square of what nobody hears, of 1."""
NOISE = 0.011
"""The same of the noise that DFPWM has where there is silence."""


# -- pictures -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Film:
    """Decoded pictures (count, height, width, 3), the seconds at which each begins and for which
    it is shown."""

    pictures: U8
    starts: list[float]
    lengths: list[float]

    @property
    def end(self) -> float:
        return self.starts[-1] + self.lengths[-1]

    @property
    def duration(self) -> float:
        return self.end - self.starts[0]

    @property
    def size(self) -> tuple[int, int]:
        return int(self.pictures.shape[2]), int(self.pictures.shape[1])


def film(path: Path) -> Film:
    """All pictures of a file's first video as ffmpeg decodes them by itself."""
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "times"
        command = ["-i", str(path), "-map", "0:v:0", "-fps_mode", "passthrough", "-f", "rawvideo"]
        command += ["-pix_fmt", "rgb24", "pipe:1"]
        command += ["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framecrc", str(told)]
        raw = ffmpeg_output(*command)
        lines = told.read_text().splitlines()
    heads = dict(
        line[1:].split(" 0: ") for line in lines if line.startswith("#") and " 0: " in line
    )
    numerator, denominator = map(int, heads["tb"].split("/"))
    width, height = map(int, heads["dimensions"].split("x"))
    rows = [line.split(",") for line in lines if not line.startswith("#")]
    unit = numerator / denominator
    pictures = np.frombuffer(raw, np.uint8).reshape(-1, height, width, 3)
    return Film(
        pictures, [int(row[2]) * unit for row in rows], [int(row[3]) * unit for row in rows]
    )


def pillow(source: Path | bytes, background: str = "black") -> list[tuple[U8, float]]:
    """The pictures of a file by Pillow, turned as they say and flattened, with their seconds."""
    with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source) as opened:
        return [
            (_flat(frame, background), float(frame.info.get("duration") or 0) / 1000)
            for frame in ImageSequence.Iterator(opened)
        ]


def _flat(frame: Image.Image, background: str) -> U8:
    if frame.mode.startswith("I;16"):
        # Pillow cuts off what is above 255 where it should divide.
        gray = (np.asarray(frame).astype(np.uint32) >> 8).astype(np.uint8)
        frame = Image.fromarray(gray)
    seen = frame.convert("RGBA")
    under = Image.new("RGBA", seen.size, background)
    return np.asarray(Image.alpha_composite(under, seen).convert("RGB"))


def picture(source: Path | bytes) -> U8:
    """The only picture of a file, (height, width, 3), by Pillow."""
    ((found, _),) = pillow(source)
    return found


def shown(screen: Screen | Picture) -> U8:
    """The pixels of a screen, (rows * 3, columns * 2, 3)."""
    if isinstance(screen, Picture):
        screen = Screen(screen.codes | 128, screen.colors, screen.palette)
    return screen.palette[decoders.pixels(screen)]


def screens(output: Output) -> list[U8]:
    return [shown(screen) for screen in output.screens]


def color(pixels: U8, x: float = 0.5, y: float = 0.5) -> tuple[int, ...]:
    """The mean colour around a place given in parts of width and height."""
    height, width = pixels.shape[:2]
    row, column = min(height - 1, int(height * y)), min(width - 1, int(width * x))
    half = max(1, min(height, width) // 20)
    spot = pixels[max(0, row - half) : row + half + 1, max(0, column - half) : column + half + 1]
    return tuple(round(float(value)) for value in spot.reshape(-1, 3).mean(0))


def near(found: tuple[int, ...], wanted: tuple[int, ...], by: int = 6) -> bool:
    return all(abs(one - two) <= by for one, two in zip(found, wanted, strict=True))


# -- sound --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sound:
    """Samples of -1 to 1, (count, channels)."""

    samples: F32
    rate: int

    @property
    def duration(self) -> float:
        return len(self.samples) / self.rate

    def part(self, start: float, end: float) -> F32:
        """One channel, the mean of all, from second to second."""
        return self.samples[round(start * self.rate) : round(end * self.rate)].mean(1)

    def loudness(self, start: float, end: float) -> float:
        """Root mean square."""
        part = self.part(start, end)
        return float(np.sqrt((part**2).mean())) if len(part) else 0.0

    def tone(self, start: float, end: float) -> float:
        """The strongest frequency in hertz; 0 where nobody hears anything."""
        if self.loudness(start, end) < QUIET:
            return 0.0
        part = self.part(start, end)
        strength = np.abs(np.fft.rfft(part * np.hanning(len(part))))
        return float(strength[1:].argmax() + 1) * self.rate / len(part)

    def tones(self, *places: float, length: float = 0.2) -> list[int | None]:
        """The tones from these seconds on, to 20 hertz; None for silence and its noise."""
        parts = [(at, at + length) for at in places]
        return [
            round(self.tone(*part) / 20) * 20 if self.loudness(*part) > NOISE else None
            for part in parts
        ]

    def begins(self, loud: float = 0.02) -> float:
        """The second at which there first is something to be heard."""
        window = self.rate // 100
        mono = self.samples.mean(1)
        parts = mono[: len(mono) // window * window].reshape(-1, window)
        heard = np.sqrt((parts**2).mean(1)) > loud
        return float(heard.argmax()) / 100 if heard.any() else float("inf")


FILMS = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".ts")
"""Endings of files that may tell when their sound begins."""


def sound(path: Path) -> Sound:
    """The first sound of a file: DFPWM by its own decoder, the rest as ffmpeg decodes it, in films
    at the times at which players play it."""
    if path.suffix == ".dfpwm":
        return dfpwm(path.read_bytes())
    rate = 48_000
    timed = ["-af", "aresample=async=1:first_pts=0"] if path.suffix in FILMS else []
    words = ["-map", "0:a:0", *timed, "-ac", "1", "-ar", str(rate), "-f", "f32le", "pipe:1"]
    raw = ffmpeg_output("-i", str(path), *words)
    return Sound(np.frombuffer(raw, np.float32).reshape(-1, 1), rate)


def sound_length(path: Path) -> float:
    """Seconds of sound, as it is decoded."""
    return sound(path).duration


def dfpwm(data: bytes) -> Sound:
    samples = np.array(Decoder().decode(data), np.float32) / 128
    return Sound(samples.reshape(-1, 1), DFPWM_RATE)


def pcm8(data: bytes) -> Sound:
    """The unsigned bytes that 32vid holds."""
    samples = (np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128
    return Sound(samples.reshape(-1, 1), DFPWM_RATE)
