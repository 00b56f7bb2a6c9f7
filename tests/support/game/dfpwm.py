"""DFPWM1a, the game's sound format, after its public description: one bit per sample at 48 kHz."""

from __future__ import annotations

import functools
from array import array
from typing import NamedTuple

BIT_UP, BIT_DOWN = 127, -128
STRENGTH_MAX = 1023
STRENGTH_MIN = 8
LOW_PASS = 140  # of 256


class State(NamedTuple):
    charge: int = 0
    strength: int = 0
    last: int = BIT_DOWN
    filtered: int = 0


class Decoder:
    """Keeps its state from one piece of sound to the next."""

    def __init__(self) -> None:
        self._state = State()

    def decode(self, data: bytes) -> list[int]:
        """Eight samples of -128 to 127 for each byte, its lowest bit first."""
        samples, self._state = _decode(self._state, data)
        return samples.tolist()


_TARGETS = [
    tuple(BIT_UP if byte >> bit & 1 else BIT_DOWN for bit in range(8)) for byte in range(256)
]


# The same film is played again and again.
@functools.lru_cache(maxsize=256)
def _decode(state: State, data: bytes) -> tuple[array[int], State]:
    charge, strength, last, filtered = state
    samples = []
    for byte in data:
        for target in _TARGETS[byte]:
            step = (strength * (target - charge) + 512) >> 10
            if step == 0 and charge != target:
                step = 1 if target == BIT_UP else -1
            before, charge = charge, charge + step
            # The strength grows while the bits agree and falls when they change.
            if target == last:
                shown = charge
                if strength < STRENGTH_MAX:
                    strength += 1
            else:
                shown = (charge + before + 1) >> 1
                strength -= 1
            if strength < STRENGTH_MIN:
                strength = STRENGTH_MIN
            filtered += ((shown - filtered) * LOW_PASS + 128) >> 8
            samples.append(filtered)
            last = target
    return array("b", samples), State(charge, strength, last, filtered)
