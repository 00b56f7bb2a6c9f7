"""A long run of the fuzz targets has no time limit."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.fuzzing import WANTED


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if WANTED is None:
        return
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(0))
