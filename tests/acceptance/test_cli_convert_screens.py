"""`gmapi convert` for ComputerCraft screens, as a process: local files, URLs, a server, options."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

import gmapi as package
from gmapi.cli import main
from support.http.origin import Origin
from support.product.command import Command
from support.product.server import GmapiServer
from support.screens import decoders, vid32_decoder
from support.screens.golden_cases import FOLDER
from support.screens.outputs import DOTS, Output, read_output

IN = FOLDER / "in"
GRADIENT = IN / "gradient_80x60.png"
CLIP = IN / "testsrc2_160x120_10fps.mp4"

SRT = "1\n00:00:00,000 --> 00:00:01,000\nHi there\n"


def output(data: bytes, kind: str, folder: Path, pictures: int = 1) -> Output:
    return read_output(data, kind, pictures=pictures, path=folder / "preview.gif")


def convert(gmapi: Command, *words: str, **settings: str) -> bytes:
    """What the command writes to its standard output."""
    done = gmapi("convert", *words, "-o", "-", **settings)
    assert done.returncode == 0, done.stderr
    assert gmapi.left() == []
    return done.stdout


def convert_here(gmapi: Command, *words: str, **settings: str) -> bytes:
    """The same in this process."""
    done = gmapi.here("convert", *words, "-o", "-", **settings)
    assert done.returncode == 0, done.stderr
    assert gmapi.left() == []
    return done.stdout


# -- sources -------------------------------------------------------------------------------------


def test_a_file_gets_the_usual_name(gmapi: Command) -> None:
    done = gmapi("convert", str(GRADIENT), "--format", "32vid", "--width", "40", "--height=31")
    assert done.returncode == 0, done.stderr
    assert done.stdout == b""
    assert gmapi.left() == ["gradient_80x60.32v"]
    made = (gmapi.folder / "gradient_80x60.32v").read_bytes()
    assert f"gradient_80x60.32v: {len(made):,} bytes".encode() in done.stderr
    assert output(made, "32vid", gmapi.folder).cells == [(20, 10)]


def test_the_line_of_the_documentation(here: Command) -> None:
    clip = str(IN / "static_64x48_5fps.mp4")
    words = ["convert", clip, "--format", "32vid", "--width", "328", "--height", "243"]
    done = here.here(*words, "--args=-t", "-o", "OUT")
    assert done.returncode == 0, done.stderr
    assert here.left() == ["OUT"]
    made = output((here.folder / "OUT").read_bytes(), "32vid", here.folder)
    assert (made.fps, made.cells) == (5, [(164, 81)] * 10)


def test_flags_mean_the_reference_s_algorithm(here: Command) -> None:
    made = convert_here(here, str(GRADIENT), "-f", "32vid", "--args=-t", "--args", "-c none")
    golden = (FOLDER / "out" / "gradient_80x60.t.v3non.32v").read_bytes()
    (ours,), (theirs,) = (vid32_decoder.parse(data).pictures() for data in (made, golden))
    assert np.array_equal(ours.palette, theirs.palette)
    assert np.array_equal(ours.colors, theirs.colors)
    assert np.array_equal(ours.codes, theirs.codes)


def test_a_url(here: Command, origin: Origin) -> None:
    address = origin.add("/cli/gradient.png", GRADIENT.read_bytes())
    done = here.here("convert", address, "-f", "nfp", "--allow-private", "--monitor", "pocket")
    assert done.returncode == 0, done.stderr
    assert here.left() == ["gradient.nfp"]
    plane = decoders.nfp((here.folder / "gradient.nfp").read_bytes())
    assert plane.shape == (60, 52)


@pytest.mark.parametrize(
    ("source", "name", "pictures"),
    [
        ("gradient_80x60.png", "shot%03d.png", 1),
        ("gradient_80x60.png", "shot001.PNG", 1),
        ("plasma_160x120.jpg", "photo_01.jpg", 1),
        ("plasma_160x120.jpg", "-photo [1] *.jpeg", 1),
        ("anim_48x36.gif", "anim1.gif", 5),
        ("static_64x48_5fps.mp4", "clip 100%.mp4", 10),
    ],
)
def test_a_name_is_only_a_name(here: Command, source: str, name: str, pictures: int) -> None:
    """ffmpeg takes numbers in names of pictures for a series of files."""
    shutil.copy(IN / source, here.folder / name)
    for number in range(3):
        other = here.folder / f"shot{number:03d}.png"
        if not other.exists():
            shutil.copy(IN / "flat_36x27.png", other)
    done = here.here("convert", "-f", "raw", "--width=20", "--height=15", "-o", "-", "--", name)
    assert done.returncode == 0, done.stderr
    made = output(done.stdout, "raw", here.folder)
    assert made.cells == [(10, 5)] * pictures
    assert {*made.screens[0].colors.flat} != {0xF0}


@pytest.mark.parametrize("kind", ["32vid", "bimg", "lua", "raw", "nfp"])
def test_what_goes_to_standard_output_is_complete(here: Command, kind: str) -> None:
    run = convert if kind in ("32vid", "raw") else convert_here
    made = output(run(here, str(CLIP), "-f", kind, "--width=32"), kind, here.folder, 16)
    assert made.pictures == 16
    if kind == "nfp":
        assert made.size == (32, 24)
    else:
        assert {*made.cells} == {(16, 8)}
    assert bool(made.sound) == (kind == "32vid")


# -- options -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "source"), [("png", GRADIENT), ("gif", CLIP)])
def test_a_preview(here: Command, kind: str, source: Path) -> None:
    done = here.here(
        "convert", str(source), "-f", kind, "--preview", "--width", "32", "--height=24"
    )
    assert done.returncode == 0, done.stderr
    (name,) = here.left()
    assert name == f"{source.stem}.{kind}"
    made = output((here.folder / name).read_bytes(), kind, here.folder)
    assert made.size == (32 * DOTS, 24 * DOTS)
    assert made.pictures == (1 if kind == "png" else 16)


def test_without_preview_it_is_a_conversion_by_ffmpeg(here: Command) -> None:
    made = convert_here(here, str(GRADIENT), "-f", "gif")
    assert output(made, "gif", here.folder.parent).size == (80, 60)


@pytest.mark.parametrize("burn", [False, True])
def test_subtitles_from_a_file(here: Command, tmp_path: Path, burn: bool) -> None:
    text = tmp_path / "words.srt"
    text.write_text(SRT)
    words = [str(CLIP), "-f", "32vid", "--subtitles", str(text), "--width=96", "--args=-p -t"]
    made = output(convert_here(here, *words, *["--burn"] * burn), "32vid", here.folder)
    plain = output(convert_here(here, *words[:3], *words[5:]), "32vid", here.folder)
    assert made.texts == ([] if burn else [b"Hi there"])
    same = [
        np.array_equal(one.colors, other.colors)
        for one, other in zip(made.screens, plain.screens, strict=True)
    ]
    assert same == [not burn] * 10 + [True] * 6


def test_options_for_the_look(here: Command) -> None:
    words = ["--monitor", "1x1", "--background", "#00ff00", "--colors", "X,#00ff00"]
    words += ["--quality", "exact", "--dither", "none", "--fit", "contain"]
    made = output(convert_here(here, str(GRADIENT), "-f", "bimg", *words), "bimg", here.folder)
    (screen,) = made.screens
    assert made.cells == [(15, 10)]
    assert screen.palette[1].tolist() == [0, 255, 0]
    # Bars above and below a picture of 4 to 3.
    assert {*screen.colors[0]} == {*screen.colors[9]} == {0x10}


def test_options_for_films(here: Command) -> None:
    words = ["--fps", "4", "--compression", "custom", "--audio", "dfpwm", "--index", "--width=20"]
    data = convert_here(here, str(CLIP), "-f", "32v", *words)
    file = vid32_decoder.parse(data)
    assert (file.fps, file.compression, file.dfpwm) == (4, "custom", True)
    made = output(data, "32vid", here.folder)
    assert made.has_index
    assert abs(made.pictures - 1.6 * 4) <= 1
    assert len(made.sound or b"") * 8 == pytest.approx(1.6 * 48_000, abs=6_000)


WRONG = {
    "--width": ["--width", "0"],
    "--height": ["--height=65536"],
    "--fps": ["--fps", "nan"],
    "--monitor": ["--monitor", "9x9"],
    "--monitor gives": ["--monitor", "computer", "--width", "20"],
    "--colors": ["--colors", "red"],
    "--background": ["--background", "#12345"],
    "--palette": ["--palette=octree", "--args=-p"],
    "'--quality'": ["--quality", "superb"],
    "--args: '-q'": ["--args=-q"],
    "--args: '-o'": ["--args=-o x"],
    "--args: --width is": ["--args=-W wide"],
    "--index": ["--index", "--args=-S"],
    "--input-args": ["--input-args=-ss 1"],
    "no file none.srt": ["--subtitles", "none.srt"],
    "--format": ["--format=mp3", "--preview"],
}


def assert_wrong_call(code: int, output: bytes, errors: str, named: str) -> None:
    assert code == 2, errors
    assert output == b""
    sentence = errors.rpartition("Error: ")[2]
    assert named in sentence
    assert sentence.endswith(".\n")
    assert "\n" not in sentence[:-1]


@pytest.fixture
def in_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, bytes, str]]:
    """Runs `gmapi convert` here, which takes a tenth of the time: code, output, errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GMAPI_PORT", "0")

    def run(*words: str) -> tuple[int, bytes, str]:
        done = CliRunner().invoke(main, ["convert", str(GRADIENT), *words])
        return done.exit_code, done.stdout_bytes, done.stderr

    return run


@pytest.mark.parametrize("named", WRONG)
def test_a_wrong_option_is_named(
    in_process: Callable[..., tuple[int, bytes, str]], tmp_path: Path, named: str
) -> None:
    # A file is in the way, too: what is wrong with the call is said first.
    (tmp_path / "gradient_80x60.32v").touch()
    assert_wrong_call(*in_process("--format=32vid", *WRONG[named]), named)
    assert [path.stat().st_size for path in tmp_path.iterdir()] == [0]


def test_a_wrong_option_ends_the_process(gmapi: Command) -> None:
    done = gmapi("convert", str(GRADIENT), "-f", "bimg", "--width=0")
    assert_wrong_call(done.returncode, done.stdout, done.stderr.decode(), "--width")
    assert gmapi.left() == []


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("png", ["--width", "20"]),
        ("gif", ["--monitor=computer"]),
        ("mp4", ["--index"]),
        ("mp3", ["--subtitles", str(IN / "subs.ass")]),
        ("webm", ["--burn"]),
    ],
)
def test_options_for_screens_are_for_screens(
    in_process: Callable[..., tuple[int, bytes, str]],
    tmp_path: Path,
    kind: str,
    words: list[str],
) -> None:
    option = words[0].partition("=")[0]
    assert_wrong_call(*in_process("-f", kind, *words), f"{option} is for the formats 32v, ")
    assert not [*tmp_path.iterdir()]


def test_a_source_that_is_none(here: Command, media_dir: Path) -> None:
    (here.folder / "words.png").write_text("no picture at all " * 20)
    (here.folder / "empty.png").touch()
    for source in ("words.png", "empty.png", str(media_dir / "song.mp3")):
        done = here.here("convert", source, "-f", "bimg")
        assert done.returncode == 1
        assert b"Traceback" not in done.stderr
        assert done.stderr.decode().rpartition("Error: ")[2].endswith(".\n")
    assert here.left() == ["empty.png", "words.png"]


# -- at a server ---------------------------------------------------------------------------------


def test_a_server_converts_pictures(here: Command, server: GmapiServer, origin: Origin) -> None:
    address = origin.add("/cli/clip.mp4", CLIP.read_bytes())
    words = ["convert", address, "-f", "32vid", "--server", server.base, "--width=32", "--args=-t"]
    done = here(*words)
    assert done.returncode == 0, done.stderr
    first = done.stderr.decode().splitlines()[0].split()
    assert first[0] == "Task"
    assert first[2:] == ["at", server.base]
    task = server.task(first[1])
    assert (task["status"], task["result"]["quality"]) == ("completed", "exact")
    assert here.left() == ["clip.32v"]
    made = output((here.folder / "clip.32v").read_bytes(), "32vid", here.folder)
    assert made.cells == [(16, 8)] * 16
    assert made.sound

    wrong = here.here(*words, "--monitor=computer", "--force")
    assert wrong.returncode == 2
    assert b"Error: --monitor gives" in wrong.stderr
    local = here.here("convert", str(CLIP), *words[2:], "--force")
    assert local.returncode == 2
    assert b"leave out --server" in local.stderr


# -- kernels -------------------------------------------------------------------------------------


@pytest.mark.parametrize("quality", ["best", "exact"])
def test_numpy_s_kernels(here: Command, quality: str) -> None:
    words = [str(CLIP), "-f", "32vid", "--quality", quality, "--palette=default", "--width=40"]
    data = convert(here, *words, GMAPI_KERNELS="numpy")
    assert {*output(data, "32vid", here.folder).cells} == {(20, 10)}
    if quality == "exact":
        # With a palette that is given both must come to the same bytes.
        assert data == convert_here(here, *words)


def test_an_installation_without_the_library(gmapi: Command, tmp_path: Path) -> None:
    copy = tmp_path / "site" / "gmapi"
    leave_out = shutil.ignore_patterns("_kernels*", "native", "__pycache__")
    shutil.copytree(Path(package.__file__).parent, copy, ignore=leave_out)
    site = {"PYTHONPATH": os.fspath(copy.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    words = ["convert", str(GRADIENT), "-f", "bimg"]
    refused = gmapi(*words, GMAPI_KERNELS="native", **site)
    assert refused.returncode == 1
    sentence = refused.stderr.decode()
    assert sentence.startswith("Error: GMAPI_KERNELS: native code is asked for, but ")
    assert "Install a C++ compiler" in sentence
    assert gmapi.left() == []
    # Left to itself it does without.
    made = gmapi(*words, "--verbose", **site)
    assert made.returncode == 0, made.stderr
    assert b"with NumPy, which is slower" in made.stderr
    screens = output((gmapi.folder / "gradient_80x60.bimg").read_bytes(), "bimg", gmapi.folder)
    assert screens.cells == [(40, 20)]
