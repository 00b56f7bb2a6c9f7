"""Pictures that are shown for lengths of their own, and films whose pictures end before their
sound: what is made lasts as long as its source, and each picture has its time."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from support.media import made_files, readers
from support.media.making import COLORS, H264, Maker, tones
from support.product.outcomes import Refused, convert, daily, heard, seen, tried
from support.product.tools import Tools

# -- pictures that end before the sound ------------------------------------------------------------

CODED = {
    "mp4": [*H264, "-c:a", "aac"],
    "mkv": [*H264, "-c:a", "libmp3lame"],
    "webm": ["-c:v", "libvpx", "-pix_fmt", "yuv420p", "-c:a", "libopus"],
    "avi": ["-c:v", "mpeg4", "-q:v", "2", "-c:a", "libmp3lame"],
}
SECONDS = 3.0


def _song(make: Maker, kind: str, pictures: int) -> Path:
    """Red, and after half of the pictures blue, at 10 a second, while a tone is heard for 3 s."""
    half = pictures // 2
    graph = f"color=blue:s=64x48:r=10:d={(pictures - half) / 10:g}"
    if half:
        graph = f"color=red:s=64x48:r=10:d={half / 10:g}[a];{graph}[b];[a][b]concat"
    words = ["-f", "lavfi", "-i", graph, *tones([440], each=SECONDS)]
    return make(f"song-{pictures}.{kind}", *words, *CODED[kind])


@pytest.mark.parametrize(("way", "pictures"), [("frames", 1), ("32vid", 1), ("32vid", 10)])
@pytest.mark.parametrize("kind", daily(sorted(CODED), "mp4", "mkv"))
def test_the_last_picture_stays_while_the_sound_goes_on(
    tools: Tools, make: Maker, kind: str, pictures: int, way: str
) -> None:
    made = convert(tools, way, _song(make, kind, pictures))
    found, sound = seen(made), heard(made)
    assert sound is not None
    assert found.duration == pytest.approx(sound.duration, abs=0.11)
    assert found.duration == pytest.approx(SECONDS, abs=0.15)
    assert made.result.duration == pytest.approx(found.duration, abs=0.11)
    if way == "frames":
        assert made.result.total_frames == len(found.pictures)
    for second, color in ((0.2, "red" if pictures > 1 else "blue"), (0.8, "blue"), (2.8, "blue")):
        assert readers.near(readers.color(found.pictures[int(second * 10)]), COLORS[color], 14)


@pytest.mark.parametrize("kind", daily(sorted(CODED), "mp4"))
def test_frames_of_a_film_are_those_of_its_pictures(tools: Tools, make: Maker, kind: str) -> None:
    """Players ask for as many as are told, and wait for each that is not there."""
    made = convert(tools, "frames", _song(make, kind, 10))
    assert made.result.total_frames == pytest.approx(10, abs=1)
    assert made.result.duration == pytest.approx(1.0, abs=0.11)


@pytest.mark.parametrize("way", ["frames", "32vid"])
def test_sound_that_is_promised_but_not_there_holds_no_picture(
    tools: Tools, make: Maker, way: str
) -> None:
    """The header says 3 s, of which the first third is there."""
    whole = _song(make, "mkv", 10).read_bytes()
    source = make.by("torn.mkv", lambda path: path.write_bytes(whole[: len(whole) * 2 // 5]))
    made = convert(tools, way, source)
    found, sound = seen(made), heard(made)
    assert sound is not None
    assert sound.duration < 2
    assert found.duration == pytest.approx(sound.duration, abs=0.6)


# -- animations ------------------------------------------------------------------------------------

LENGTHS = (300, 100, 500, 500)
STRIPES = ("red", "lime", "blue", "yellow")


def _animation(path: Path, lengths: tuple[int, ...] = LENGTHS) -> None:
    pictures = [Image.new("RGB", (64, 48), color) for color in STRIPES]
    options = {"lossless": True} if path.suffix == ".webp" else {}
    if path.suffix == ".avif":
        options = {"quality": 95, "subsampling": "4:4:4"}
    kind = path.suffix[1:].upper()
    pictures[0].save(
        path, kind, save_all=True, append_images=pictures[1:], duration=list(lengths), **options
    )


@pytest.mark.parametrize(
    "way",
    daily(
        ["mp4", "webm", "avi", "webp", "gif", "avif", "32vid", "bimg", "frames"],
        "mp4", "webp", "32vid",
    ),
)  # fmt: skip
@pytest.mark.parametrize("kind", daily(["gif", "png", "webp", "avif"], "gif", "avif"))
def test_pictures_keep_lengths_of_their_own(tools: Tools, make: Maker, kind: str, way: str) -> None:
    made = tried(tools, way, make.by(f"uneven.{kind}", _animation))
    if isinstance(made, Refused):  # ffmpeg 5 does not read WebP that moves
        assert (tools.ffmpeg_program.major, kind) == (5, "webp"), made.message
        return
    found = seen(made)
    assert found.duration == pytest.approx(1.4, abs=0.03)
    assert made.result.duration == pytest.approx(1.4, abs=0.03)
    if way != "frames":
        assert made.result.frames == len(found.pictures)
    if way in ("mp4", "avi", "webm"):
        told = float(made_files.ffprobe(made.path)["format"]["duration"])
        assert told == pytest.approx(1.4, abs=0.03)
    for second, color in ((0.15, "red"), (0.35, "lime"), (0.6, "blue"), (1.3, "yellow")):
        at = max(n for n, start in enumerate(found.starts) if start <= second)
        assert readers.near(readers.color(found.pictures[at]), COLORS[color], 14), second


@pytest.mark.parametrize("way", ["mp4", "webp"])
def test_a_last_picture_may_stay_long(tools: Tools, make: Maker, way: str) -> None:
    source = make.by("long.gif", lambda path: _animation(path, (200, 200, 200, 2000)))
    made = convert(tools, way, source)
    assert seen(made).duration == pytest.approx(2.6, abs=0.03)
    assert made.result.duration == pytest.approx(2.6, abs=0.03)


@pytest.mark.parametrize("way", daily(["gif", "apng", "webp", "avif"], "gif"))
def test_the_clock_of_an_animation_is_not_its_rate(tools: Tools, make: Maker, way: str) -> None:
    """Half transparent WebP: ffmpeg tells a thousand pictures a second."""

    def write(path: Path) -> None:
        pictures = [Image.new("RGBA", (64, 48), color) for color in ("red", "blue")]
        for picture in pictures:
            picture.paste((0, 255, 0, 0), (32, 0, 64, 48))
        pictures[0].save(
            path, "WEBP", save_all=True, append_images=pictures[1:], duration=500, lossless=True
        )

    made = tried(tools, way, make.by("half.webp", write))
    if isinstance(made, Refused):
        assert tools.ffmpeg_program.major == 5
        return
    assert len(seen(made).pictures) == made.result.frames == 2


def test_a_gif_of_one_picture_stays_one(tools: Tools, make: Maker) -> None:
    def write(path: Path) -> None:
        Image.effect_noise((64, 48), 90).save(path, "GIF")

    made = convert(tools, "gif", make.by("noise.gif", write))
    assert len(readers.pillow(made.path)) == made.result.frames == 1


# -- slow films ------------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [1, 5])
def test_a_moment_at_the_end_is_no_picture_of_its_own(tools: Tools, make: Maker, fps: int) -> None:
    """Matroska's times are some milliseconds late where sound has a lead-in."""
    source = make(
        "slow.mkv", "-f", "lavfi", "-i", "color=red:s=64x48:r=10:d=3", *tones([440], each=3.0),
        *H264, "-c:a", "libopus",
    )  # fmt: skip
    made = convert(tools, "frames", source, fps=fps)
    assert len(made.frames) == made.result.total_frames == 3 * fps


def test_seldom_pictures_are_in_step(tools: Tools, make: Maker) -> None:
    """Pictures come after 0, 0.5, 1.2 and 1.9 s, the last for a tenth."""
    graph = "color=red:s=64x48:r=10:d=1.2[a];color=blue:s=64x48:r=10:d=1.2[b];[a][b]concat"
    picked = "select='eq(n,0)+eq(n,5)+eq(n,12)+eq(n,19)'"
    source = make(
        "seldom.mp4", "-f", "lavfi", "-i", graph, *tones([440], each=2.4),
        "-vf", picked, "-fps_mode", "vfr", *H264, "-c:a", "aac",
    )  # fmt: skip
    found = seen(convert(tools, "32vid", source))
    blue = next(
        start
        for start, picture in zip(found.starts, found.pictures, strict=True)
        if readers.near(readers.color(picture), COLORS["blue"], 14)
    )
    assert blue == pytest.approx(1.2, abs=0.1)
    assert found.duration == pytest.approx(2.0, abs=0.15)


# -- the look that is a caller's ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["-vf", "scale=64:48"], True),
        (["-s", "64x48"], True),
        (["-c:v", "copy"], False),
        (["-vf", "format=gbrpf32le,tonemap=clip,format=yuv420p"], False),
    ],
)
def test_hdr_that_is_not_mapped_is_told(
    tools: Tools, make: Maker, args: list[str], told: bool
) -> None:
    pq = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"
    graph = f"color=gray:s=64x48:r=10:d=0.5,format=yuv420p10le,{pq}"
    tags = "log-level=none:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc"
    source = make(
        "pq-small.mp4", "-f", "lavfi", "-i", graph,
        "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", tags,
    )  # fmt: skip
    made = convert(tools, "mp4", source, args=args)
    assert any("not mapped" in sentence for sentence in made.warnings) is told
