"""The speaker beside the small game computer, which plays in real time.

Modelled after the game's: one buffer is held; at a tick it goes to the players' own machines if
they have less than half a second left to hear, and `speaker_audio_empty` tells the program.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from support.game.cc_clock import Clock

SAMPLES_PER_SECOND = 48_000
SAMPLES_MAX = 128 * 1024
CLIENT_SECONDS = 0.5
"""A held buffer is sent when less than this is still to be heard."""

SAMPLES_PER_BYTE = 8
"""Sound is sent as DFPWM; samples that do not fill a byte are lost."""


@dataclass(frozen=True)
class Heard:
    """A buffer, and the time at which its first sample is heard."""

    start: float
    samples: array[int]

    @property
    def end(self) -> float:
        return self.start + len(self.samples) / SAMPLES_PER_SECOND


class Speaker:
    """Keeps all `samples` it was given, and what was `heard` of them, and when."""

    name = "left"

    def __init__(self, clock: Clock, queue_event: Callable[..., None]) -> None:
        self.samples: list[int] = []
        self.heard: list[Heard] = []
        self._clock = clock
        self._queue_event = queue_event
        self._held: array[int] | None = None

    @property
    def silent_from(self) -> float:
        """When the last sample that was sent will have been heard."""
        return self.heard[-1].end if self.heard else 0.0

    def play_audio(self, buffer: Any) -> bool:
        """Take a buffer (a Lua table), or return False while one is held already."""
        if self._held is not None:
            return False
        try:
            samples = array("b", buffer.values())
        except (TypeError, OverflowError):
            raise ValueError("samples must be whole numbers from -128 to 127") from None
        if not 0 < len(samples) <= SAMPLES_MAX:
            raise ValueError(f"a buffer must have 1 to {SAMPLES_MAX} samples")
        self.samples += samples
        self._held = samples
        due = self._clock.tick_after(not_before=self.silent_from - CLIENT_SECONDS)
        self._clock.at(due, lambda: self._send(samples))
        return True

    def _send(self, samples: array[int]) -> None:
        if self._held is not samples:
            return
        self._held = None
        whole = samples[: len(samples) // SAMPLES_PER_BYTE * SAMPLES_PER_BYTE]
        self.heard.append(Heard(max(self._clock.now, self.silent_from), whole))
        self._queue_event("speaker_audio_empty", self.name)

    def stop(self) -> None:
        """Forget what is held, and be silent from the next tick on."""
        self._held = None
        self._clock.at(self._clock.tick_after(), self._silence)

    def _silence(self) -> None:
        now = self._clock.now
        self._held = None
        self.heard = [
            Heard(piece.start, piece.samples[: round((now - piece.start) * SAMPLES_PER_SECOND)])
            for piece in self.heard
            if piece.start < now
        ]

    def position(self, time: float) -> float | None:
        """Which second of all that was heard is heard at a time; None in silence."""
        before = 0
        for piece in self.heard:
            if piece.start <= time < piece.end:
                return time - piece.start + before / SAMPLES_PER_SECOND
            before += len(piece.samples)
        return None

    def gaps(self) -> list[tuple[float, float]]:
        """When it was silent between two buffers: from, and for how long."""
        pairs = zip(self.heard, self.heard[1:], strict=False)
        return [(one.end, two.start - one.end) for one, two in pairs if two.start - one.end > 1e-6]
