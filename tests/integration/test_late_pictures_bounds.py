"""A small file whose pictures start very late: what stands for the time before has an end."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from gmapi.errors import LimitError
from gmapi.tools.base import Work
from support.http.origin import Origin
from support.media.programs import make_media
from support.product.works import run_tool

PICTURES = ["-f", "lavfi", "-i", "color=red@0.5:s=32x24:r=10:d=0.3,format=yuva420p", "-c:v", "ffv1"]
SOUND = ["-f", "lavfi", "-i", "sine=d=0.3"]
TOOLS: list[tuple[str, str, dict[str, Any]]] = [
    ("video_frame", "video_url", {"w": 32, "h": 24, "fps": 30}),
    ("video_frame", "video_url", {"w": 32, "h": 24, "fps": 30, "skip_duplicates": True}),
    ("sanjuuni", "input_url", {"output_format": "bimg", "width": 16, "height": 9}),
    ("ffmpeg", "input_url", {"output_format": "dfpwm"}),
]


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Pictures with transparency after eleven days of a sound that ends at once."""
    folder = tmp_path_factory.mktemp("late")
    pictures = make_media(folder / "pictures.mkv", *PICTURES)
    words = ["-itsoffset", "1000000", "-i", str(pictures), *SOUND, "-c:v", "copy"]
    return make_media(folder / "late.mkv", *words).read_bytes()


@pytest.mark.timeout(30)
@pytest.mark.parametrize(("tool", "field", "fields"), TOOLS)
@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"output_max_bytes": 1_000_000}, "more space"),
        ({"job_timeout": 2}, "took longer|a film of"),
    ],
)
def test_late_pictures_end_at_the_limits(
    fetching: Callable[..., Work],
    late: bytes,
    tool: str,
    field: str,
    fields: dict[str, Any],
    values: dict[str, Any],
    said: str,
) -> None:
    with Origin() as origin:
        url = origin.add("/late", late)
        work = fetching(url, **values)
        with pytest.raises(LimitError, match=said):
            run_tool(work, tool, **{field: url}, **fields)
