"""Frames of all kinds, by the tool that cuts them: what is in the files, and how large they are."""

from __future__ import annotations

import itertools
import math
import subprocess
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gmapi.sandbox.launcher import Launcher
from gmapi.storage.framestore import FrameReader
from support.media import readers
from support.media.files import ffmpeg_program
from support.product.tools import Ran, Tools

MODES = {"png": ("PNG", "RGB"), "png8": ("PNG", "P"), "gray": ("PNG", "L"), "jpeg": ("JPEG", "RGB")}
WIDTH, HEIGHT = 192, 108


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fractal that moves, then a test card that stands still, one second each."""
    path = tmp_path_factory.mktemp("film") / "film"
    graph = (
        "mandelbrot=s=384x216:r=20,trim=end_frame=20[one];"
        "smptebars=s=384x216:r=20:d=1[two];[one][two]concat,format=yuv420p"
    )
    subprocess.run(
        [ffmpeg_program(), "-v", "error", "-f", "lavfi", "-i", graph, "-c:v", "libx264",
         "-qp", "12", "-f", "mp4", path], check=True,
    )  # fmt: skip
    return path


@pytest.fixture(scope="module")
def ran(tools: Tools, film: Path) -> dict[str, Ran]:
    size = {"w": WIDTH, "h": HEIGHT, "fps": 20}
    return {kind: tools.video_frame(film, frame_format=kind, **size) for kind in MODES}


def psnr(found: readers.U8, wanted: readers.U8) -> float:
    error = float(((found.astype(float) - wanted) ** 2).mean())
    return math.inf if error == 0 else 10 * math.log10(255 * 255 / error)


@pytest.mark.parametrize("kind", MODES)
def test_all_kinds_show_the_same_film(ran: dict[str, Ran], kind: str) -> None:
    made, plain = ran[kind], ran["png"]
    assert made.result.total_frames == made.result.current_frames == len(made.frames) == 40
    assert (made.result.width, made.result.height) == (WIDTH, HEIGHT)
    ending = "jpg" if kind == "jpeg" else "png"
    assert made.result.frame_pattern.endswith(f"/frame_%06d.{ending}")
    for file, whole in zip(made.frames, plain.frames, strict=True):
        image = Image.open(BytesIO(file))
        assert (image.format, image.mode) == MODES[kind]
        assert image.size == (WIDTH, HEIGHT)
        wanted = np.asarray(Image.open(BytesIO(whole)))
        if kind == "gray":
            light = Image.fromarray(wanted).convert("L")
            assert np.abs(np.asarray(image, int) - np.asarray(light)).max() <= 2
        else:
            assert psnr(np.asarray(image.convert("RGB")), wanted) >= 34


def test_frames_are_what_ffmpeg_scales(ran: dict[str, Ran], tools: Tools, film: Path) -> None:
    """To the last bit: PNG loses nothing."""
    program = str(tools.ffmpeg_program.path)
    words = ["-vf", f"fps=20,scale={WIDTH}:{HEIGHT},format=rgb24", "-f", "rawvideo", "-"]
    done = subprocess.run(
        [program, "-v", "error", "-i", film, *words], check=True, capture_output=True
    )
    raw = np.frombuffer(done.stdout, np.uint8).reshape(-1, HEIGHT, WIDTH, 3)
    frames = np.stack([readers.picture(file) for file in ran["png"].frames])
    assert np.array_equal(frames, raw)


def test_fewer_bytes_a_pixel_are_fewer_bytes(ran: dict[str, Ran]) -> None:
    size = {kind: sum(map(len, made.frames)) for kind, made in ran.items()}
    assert size["png8"] <= 0.3 * size["png"]
    assert size["gray"] <= 0.5 * size["png"]
    assert size["jpeg"] <= 0.3 * size["png"]


def test_a_palette_stays_for_a_scene(ran: dict[str, Ran]) -> None:
    palettes = [file[file.index(b"PLTE") :][:100] for file in ran["png8"].frames]
    assert len(set(palettes[20:])) == 1
    assert len(set(palettes)) <= 4
    assert len(set(ran["png8"].frames[22:])) <= 2  # nothing moves: nothing flickers


@pytest.mark.parametrize("kind", MODES)
def test_equal_frames_can_be_stored_once(
    ran: dict[str, Ran], tools: Tools, launcher: Launcher, film: Path, tmp_path: Path, kind: str
) -> None:
    made = Tools(tmp_path, launcher, tools.ffmpeg_program).video_frame(
        film, frame_format=kind, skip_duplicates=True, w=WIDTH, h=HEIGHT, fps=20
    )
    frames = ran[kind].frames
    assert made.result.total_frames == made.result.current_frames == 40
    assert made.frames == frames
    once = [frame for frame, _ in itertools.groupby(frames)]
    assert len(once) < 30
    folder = next(tmp_path.rglob("frames.index")).parent
    stored = sum(path.stat().st_size for path in folder.glob("*.pack"))
    assert stored == sum(4 + len(frame) for frame in once)
    with FrameReader(folder) as reader:
        pack = reader.pack(range(1, 41))
        sent = pack.header + b"".join(part.read() for part in pack.slices)
    assert sent == (40).to_bytes(4) + b"".join(len(frame).to_bytes(4) + frame for frame in frames)


@pytest.mark.parametrize("kind", MODES)
def test_pictures_that_start_late_are_led_in(tools: Tools, tmp_path: Path, kind: str) -> None:
    subprocess.run(
        [ffmpeg_program(), "-v", "error", "-f", "lavfi", "-i", "sine=d=2", "-itsoffset", "1",
         "-f", "lavfi", "-i", "testsrc2=s=64x48:r=10:d=1", "-map", "1:v", "-map", "0:a",
         "-c:v", "mpeg4", "-c:a", "aac", "-f", "matroska", tmp_path / "late"], check=True,
    )  # fmt: skip
    made = tools.video_frame(tmp_path / "late", frame_format=kind, fps=10, skip_duplicates=True)
    count = made.result.total_frames
    assert count == len(made.frames)
    assert 20 <= count <= 21
    assert len(set(made.frames[:10])) == 1  # the first picture is shown until the second comes
    assert len(set(made.frames)) == 10
