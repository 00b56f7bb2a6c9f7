"""Pictures, sound and counts for video in the game (client contract V1, V6, V8), with real
ffmpeg programs: the bundled one and, where there is one, the system's."""

import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from gmapi.media import failures, timing
from gmapi.media.binaries import Ffmpeg
from gmapi.media.pictures import frames
from gmapi.media.process import PROGRESS_FD, Watch, run
from gmapi.media.shapes import Fit, PictureSize
from gmapi.media.sound import dfpwm_channels
from gmapi.media.timing import picture_count, picture_times
from gmapi.sandbox.launcher import Grants, Launcher
from gmapi.sandbox.limits import Limits
from support.media.files import ffmpeg_program
from support.media.selected import selected

PIXELS = 40_000_000


def make(folder: Path, name: str, *words: str) -> Path:
    subprocess.run(
        [ffmpeg_program(), "-hide_banner", "-nostdin", "-loglevel", "error", "-y", *words, name],
        cwd=folder,
        check=True,
        stderr=subprocess.DEVNULL,
    )
    return folder / name


@dataclass(frozen=True)
class Image:
    """A picture of three bytes a pixel, red, green, blue."""

    width: int
    height: int
    data: bytes


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("media")
    film = ("-f", "lavfi", "-i", "testsrc=s=64x48:r=25:d=3")
    # Longer than the pictures: the container's duration misleads.
    sound = ("-f", "lavfi", "-i", "sine=d=6")
    x264 = ("-c:v", "libx264", "-pix_fmt", "yuv420p", "-bf", "2")
    make(folder, "mp4", *film, *sound, *x264, "-c:a", "aac", "-f", "mp4")
    make(folder, "mkv", *film, *sound, *x264, "-f", "matroska")
    make(folder, "webm", *film, *sound, "-c:v", "libvpx", "-c:a", "libopus", "-f", "webm")
    make(folder, "avi", *film, *sound, "-c:v", "mpeg4", "-c:a", "mp3", "-f", "avi")
    make(folder, "ts", *film, *sound, *x264, "-c:a", "aac", "-f", "mpegts")
    make(folder, "mpg", *film, *sound, "-f", "mpeg")
    make(folder, "gif", *film, "-f", "gif")
    make(folder, "h264", *film, *x264, "-f", "h264")
    make(folder, "fragments", *film, *x264, "-movflags", "frag_keyframe+empty_moov", "-f", "mp4")
    uneven = ("-vf", "select='not(mod(n,7))+lt(n,10)',settb=1/1000", "-fps_mode", "vfr")
    make(folder, "uneven_mp4", *film, *uneven, *x264, "-f", "mp4")
    make(folder, "uneven_mkv", *film, *uneven, *x264, "-f", "matroska")
    make(folder, "slow", "-f", "lavfi", "-i", "testsrc=s=64x48:r=1:d=4", *x264, "-f", "mp4")
    make(folder, "edited", "-ss", "1.3", "-i", "mp4", "-c", "copy", "-f", "mp4")
    make(
        folder, "late", "-itsoffset", "1", "-i", "mp4", "-i", "mp4",
        "-map", "0:v", "-map", "1:a", "-c", "copy", "-f", "matroska",
    )  # fmt: skip
    make(folder, "still", *film, "-frames:v", "1", "-c:v", "png", "-f", "image2pipe")
    return folder


Pictures = Callable[..., list[Image]]


@pytest.fixture
def pictures(launcher: Launcher, ffmpeg: Ffmpeg, tmp_path: Path) -> Pictures:
    def pictures(
        source: Path, width: int | None = None, height: int | None = None, mode: str = "fit",
        **options: object,
    ) -> list[Image]:  # fmt: skip
        chosen = selected(ffmpeg.path, source)
        assert chosen.size is not None
        size = PictureSize.inside(width, height, chosen.size)
        if mode != "fit" and width is not None and height is not None:
            fit: Fit = "stretch" if mode == "stretch" else "contain"
            size = PictureSize.fitted(width, height, chosen.size, fit)
        argv = frames(
            ffmpeg, chosen, size, **{"fps": 20, **options},  # type: ignore[arg-type]
            times=picture_times(launcher, ffmpeg, chosen, cwd=tmp_path),
            max_pixels=PIXELS, progress_fd=PROGRESS_FD,
        )  # fmt: skip
        data = bytearray()
        finished = run(
            launcher, argv, cwd=tmp_path, limits=Limits(), watch=Watch([], 0, 0, 60.0),
            stdout=data.extend, grants=Grants((source,)),
        )  # fmt: skip
        failures.check(finished, [])
        each = size.width * size.height * 3
        assert len(data) % each == 0
        return [
            Image(size.width, size.height, bytes(data[at : at + each]))
            for at in range(0, len(data), each)
        ]

    return pictures


def size(image: Image) -> tuple[int, int]:
    return image.width, image.height


def pixels(image: Image) -> list[list[tuple[int, int, int]]]:
    samples = iter(image.data)
    flat = list(zip(samples, samples, samples, strict=True))
    return [flat[at : at + image.width] for at in range(0, len(flat), image.width)]


@pytest.mark.parametrize(
    ("width", "height", "mode", "expected"),
    [
        (100, 50, "pad", (100, 50)),
        pytest.param(33, 77, "pad", (33, 77), marks=pytest.mark.both_ffmpegs),
        (100, 51, "stretch", (100, 51)),
        (100, 50, "fit", (67, 50)),
        pytest.param(30, 100, "fit", (30, 23), marks=pytest.mark.both_ffmpegs),
        (32, None, "fit", (32, 24)),
        (None, 24, "fit", (32, 24)),
        (None, None, "fit", (64, 48)),
        (1, 100, "fit", (1, 1)),
    ],
)
def test_sizes(
    pictures: Pictures,
    media: Path,
    width: int | None,
    height: int | None,
    mode: str,
    expected: tuple[int, int],
) -> None:
    files = pictures(media / "mp4", width=width, height=height, mode=mode, duration=0.3, fps=10)
    assert len(files) == 3
    assert {size(file) for file in files} == {expected}


def test_the_picture_is_centred_on_black(pictures: Pictures, tmp_path: Path) -> None:
    source = make(tmp_path, "in", "-f", "lavfi", "-i", "color=white:s=20x20", "-frames:v", "1",
                  "-c:v", "png", "-f", "image2pipe")  # fmt: skip
    (file,) = pictures(source, width=30, height=10, mode="pad")
    black, white = (0, 0, 0), (255, 255, 255)
    for row in pixels(file):
        assert row == [black] * 10 + [white] * 10 + [black] * 10


SEE_THROUGH = "color=red@0.5:s=16x16,format=rgba,drawbox=w=8:h=16:c=white@0:replace=1:t=fill"


@pytest.mark.both_ffmpegs
def test_transparent_is_black(pictures: Pictures, tmp_path: Path) -> None:
    source = make(tmp_path, "in", "-f", "lavfi", "-i", SEE_THROUGH, "-frames:v", "1",
                  "-c:v", "png", "-f", "image2pipe")  # fmt: skip
    (file,) = pictures(source)
    row = pixels(file)[8]
    assert row[2] == (0, 0, 0)
    red, green, blue = row[13]
    assert abs(red - 127) <= 2
    assert (green, blue) == (0, 0)
    # What is not to be seen has no part in what is beside it.
    (small,) = pictures(source, width=4, height=4, mode="stretch")
    assert all(max(green, blue) <= 2 for red, green, blue in pixels(small)[1])


@pytest.mark.both_ffmpegs
def test_transparent_is_black_in_palettes_too(
    pictures: Pictures, screen_media: Callable[[str], Path]
) -> None:
    """The left half of this picture is not to be seen and white underneath."""
    source = screen_media("half_there_palette.png")
    (file,) = pictures(source)
    row = pixels(file)[10]
    assert set(row[:18]) == {(0, 0, 0)}
    assert min(min(pixel) for pixel in row[22:]) > 200


@pytest.mark.both_ffmpegs
def test_shape_of_pixels_and_rotation_are_respected(pictures: Pictures, tmp_path: Path) -> None:
    make(tmp_path, "flat", "-f", "lavfi", "-i", "testsrc=s=64x48:r=5:d=1,setsar=2/1",
         "-c:v", "libx264", "-pix_fmt", "yuv420p", "-f", "mp4")  # fmt: skip
    assert size(pictures(tmp_path / "flat")[0]) == (128, 48)
    assert size(pictures(tmp_path / "flat", width=64, height=64)[0]) == (64, 24)
    make(tmp_path, "turned", "-display_rotation", "90", "-i", "flat", "-c", "copy", "-f", "mp4")
    assert size(pictures(tmp_path / "turned", width=64, height=64)[0]) == (24, 64)


SOURCES = [
    "mp4", "mkv", "webm", "avi", "ts", "mpg", "gif", "h264", "fragments", "uneven_mp4",
    "uneven_mkv", "slow", "edited", "late", "still",
]  # fmt: skip
WITH_BOTH = ("mp4", "mpg", "gif", "h264", "uneven_mkv", "edited", "late")
"""Those that the system's program is asked every day, too: of each way to know times one."""


@pytest.mark.parametrize("fps", [20, 7])
@pytest.mark.parametrize(
    "source",
    [
        pytest.param(name, marks=pytest.mark.both_ffmpegs(fps=20) if name in WITH_BOTH else ())
        for name in SOURCES
    ],
)
def test_frame_count_is_known_before(
    launcher: Launcher, ffmpeg: Ffmpeg, pictures: Pictures, media: Path, source: str, fps: int
) -> None:
    count = picture_count(
        picture_times(launcher, ffmpeg, selected(ffmpeg.path, media / source), cwd=media), fps
    )
    truth = len(pictures(media / source, fps=fps, width=8, height=8))
    assert count is not None
    # V1 allows ten too many and any number too few; this is what is measured.
    few = fps / 2 if ffmpeg.major == 5 else 3 * fps / 20
    assert truth - few - 1 <= count <= truth + 1


@pytest.mark.both_ffmpegs
def test_frame_count_of_a_part(
    launcher: Launcher, ffmpeg: Ffmpeg, pictures: Pictures, media: Path
) -> None:
    part = {"start": 1.2, "duration": 1.0}
    chosen = selected(ffmpeg.path, media / "mkv")
    times = picture_times(launcher, ffmpeg, chosen, cwd=media, **part)
    count = picture_count(times, 20, part["duration"])
    assert count == len(pictures(media / "mkv", **part)) == 20
    rest = picture_times(
        launcher, ffmpeg, selected(ffmpeg.path, media / "mkv"), cwd=media, start=2.0
    )
    assert picture_count(rest, 20) == pytest.approx(20, abs=1)


@pytest.mark.both_ffmpegs
def test_pictures_keep_time_with_sound_that_starts_first(pictures: Pictures, media: Path) -> None:
    files = pictures(media / "late")
    assert 80 <= len(files) <= 81
    assert len(set(files[:20])) == 1  # the first picture is shown until the second comes


Channels = Callable[..., dict[str, bytes]]


@pytest.fixture
def channels(launcher: Launcher, ffmpeg: Ffmpeg, tmp_path: Path) -> Channels:
    def channels(source: Path, names: tuple[str, ...] = ("mono", "left", "right"),
                 **part: float) -> dict[str, bytes]:  # fmt: skip
        outputs = {name: tmp_path / f"{name}.dfpwm" for name in names}
        argv = dfpwm_channels(
            ffmpeg, selected(ffmpeg.path, source), outputs,  # type: ignore[arg-type]
            max_pixels=PIXELS, progress_fd=PROGRESS_FD, **part,  # type: ignore[arg-type]
        )  # fmt: skip
        finished = run(
            launcher, argv, cwd=tmp_path, limits=Limits(),
            watch=Watch([tmp_path], 1 << 26, 100, 60.0), grants=Grants((source,), (tmp_path,)),
        )  # fmt: skip
        failures.check(finished, list(outputs.values()))
        return {name: path.read_bytes() for name, path in outputs.items()}

    return channels


def sound(folder: Path, expression: str, layout: str, rate: int = 44100) -> Path:
    return make(folder, "sound", "-f", "lavfi", "-i",
                f"aevalsrc={expression}:c={layout}:d=2:s={rate}", "-f", "wav")  # fmt: skip


def loudness(channels: Channels, ffmpeg: Ffmpeg, data: bytes, folder: Path) -> float:
    """Mean distance from silence of DFPWM sound, decoded by ffmpeg."""
    (folder / "x").write_bytes(data)
    decoded = subprocess.run(
        [ffmpeg_program(), "-loglevel", "error", "-f", "dfpwm", "-sample_rate", "48000",
         "-ch_layout", "mono", "-i", folder / "x", "-f", "u8", "-"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    return sum(abs(value - 128) for value in decoded) / len(decoded)


def test_one_channel_gives_the_same_everywhere(channels: Channels, tmp_path: Path) -> None:
    got = channels(sound(tmp_path, "0.5*sin(2765*t)", "mono"))
    assert got["mono"] == got["left"] == got["right"]
    assert len(got["mono"]) == 12_000


@pytest.mark.both_ffmpegs
def test_two_channels_are_kept_apart(channels: Channels, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    got = channels(sound(tmp_path, "0.8*sin(2765*t)|0", "stereo"))
    loud = {name: loudness(channels, ffmpeg, data, tmp_path) for name, data in got.items()}
    assert {len(data) for data in got.values()} == {12_000}
    assert loud["left"] > 1.5 * loud["mono"] > 10 * loud["right"]


@pytest.mark.both_ffmpegs
def test_six_channels_are_mixed_down(channels: Channels, ffmpeg: Ffmpeg, tmp_path: Path) -> None:
    # Speech is in the centre channel, the third one: both sides must have it.
    got = channels(sound(tmp_path, "0|0|0.8*sin(2765*t)|0|0|0", "5.1", 48000))
    loud = {name: loudness(channels, ffmpeg, data, tmp_path) for name, data in got.items()}
    assert loud["left"] == pytest.approx(loud["right"], rel=0.05)
    assert min(loud.values()) > 5


@pytest.mark.both_ffmpegs
def test_sound_that_starts_late_begins_with_silence(
    channels: Channels, ffmpeg: Ffmpeg, tmp_path: Path
) -> None:
    make(tmp_path, "film", "-f", "lavfi", "-i", "testsrc=s=16x16:r=5:d=3", "-itsoffset", "1",
         "-f", "lavfi", "-i", "sine=d=2:r=48000", "-c:v", "mpeg4", "-c:a", "pcm_s16le",
         "-f", "matroska")  # fmt: skip
    (got,) = channels(tmp_path / "film", names=("mono",)).values()
    assert abs(len(got) - 18_000) <= 12
    assert loudness(channels, ffmpeg, got[600:5400], tmp_path) < 1


@pytest.mark.both_ffmpegs
def test_part_of_the_sound(channels: Channels, media: Path) -> None:
    got = channels(media / "mkv", names=("left",), start=1.0, duration=2.5)
    assert set(got) == {"left"}
    assert abs(len(got["left"]) - 15_000) <= 12


def test_pictures_beyond_those_that_are_kept_are_counted(
    launcher: Launcher, ffmpeg: Ffmpeg, media: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_of_them = picture_times(launcher, ffmpeg, selected(ffmpeg.path, media / "mp4"), cwd=media)
    monkeypatch.setattr(timing, "PICTURES_MAX", 10)
    times = picture_times(launcher, ffmpeg, selected(ffmpeg.path, media / "mp4"), cwd=media)
    assert len(times.starts) == 10 < times.count == all_of_them.count
    assert times.end == pytest.approx(all_of_them.end, abs=0.1)
