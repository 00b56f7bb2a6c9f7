"""Commands, runs, headers and failures with real ffmpeg programs: the bundled one and, where
there is one, the system's."""

import functools
import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gmapi.errors import JobCancelled, LimitError, MediaError, SettingsError
from gmapi.media import failures, probe
from gmapi.media.binaries import Ffmpeg, inspect
from gmapi.media.formats import OUTPUT_FORMATS, output_format
from gmapi.media.process import PROGRESS_FD, Finished, Watch, run
from gmapi.media.progress import Progress
from gmapi.media.sound import prepared
from gmapi.media.transcode import transcode
from gmapi.sandbox.launcher import Grants, Launcher
from gmapi.sandbox.limits import Limits
from support.media.files import ffmpeg_program
from support.media.selected import selected
from support.product.outcomes import daily_rows

BOTH = functools.partial(pytest.param, marks=pytest.mark.both_ffmpegs)
"""A parameter with which the system's program runs every day, too."""
PIXELS = 40_000_000
PLAIN = {"song", "mono", "film", "mute", "still", "covered", "turned", "whole"}


@pytest.fixture(scope="module")
def media(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small sources; without extensions, as the server keeps them."""
    folder = tmp_path_factory.mktemp("media")

    def make(name: str, *words: str) -> None:
        subprocess.run(
            [ffmpeg_program(), "-hide_banner", "-nostdin", "-loglevel", "error", *words, name],
            cwd=folder,
            check=True,
            stderr=subprocess.DEVNULL,
        )

    picture = ("-f", "lavfi", "-i", "testsrc=s=65x47:r=25:d=2")
    sound = ("-f", "lavfi", "-i", "aevalsrc=0.5*sin(2765*t)|0.3*sin(5529*t):d=3:s=44100")
    make("song", *sound, "-f", "wav")
    make("mono", "-f", "lavfi", "-i", "sine=d=2:r=44100", "-f", "wav")
    make("film", *picture, *sound, "-c:v", "mpeg4", "-f", "matroska")
    make("mute", *picture, "-c:v", "mpeg4", "-f", "matroska")
    make("still", *picture, "-frames:v", "1", "-c:v", "png", "-f", "image2pipe")
    cover = ("-map", "0", "-map", "1", "-c:v", "png", "-disposition:v", "attached_pic")
    make("covered", *sound, "-f", "png_pipe", "-i", "still", *cover, "-f", "mp3")
    make("turned", "-display_rotation", "90", "-i", "film", "-c", "copy", "-an", "-f", "mp4")
    make("whole", *picture, *sound, "-c:v", "mpeg4", "-c:a", "aac", "-f", "mp4")
    (folder / "torn").write_bytes((folder / "whole").read_bytes()[:2000])
    (folder / "page").write_text("<html>hello</html>")
    (folder / "list").write_text("ffconcat version 1.0\nfile song\n")
    (folder / "empty").touch()
    return folder


Convert = Callable[..., Path]


@pytest.fixture
def convert(launcher: Launcher, ffmpeg: Ffmpeg, media: Path, tmp_path: Path) -> Convert:
    """Do what the ffmpeg tool does: build, run, check."""

    def convert(
        source: str,
        name: str,
        args: Sequence[str] = (),
        input_args: Sequence[str] = (),
        pixels: int = PIXELS,
        limits: Limits | None = None,
        reports: list[Progress] | None = None,
    ) -> Path:
        target = output_format(name, ffmpeg)
        output = tmp_path / f"result.{target.extension}"
        output.unlink(missing_ok=True)
        chosen = selected(str(ffmpeg.path), media / source) if source in PLAIN else None
        words, given = prepared(input_args, args, target, clocked=False)
        argv = transcode(
            ffmpeg, [media / source], words, given, target, output,
            chosen=chosen, length=chosen and chosen.length,
            max_pixels=pixels, progress_fd=PROGRESS_FD,
        )  # fmt: skip
        finished = run(
            launcher, argv, cwd=tmp_path, limits=limits or Limits(),
            watch=Watch([tmp_path], 1 << 30, 100, 60.0),
            grants=Grants((media / source,), (tmp_path,)),
            on_progress=(reports if reports is not None else []).append,
            hide=[tmp_path, media],
        )  # fmt: skip
        failures.check(finished, [output], context=failures.Context(target, pixels))
        return output

    return convert


@pytest.fixture(scope="module")
def bundled(launcher: Launcher) -> Ffmpeg:
    """The program that looks at what any of them has made: it starts in a fifth of the time."""
    return inspect(launcher, Path(ffmpeg_program()))


def streams(launcher: Launcher, bundled: Ffmpeg, path: Path) -> list[tuple[str, str]]:
    info = probe.probe(launcher, bundled, path, path.parent)
    return [(stream.kind, stream.codec) for stream in info.streams]


@pytest.mark.both_ffmpegs
def test_inspect(ffmpeg: Ffmpeg) -> None:
    assert ffmpeg.major is not None
    assert ffmpeg.major >= 5
    assert {"dfpwm", "mp4", "matroska", "webm", "image2pipe", "framecrc"} <= ffmpeg.muxers
    assert {"dfpwm", "png", "libx264", "libmp3lame", "pcm_u8"} <= ffmpeg.encoders
    assert not {"=", "lavfi", "concat"} & ffmpeg.muxers


def test_inspect_refuses_another_program(launcher: Launcher, tmp_path: Path) -> None:
    other = shutil.which("true")
    assert other
    with pytest.raises(SettingsError, match="does not answer like ffmpeg"):
        inspect(launcher, Path(other))
    with pytest.raises(SettingsError, match="cannot be started"):
        inspect(launcher, tmp_path / "missing")


def test_the_bundled_program_writes_every_format(bundled: Ffmpeg) -> None:
    for name in OUTPUT_FORMATS:
        output_format(name, bundled)


# Client contract F1: the requests that existing programs send, and none at all.
@pytest.mark.parametrize(
    "args",
    [
        [],
        ["-vn", "-ar", "48000", "-ac", "1"],
        ["-vn", "-ar", "48000", "-filter_complex", "pan=mono|c0=FL"],
        ["-vn", "-ar", "48000", "-filter_complex", "pan=mono|c0=FR"],
        ["-af", "volume=0.5"],
    ],
)
@pytest.mark.parametrize(("source", "seconds"), [BOTH("film", 3), ("song", 3), ("mono", 2)])
def test_dfpwm_is_6000_bytes_a_second(
    convert: Convert, source: str, seconds: int, args: list[str]
) -> None:
    size = convert(source, "dfpwm", args).stat().st_size
    # Compressed sound may be longer by the codec's last, partly filled frame.
    assert seconds * 6000 <= size <= seconds * 6000 + (300 if source == "film" else 0)


def test_left_and_right_differ(convert: Convert) -> None:
    sides = [
        convert("song", "dfpwm", ["-filter_complex", f"pan=mono|c0={side}"]).read_bytes()
        for side in ("FL", "FR")
    ]
    assert sides[0] != sides[1]


AUDIO = ("mp3", "ogg", "flac", "wav", "opus", "m4a", "aac", "mka", "wma")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        *(BOTH("film", name) for name in AUDIO),
        *daily_rows((("covered", name) for name in AUDIO), ("covered", "mp3"), ("covered", "m4a")),
    ],
)
def test_audio_formats_take_no_pictures(
    convert: Convert, launcher: Launcher, bundled: Ffmpeg, source: str, name: str
) -> None:
    assert [kind for kind, _ in streams(launcher, bundled, convert(source, name))] == ["audio"]


VIDEO = ("mp4", "mov", "mkv", "webm", "avi", "flv", "ts", "mpg", "3gp")


@pytest.mark.parametrize(
    ("source", "name"),
    [
        *(BOTH("film", name) for name in VIDEO),
        *daily_rows(
            ((source, name) for source in ("covered", "still") for name in VIDEO),
            *((source, name) for source in ("covered", "still") for name in ("mp4", "mkv", "ts")),
        ),
    ],
)
def test_plain_video_of_odd_size_works(
    convert: Convert, launcher: Launcher, bundled: Ffmpeg, source: str, name: str
) -> None:
    output = convert(source, name)
    info = probe.probe(launcher, bundled, output, output.parent)
    video = info.first("video")
    assert video is not None
    assert (video.width, video.height) == (64, 46)
    assert (info.first("audio") is None) == (source == "still")


@pytest.mark.parametrize("name", ["mp4", "mkv"])
def test_sound_alone_fits_in_video_formats(
    convert: Convert, launcher: Launcher, bundled: Ffmpeg, name: str
) -> None:
    output = convert("song", name)
    assert [kind for kind, _ in streams(launcher, bundled, output)] == ["audio"]


def test_copying_is_left_alone(convert: Convert, launcher: Launcher, bundled: Ffmpeg) -> None:
    output = convert("film", "mp4", ["-c:v", "copy", "-an"])
    assert streams(launcher, bundled, output) == [("video", "mpeg4")]


@pytest.mark.parametrize(
    ("name", "magic"),
    [("png", b"\x89PNG"), ("jpg", b"\xff\xd8\xff"), ("bmp", b"BM"), ("tiff", b"II*\0")],
)
@pytest.mark.parametrize("source", [BOTH("film"), "covered", "still"])
def test_stills_are_one_picture(convert: Convert, source: str, name: str, magic: bytes) -> None:
    output = convert(source, name)
    assert output.read_bytes().startswith(magic)
    assert [path.name for path in output.parent.iterdir()] == [output.name]


@pytest.mark.both_ffmpegs
@pytest.mark.parametrize("name", ["gif", "apng", "webp"])
def test_pictures_move_when_the_source_does(convert: Convert, name: str) -> None:
    moving = convert("film", name).stat().st_size
    assert moving > 3 * convert("still", name).stat().st_size


@pytest.mark.both_ffmpegs
def test_part_of_a_source_and_progress(convert: Convert) -> None:
    reports: list[Progress] = []
    output = convert("song", "u8", ["-t", "1", "-ar", "8000"], ["-ss", "1.5"], reports=reports)
    assert output.stat().st_size == 16_000
    assert reports[-1].finished
    assert reports[-1].out_time == pytest.approx(1.0, abs=0.05)
    assert reports[-1].total_size == 16_000


@pytest.mark.both_ffmpegs
def test_probe(launcher: Launcher, ffmpeg: Ffmpeg, media: Path) -> None:
    film = probe.probe(launcher, ffmpeg, media / "film", media)
    assert film.duration == pytest.approx(3.0, abs=0.1)
    video, audio = film.streams
    assert (video.kind, video.codec, video.width, video.height) == ("video", "mpeg4", 65, 47)
    assert video.fps == 25
    assert video.duration == pytest.approx(2.0, abs=0.1)
    assert (audio.kind, audio.sample_rate, audio.channels) == ("audio", 44100, 2)
    turned = probe.probe(launcher, ffmpeg, media / "turned", media).first("video")
    assert turned is not None
    assert (turned.width, turned.height) == (47, 65)
    covered = probe.probe(launcher, ffmpeg, media / "covered", media)
    assert covered.first("video") is None
    assert any(stream.attached_picture for stream in covered.streams)


@pytest.mark.both_ffmpegs
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("page", "not media"),
        ("empty", "not media"),
        ("torn", "incomplete MP4"),
        ("list", "a kind of file that this server does not read"),
    ],
)
def test_probe_says_what_is_wrong(
    launcher: Launcher, ffmpeg: Ffmpeg, media: Path, source: str, words: str
) -> None:
    with pytest.raises(MediaError, match=words):
        probe.probe(launcher, ffmpeg, media / source, media)


# Source, format, arguments, and what the sentence must say; both programs must agree.
REFUSALS: list[tuple[str, str, list[str], str]] = [
    ("mute", "mp3", [], "the source has no sound"),
    ("song", "png", [], "the source has no picture"),
    ("film", "srt", [], "the source has no subtitles"),
    ("song", "mp4", ["-map", "0:v:0"], "the source has no video: -map 0:v:0"),
    ("mute", "mp4", ["-map", "0:a"], "the source has no sound: -map 0:a"),
    ("song", "mp4", ["-filter_complex", "[0:v]hflip[o]", "-map", "[o]"], "the source has no video"),
    ("torn", "mp3", [], "incomplete MP4"),
    ("page", "mp3", [], "not media"),
    ("list", "mp3", [], "a kind of file that this server does not read"),
    ("song", "wav", ["-c:a", "libopus"], "codec cannot be stored in the format"),
    ("whole", "webm", ["-c", "copy"], "Only VP8 or VP9"),
    ("song", "wav", ["-c:a", "nosuch"], "no encoder nosuch"),
    ("song", "wav", ["-ar", "abc"], "-ar needs a number, not abc"),
    ("song", "wav", ["-nosuch", "3"], "no option -nosuch"),
    ("song", "wav", ["-t", "12:99"], "-t needs a time .*, not 12:99"),
    ("song", "opus", ["-ar", "44123"], "cannot have 44123 samples"),
    ("film", "mp4", ["-vf", "scale=33:33"], "33x33.*even"),
    ("film", "mp4", ["-vf", "crop=1000:1000"], "crop cannot cut 1000x1000"),
    ("film", "mp4", ["-preset", "nosuch"], "no preset nosuch"),
    ("film", "mp4", ["-b:v", "12zz"], "-b cannot be 12zz"),
    ("film", "mp4", ["-r", "0"], "-r needs"),
    ("film", "mp4", ["-s", "5x"], "-s needs a size such as 640x360, not 5x"),
    ("film", "mp4", ["-pix_fmt", "nosuch"], "pixel format nosuch"),
    ("film", "mp4", ["-c:v", "copy", "-vf", "hflip"], "filters cannot be used together with -c"),
    ("film", "mp4", ["-vf", "scale=foo=3"], "no option foo"),
    ("film", "mp4", ["-vf", "nosuch"], "no filter nosuch"),
    ("song", "mp3", ["-ss", "100"], "nothing was written"),
]


@pytest.mark.both_ffmpegs
@pytest.mark.parametrize(
    ("source", "name", "args", "words"), REFUSALS, ids=[" ".join(case[2]) or case[0] + "-" + case[1]
                                                       for case in REFUSALS]
)  # fmt: skip
def test_failures_have_a_sentence(
    convert: Convert, media: Path, source: str, name: str, args: list[str], words: str
) -> None:
    with pytest.raises(MediaError, match=f"(?i){words}") as caught:
        convert(source, name, args)
    assert str(media) not in caught.value.message
    assert caught.value.message.isprintable()


@pytest.mark.both_ffmpegs
def test_picture_beyond_the_limit(convert: Convert) -> None:
    with pytest.raises(LimitError, match="65x47 pixels is larger than the limit of 1,000"):
        convert("film", "mp4", pixels=1000)


def test_file_beyond_the_kernel_limit(convert: Convert) -> None:
    with pytest.raises(LimitError, match="grew beyond"):
        convert("song", "wav", limits=Limits(file_size=50_000))


def test_processor_time_beyond_the_limit(convert: Convert) -> None:
    busy = ["-vf", "scale=1920:1080,gblur=sigma=50:steps=6", "-c:v", "libx264"]
    with pytest.raises(LimitError, match="processor time"):
        convert("film", "mp4", busy, limits=Limits(cpu_seconds=1))


ENDLESS = ["-f", "lavfi", "-i", "testsrc=s=320x240", "-f", "rawvideo"]


def descriptors() -> set[str]:
    return set(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else set()


def working_folders() -> list[str]:
    """Those of all processes."""
    folders = []
    for entry in Path("/proc").glob("[0-9]*/cwd"):
        try:
            folders.append(os.readlink(entry))
        except OSError:
            continue
    return folders


def endless(launcher: Launcher, folder: Path, output: str, **more: object) -> Finished:
    argv = [ffmpeg_program(), "-hide_banner", "-nostdin", "-y", "-progress", f"pipe:{PROGRESS_FD}"]
    grants = Grants(write=(folder,))
    options: dict[str, object] = {"watch": None, "limits": Limits(), "grants": grants, **more}
    return run(launcher, [*argv, *ENDLESS, output], cwd=folder, **options)  # type: ignore[arg-type]


def test_cancelling_kills_at_once_and_closes_everything(launcher: Launcher, tmp_path: Path) -> None:
    before = descriptors()
    asked = threading.Event()

    def cancelled() -> None:
        if asked.is_set():
            raise JobCancelled

    with pytest.raises(JobCancelled):
        endless(
            launcher, tmp_path, "out.raw", cancelled=cancelled,
            on_progress=lambda progress: asked.set(),
        )  # fmt: skip
    assert (tmp_path / "out.raw").stat().st_size > 0
    assert str(tmp_path) not in working_folders()
    assert descriptors() == before


def test_a_failing_callback_stops_the_run(launcher: Launcher, tmp_path: Path) -> None:
    before = descriptors()

    def full(data: bytes) -> None:
        raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        endless(launcher, tmp_path, "pipe:1", stdout=full)
    with pytest.raises(FileNotFoundError):
        run(launcher, ["/nonexistent/program"], cwd=tmp_path, limits=Limits(), watch=None)
    assert descriptors() == before


def test_limits_of_a_run(launcher: Launcher, tmp_path: Path) -> None:
    with pytest.raises(LimitError, match="beyond 4 MiB, the limit"):
        endless(launcher, tmp_path, "out.raw", watch=Watch([tmp_path], 4 << 20, 10, 60.0))
    with pytest.raises(LimitError, match=r"longer than 0\.3 seconds"):
        endless(launcher, tmp_path, "out.raw", watch=Watch([], 0, 0, 0.3))
    for number in range(4):
        (tmp_path / str(number)).touch()
    with pytest.raises(LimitError, match="more than 3 files"):
        endless(launcher, tmp_path, "out.raw", watch=Watch([tmp_path], 1 << 40, 3, 60.0))


def test_lines_are_clean_and_a_flood_does_not_block(tmp_path: Path) -> None:
    script = tmp_path / "noise"
    script.write_text(
        "#!/bin/sh\n"
        f'echo "[mp4 @ 0x55aa] [error] file:{tmp_path}/in/x: {tmp_path}/out" >&2\n'
        "printf 'one\\rtwo\\033[31m\\0three\\r\\n' >&2\n"
        "head -c 3000000 /dev/zero | tr '\\0' 'x' >&2; echo >&2\n"
        'i=0; while [ $i -lt 2000 ]; do echo "line $i" >&2; i=$((i+1)); done\n'
        "printf '[info] no line end' >&2\n"
        "exit 3\n"
    )
    script.chmod(0o755)
    lines: list[str] = []
    with Launcher(locks=frozenset()) as launcher:  # the script starts other programs
        finished = run(
            launcher, [str(script)], cwd=tmp_path, limits=Limits(), watch=None,
            on_line=lines.append, hide=[tmp_path],
        )  # fmt: skip
    assert finished.returncode == 3
    assert lines[:3] == ["[mp4] in/x: out", "one", "two [31m three"]
    assert lines[3] == "x" * 1000
    assert lines[-1] == "no line end"
    assert len(lines) == 2005
    assert finished.tail[-2:] == ["line 1999", "[info] no line end"]
    assert len(finished.tail) == 64


def test_signals_are_told(launcher: Launcher, tmp_path: Path) -> None:
    script = tmp_path / "crash"
    script.write_text("#!/bin/sh\nkill -SEGV $$\n")
    script.chmod(0o755)
    finished = run(launcher, [str(script)], cwd=tmp_path, limits=Limits(), watch=None)
    assert finished.returncode == -11
    with pytest.raises(MediaError, match="crashed"):
        failures.check(finished, [])
