"""What the fuzz targets share. Each file `test_fuzz_*.py` in tests/fuzz is a target of its own; a
new one needs nothing but its file.

    from support.fuzzing import fuzz, mutated

    @fuzz
    @given(mutated(["a good example", "another"], alphabet="a[]\\"))
    def test_whatever_is_read(text: str) -> None: ...

The suite runs a few examples of each, always the same. `make fuzz` sets FUZZ_EXAMPLES to the number
it wants and draws new ones each time; what fails is kept in .hypothesis and tried first next time.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

WANTED = os.environ.get("FUZZ_EXAMPLES")
EXAMPLES_IN_SUITE = 70

fuzz = settings(
    max_examples=int(WANTED or EXAMPLES_IN_SUITE),
    deadline=None,
    derandomize=WANTED is None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
"""A decorator for the tests of a target."""

EDITS_MAX = 4

FLOOD_CHARACTERS = 2**20 if WANTED else 2**16
"""Length of a text with a piece that is repeated."""


@st.composite
def mutated(draw: st.DrawFn, seeds: Sequence[str], alphabet: str) -> str:
    """One of `seeds` with up to four edits: characters put in, taken out, changed or repeated."""
    text = draw(st.sampled_from(seeds))
    for _ in range(draw(st.integers(0, EDITS_MAX))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 3)))
        piece = draw(st.text(alphabet, max_size=3) | st.just(text[start:end] * 2) | st.characters())
        text = text[:start] + piece + text[end:]
    return text


@st.composite
def flooded(draw: st.DrawFn, seeds: Sequence[str], alphabet: str) -> str:
    """A mutated text of which one piece, cut out or made up, is repeated very often: what takes
    more time or memory than it should does so here."""
    text = draw(mutated(seeds, alphabet))
    start = draw(st.integers(0, len(text)))
    end = draw(st.integers(start, min(len(text), start + 40)) | st.just(len(text)))
    piece = text[start:end] or draw(st.text(alphabet, min_size=1, max_size=3))
    return text[:start] + piece * (FLOOD_CHARACTERS // len(piece)) + text[end:]
