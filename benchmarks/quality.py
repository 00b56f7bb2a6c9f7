"""Quality of `best` pictures against the exact modes: `python benchmarks/quality.py`.

Prints a table in Markdown and, with `--write`, puts it into RESULTS.md. `--photos FOLDER` adds
clips made of astronaut.png, coffee.png,
rocket.jpg and chelsea.png, as found in scikit-image; `--numpy` adds the fallback's rows. All sizes
are of the same ANS coder. CPU is of the kernel alone: pixels to cells.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from clips import clips, photo_clip
from gmapi.computercraft.fallback import NumpyKernels
from gmapi.computercraft.kernels import ComposerSettings, Kernels
from gmapi.computercraft.native import load
from gmapi.computercraft.options import PALETTE_SIZE, Compression, Dither
from gmapi.computercraft.screen import U8, Screen
from quality_metrics import measure
from results import conditions, write_section

PHOTOS = {
    "portrait": "astronaut.png",
    "coffee": "coffee.png",
    "night launch": "rocket.jpg",
    "cat": "chelsea.png",
}
Mode = Callable[[list[U8]], list[Screen]]


def best(kernels: Kernels) -> Mode:
    """Our own pictures."""

    def run(pictures: list[U8]) -> list[Screen]:
        height, width = pictures[0].shape[:2]
        settings = ComposerSettings(width, height, still=len(pictures) == 1)
        composer = kernels.composer(settings)
        return [composer.compose(picture) for picture in pictures]

    return run


def exact(kernels: Kernels, *, kmeans: bool) -> Mode:
    """The reference's pictures: a palette of its own for each, error diffusion, cells."""

    def one(picture: U8) -> Screen:
        pixels = np.ascontiguousarray(picture[..., ::-1])
        flat = pixels.reshape(-1, 3)
        palette = kernels.kmeans(flat, 16) if kmeans else kernels.median_cut(flat)
        indexes = kernels.dither(pixels, palette, Dither.DIFFUSION)
        characters, colors = kernels.cells(indexes, palette, blocks_only=False)
        return Screen(characters, colors, np.ascontiguousarray(palette[:, ::-1]))

    return lambda pictures: [one(picture) for picture in pictures]


def main() -> None:
    """Measure all clips in all modes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--photos", type=Path, help="folder of photographs")
    parser.add_argument("--numpy", action="store_true", help="measure the fallback, too")
    parser.add_argument("--write", action="store_true", help="write to RESULTS.md")
    arguments = parser.parse_args()
    kernels = load()
    modes = {
        "exact, median cut": exact(kernels, kmeans=False),
        "exact, k-means": exact(kernels, kmeans=True),
        "best": best(kernels),
    }
    if arguments.numpy:
        modes["best, NumPy"] = best(NumpyKernels())
    lines = [
        "| clip | mode | PSNR dB | dE from afar | dE pixel | flicker | B/picture | CPU ms |",
        "|---|---|---|---|---|---|---|---|",
    ]
    print(*lines, sep="\n")
    for name, pictures in _all_clips(arguments.photos):
        for mode, run in modes.items():
            start = time.process_time()
            screens = run(pictures)
            spent = (time.process_time() - start) / len(pictures) * 1000
            figures = measure(pictures, screens)
            size = np.mean([_size(kernels, screen) for screen in screens])
            lines.append(
                f"| {name} | {mode} | {figures.psnr:.2f} | {figures.blurred:.2f} "
                f"| {figures.pixel:.2f} | {figures.flicker:.2f} | {size:,.0f} | {spent:.2f} |"
            )
            print(lines[-1], flush=True)
    if arguments.write:
        command = "python benchmarks/quality.py --write"
        command += " --numpy" * arguments.numpy + " --photos FOLDER" * bool(arguments.photos)
        write_section("quality", [conditions(command), "", *lines])


def _all_clips(photos: Path | None) -> Iterator[tuple[str, list[U8]]]:
    yield from clips()
    if photos is not None:
        for name, file in PHOTOS.items():
            yield name, photo_clip(photos / file)


def _size(kernels: Kernels, screen: Screen) -> int:
    coded = kernels.encode(screen.characters, screen.colors, Compression.ANS, None)
    return len(coded) + 3 * PALETTE_SIZE


if __name__ == "__main__":
    main()
