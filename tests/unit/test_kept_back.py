"""The last pictures of a film whose end is not known while it is decoded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gmapi.tools.kept_back import KEPT_PICTURES, KeptBack

SIZE = 6


def pictures(count: int) -> bytes:
    return b"".join(bytes([number]) * SIZE for number in range(count))


@given(
    count=st.integers(0, 40),
    pieces=st.lists(st.integers(1, 50), max_size=60),
    there=st.integers(1, 40),
    lead=st.integers(0, 3),
)
def test_what_is_behind_the_end_is_left_out(
    count: int, pieces: list[int], there: int, lead: int
) -> None:
    taken: list[bytes] = []
    kept = KeptBack(SIZE, taken.append)
    data = pictures(count)
    at = 0
    for size in [*pieces, len(data)]:
        if at < len(data):
            kept.feed(data[at : at + size])
            at += size
    # Some are kept back, and no more than that and a piece.
    assert sum(map(len, taken)) <= max(0, len(data) - KEPT_PICTURES * SIZE)
    shown = sum(map(len, taken))
    kept.finish(there, lead)
    wanted = max(1, there - lead)
    assert b"".join(taken) == data[: max(shown, wanted * SIZE)]


def test_without_a_count_all_are_taken() -> None:
    taken: list[bytes] = []
    kept = KeptBack(SIZE, taken.append)
    kept.feed(pictures(9))
    kept.finish(None, 0)
    assert b"".join(taken) == pictures(9)


def test_the_last_picture_stays_as_long_as_the_sound() -> None:
    taken: list[bytes] = []
    kept = KeptBack(SIZE, taken.append)
    kept.feed(pictures(5))
    kept.finish(10, 1, stays=True)
    assert b"".join(taken) == pictures(5) + bytes([4]) * SIZE * 4
