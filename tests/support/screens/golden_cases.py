"""The golden cases: real outputs of the reference program, and how each was made."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from gmapi.computercraft.flags import Flags, parse_flags

FOLDER = Path(__file__).parents[2] / "goldens" / "sanjuuni"


@dataclass(frozen=True)
class Golden:
    """One case; `words` are the reference's flags without input, output and subtitles."""

    name: str
    input: Path
    words: tuple[str, ...]
    output: Path
    kind: str
    subtitles: bool
    fault: bool

    @property
    def flags(self) -> Flags:
        return parse_flags(self.words)

    def read(self) -> bytes:
        return self.output.read_bytes()


def _golden(case: dict[str, object]) -> Golden:
    argv = [str(word) for word in case["argv"]]  # type: ignore[attr-defined]
    words, subtitles = [], False
    for word in argv[5:]:
        if word.startswith("--subtitle="):
            subtitles = True
        else:
            words.append(word)
    return Golden(
        name=str(case["name"]),
        input=FOLDER / str(case["input"]),
        words=tuple(words),
        output=FOLDER / str(case["output"]),
        kind=str(case["format"]),
        subtitles=subtitles,
        fault=bool(case.get("bug")),
    )


GOLDENS = [_golden(case) for case in json.loads((FOLDER / "manifest.json").read_text())["cases"]]


@cache
def reference_ffmpeg() -> Path | None:
    """An ffmpeg of the version whose scaler the goldens were made with; others round otherwise."""
    found = shutil.which("ffmpeg")
    if found is None:
        return None
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=True).stdout
    return Path(found) if re.match(r"ffmpeg version n?5\.1", said) else None
