"""Sound that changes, starts late, has holes or ends early, and what is heard in what was made."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from support.media.files import ffmpeg_program

RATE = 48_000
PART_SECONDS = 1.0
TONES = (440, 880, 660)
"""Of the parts of `changing` and `glued`, in hertz."""

_CODED = ["-c:v", "mpeg2video", "-g", "5", "-bf", "0"]


def make(path: Path, *words: str) -> Path:
    subprocess.run(
        [ffmpeg_program(), "-v", "error", "-nostdin", "-y", *words, str(path)], check=True
    )
    return path


def tone(hertz: int, seconds: float, *, rate: int = RATE, layout: str = "stereo") -> list[str]:
    """Words for an input: a tone at half of full scale in all channels but the deep one."""
    wave = f"0.5*sin(2*PI*{hertz}*t)"
    count = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    waves = "|".join("0" if n == 3 else wave for n in range(count))
    return ["-f", "lavfi", "-i", f"aevalsrc={waves}:c={layout}:s={rate}:d={seconds}"]


def film(seconds: float) -> list[str]:
    """Words for an input: ten pictures a second."""
    return ["-f", "lavfi", "-i", f"testsrc=s=32x24:r=10:d={seconds}"]


def changing(folder: Path, codec: str, shapes: Sequence[tuple[int, str]]) -> Path:
    """A broadcast (MPEG-TS) of parts whose sound has these rates and layouts."""
    whole = folder / f"{codec}_changing.ts"
    data = b""
    for number, (rate, layout) in enumerate(shapes):
        part = make(
            folder / "part.ts", *film(PART_SECONDS),
            *tone(TONES[number], PART_SECONDS, rate=rate, layout=layout),
            "-map", "0:v", "-map", "1:a", *_CODED, "-c:a", codec,
            "-output_ts_offset", str(10 + number * PART_SECONDS), "-muxdelay", "0",
        )  # fmt: skip
        data += part.read_bytes()
    whole.write_bytes(data)
    return whole


def glued(
    folder: Path, kind: str, shapes: Sequence[tuple[int, str]], *codec: str, same: bool = False
) -> Path:
    """Files of sound one behind the other in one; the `same` one again and again when asked."""
    data = b""
    for number, (rate, layout) in enumerate(shapes):
        serial = ["-serial_offset", str(1 if same else number + 1)] if kind == "ogg" else []
        part = make(
            folder / f"part.{kind}",
            *tone(TONES[number], PART_SECONDS, rate=rate, layout=layout), *codec, *serial,
        )  # fmt: skip
        data += part.read_bytes()
    whole = folder / f"glued_{'_'.join(codec[1:])}_{len(set(shapes))}.{kind}"
    whole.write_bytes(data)
    return whole


class Heard:
    """Samples of one channel."""

    def __init__(self, samples: np.ndarray[tuple[int], np.dtype[np.float32]]) -> None:
        self._samples = samples

    @classmethod
    def dfpwm(cls, data: bytes) -> Heard:
        return cls._decoded(data, "-f", "dfpwm", "-sample_rate", str(RATE), "-ch_layout", "mono")

    @classmethod
    def u8(cls, data: bytes) -> Heard:
        return cls((np.frombuffer(data, np.uint8).astype(np.float32) - 128) / 128)

    @classmethod
    def file(cls, data: bytes) -> Heard:
        return cls._decoded(data)

    @classmethod
    def _decoded(cls, data: bytes, *words: str) -> Heard:
        out = ["-f", "f32le", "-ac", "1", "-ar", str(RATE), "-"]
        done = subprocess.run(
            [ffmpeg_program(), "-v", "error", *words, "-i", "-", *out],
            input=data, check=True, capture_output=True,
        )  # fmt: skip
        return cls(np.frombuffer(done.stdout, np.float32))

    @property
    def seconds(self) -> float:
        return len(self._samples) / RATE

    def hertz(self, at: float, length: float = 0.2) -> int | None:
        """The tone at a second, None for silence."""
        part = self._samples[round(at * RATE) : round((at + length) * RATE)]
        if len(part) < length * RATE / 2 or float(np.abs(part).mean()) < 0.01:
            return None
        power = np.abs(np.fft.rfft(part * np.hanning(len(part))))
        return round(float(np.argmax(power)) * RATE / len(part) / 20) * 20

    def tones(self, *places: float) -> list[int | None]:
        return [self.hertz(at) for at in places]
