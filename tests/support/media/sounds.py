"""Sound that changes, starts late, has holes or ends early."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from support.media.programs import make_media

RATE = 48_000
PART_SECONDS = 1.0
TONES = (440, 880, 660)
"""Of the parts of `changing` and `glued`, in hertz."""

_CODED = ["-c:v", "mpeg2video", "-g", "5", "-bf", "0"]


def tone(hertz: int, seconds: float, *, rate: int = RATE, layout: str = "stereo") -> list[str]:
    """Words for an input: a tone at half of full scale in all channels but the deep one."""
    wave = f"0.5*sin(2*PI*{hertz}*t)"
    count = {"mono": 1, "stereo": 2, "5.1": 6}[layout]
    waves = "|".join("0" if n == 3 else wave for n in range(count))
    return ["-f", "lavfi", "-i", f"aevalsrc={waves}:c={layout}:s={rate}:d={seconds}"]


def film(seconds: float) -> list[str]:
    """Words for an input: ten pictures a second."""
    return ["-f", "lavfi", "-i", f"testsrc=s=32x24:r=10:d={seconds}"]


def changing(
    folder: Path, codec: str, shapes: Sequence[tuple[int, str]], seconds: float = PART_SECONDS
) -> Path:
    """A broadcast (MPEG-TS) of parts whose sound has these rates and layouts."""
    whole = folder / f"{codec}_changing.ts"
    data = b""
    for number, (rate, layout) in enumerate(shapes):
        part = make_media(
            folder / "part.ts", *film(seconds),
            *tone(TONES[number], seconds, rate=rate, layout=layout),
            "-map", "0:v", "-map", "1:a", *_CODED, "-c:a", codec,
            "-output_ts_offset", str(10 + number * seconds), "-muxdelay", "0",
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
        part = make_media(
            folder / f"part.{kind}",
            *tone(TONES[number], PART_SECONDS, rate=rate, layout=layout), *codec, *serial,
        )  # fmt: skip
        data += part.read_bytes()
    whole = folder / f"glued_{'_'.join(codec[1:])}_{len(set(shapes))}.{kind}"
    whole.write_bytes(data)
    return whole
