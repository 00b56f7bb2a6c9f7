"""Pictures that start late: the first one is shown until they do."""

from __future__ import annotations

import numpy as np
import pytest

from gmapi.computercraft.pipeline import Pipeline


@pytest.mark.parametrize("lead", [0, 1, 40])
@pytest.mark.parametrize("threads", [1, 3])
def test_the_first_picture_stands_for_those_before_it(lead: int, threads: int) -> None:
    told: list[tuple[int, int]] = []
    with Pipeline(
        2, 3, lambda number, pixels: (number, int(pixels[0, 0, 0])), told.append,
        threads=threads, lead=lead,
    ) as pipeline:  # fmt: skip
        data = np.repeat(np.arange(3, dtype=np.uint8), 18).tobytes()
        for at in range(0, len(data), 7):
            pipeline.feed(data[at : at + 7])
        assert pipeline.finish() == 3 + lead
    assert told == list(enumerate([0] * lead + [0, 1, 2]))
