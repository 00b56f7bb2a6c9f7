"""Files of one picture, and of many that follow each other, by their bytes."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.media.picture_files import holds_film
from support.cost import Gaps, cpu_below

PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + b"x" * 17 + b"\0\0\0\0IEND\xaeB`\x82"


def segment(marker: int, body: bytes) -> bytes:
    return b"\xff" + bytes([marker]) + (len(body) + 2).to_bytes(2) + body


def jpeg(size: bytes = b"\0\x78\0\xa0", *extra: bytes, scan: bytes = b"abc\xff\0def") -> bytes:
    frame = segment(0xC0, b"\x08" + size + b"\x03" + b"x" * 9)
    return b"\xff\xd8" + b"".join(extra) + frame + segment(0xDA, b"x" * 10) + scan + b"\xff\xd9"


SEVERAL = segment(0xE2, b"MPF\0II*\0")
GAIN = segment(0xE1, b"http://ns.adobe.com/xap/1.0/\0<x hdrgm:Version='1.0'/>")
THUMBNAIL = segment(0xE1, b"Exif\0\0" + jpeg())


@pytest.mark.parametrize(
    ("data", "film"),
    [
        (jpeg() * 2, True),
        (jpeg() * 30, True),
        (jpeg() + b"\0" * 100 + jpeg(), True),
        (jpeg(b"\0\x78\0\xa0", THUMBNAIL) * 2, True),
        (jpeg(), False),
        (jpeg(b"\0\x78\0\xa0", THUMBNAIL), False),
        (jpeg(b"\0\x78\0\xa0", SEVERAL) + jpeg(), False),
        (jpeg(b"\0\x78\0\xa0", GAIN) + jpeg(), False),
        (jpeg() + jpeg(b"\0\x10\0\x10"), False),
        (jpeg() + b"\0" * 5000 + jpeg(), False),
        (jpeg() + b"ftyp film behind a photo" + b"\0" * 5000, False),
        (b"", False),
        (b"\xff\xd8\xff", False),
        (b"\xff\xd8" + b"\xff" * 100_000, False),
    ],
)
def test_motion_jpeg(tmp_path: Path, data: bytes, film: bool) -> None:
    path = tmp_path / "x"
    path.write_bytes(data)
    assert holds_film(path, "jpeg_pipe") is film
    assert not holds_film(path, "mov,mp4,m4a,3gp,3g2,mj2")


def test_pngs_that_follow_each_other(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(PNG * 2)
    assert holds_film(path, "png_pipe")
    path.write_bytes(PNG + b"something else")
    assert not holds_film(path, "png_pipe")


@pytest.mark.parametrize(
    ("container", "head"), [("png_pipe", PNG), ("jpeg_pipe", jpeg()[:-2]), ("jpeg_pipe", jpeg())]
)
def test_large_files_are_looked_through_in_steps(
    tmp_path: Path, container: str, head: bytes
) -> None:
    path = tmp_path / "x"
    with path.open("wb") as file:
        file.write(head)
        file.truncate(128 * 2**20)
    gaps = Gaps()
    with cpu_below(1.0):
        assert not holds_film(path, container, gaps)
    gaps.note()
    assert gaps.longest < 0.2


def test_marks_across_two_steps_are_found(tmp_path: Path) -> None:
    path = tmp_path / "x"
    for before in range(17):
        path.write_bytes(PNG[:-8] + b"x" * (2**20 - len(PNG) + 8 - before) + PNG[-8:] + PNG)
        assert holds_film(path, "png_pipe"), before


@given(st.lists(st.sampled_from([b"\xff\xd8", b"\xff\xd9", b"\xff\xda", b"\xff\xe1\0\x04", b"\0",
                                 b"\xff", b"abc", b"\xff\xc0\0\x11"]), max_size=60))  # fmt: skip
def test_any_bytes_are_read_to_an_end(pieces: list[bytes]) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(b"\xff\xd8\xff" + b"".join(pieces))
        file.flush()
        assert holds_film(Path(file.name), "jpeg_pipe") in (True, False)
