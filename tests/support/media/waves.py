"""Plain sound files made without ffmpeg."""

from __future__ import annotations

import math
import struct
import wave
from io import BytesIO


def stereo_wave(seconds: int) -> bytes:
    """A WAV of a tone, 192,000 bytes a second, its channels different."""
    file = BytesIO()
    with wave.open(file, "wb") as opened:
        opened.setparams((2, 2, 48_000, 0, "NONE", ""))
        second = [round(9000 * math.sin(math.tau * 440 * n / 48_000)) for n in range(48_000)]
        samples = b"".join(struct.pack("<hh", value, -value // 2) for value in second)
        opened.writeframes(samples * seconds)
    return file.getvalue()
