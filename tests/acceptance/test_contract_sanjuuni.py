"""Section 4 of the client contract: POST /api/sanjuuni, waited for and in the background."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from gmapi.computercraft.options import Compression
from gmapi.computercraft.palette import DEFAULT_PALETTE
from gmapi.computercraft.screen import U8, Screen
from support.game.cc_emulator import Computer
from support.game.cc_terminal import Terminal, native_colour
from support.http.origin import Origin
from support.http.raw_http import Reply, game_call
from support.media.files import ffmpeg_program
from support.media.programs import make_media
from support.product.server import GmapiServer
from support.screens import decoders, vid32_decoder
from support.screens.golden_cases import FOLDER
from support.screens.vid32_decoder import AUDIO, COMBINED, TEXT, VIDEO

MODES = ["waited for", "background"]
READER = (Path(__file__).parents[1] / "support/game/vid32_reader.lua").read_text("utf-8")
COMPUTER = ["--width=102", "--height=57"]
"""A computer's screen: 51 x 19 cells."""

BIMG_VIEWER = """
    local image = textutils.unserialize(data)
    print(image.animation, image.secondsPerFrame)
    for _, frame in ipairs(image) do
        for index = 0, #frame.palette do
            term.setPaletteColor(2 ^ index, table.unpack(frame.palette[index]))
        end
        for y, row in ipairs(frame) do
            term.setCursorPos(1, y)
            term.blit(row[1], row[2], row[3])
        end
        sleep(frame.duration or image.secondsPerFrame)
    end
"""
VID32_VIEWER = """
    local reader = require("vid32_reader")
    local film = reader.open(data)
    for chunk in film.chunks() do
        if chunk.kind == reader.VIDEO then
            film.draw(chunk, term)
            sleep(1 / film.fps)
        end
    end
"""


@dataclass
class Client:
    """A program of the game that asks in one of the two ways."""

    server: GmapiServer
    mode: str

    def ask(self, url: str, kind: str, args: list[str], **fields: Any) -> Reply:
        """The answer to a request; of a task that was accepted, its last one."""
        values = {"input_url": url, "args": args, "output_format": kind, **fields}
        path = "/api/sanjuuni" + ("/async" if self.mode == "background" else "")
        reply = game_call(self.server.port, "POST", path, values)
        if self.mode == "background" and reply.status < 400:
            accepted = reply.json()
            assert accepted["status"] == "success"
            self.server.wait_for_task(accepted["task_id"])
            reply = game_call(self.server.port, "GET", f"/api/task/{accepted['task_id']}")
        return reply

    def convert(self, url: str, kind: str, args: list[str], **fields: Any) -> bytes:
        """The converted file, as programs fetch it: a plain GET of what the answer says."""
        reply = self.ask(url, kind, args, **fields)
        answer = reply.json()
        assert answer["status"] == ("completed" if self.mode == "background" else "success"), answer
        address = (answer["result"] if self.mode == "background" else answer)["download_url"]
        assert address.startswith(self.server.base)
        file = game_call(self.server.port, "GET", urlsplit(address).path)
        assert file.status == 200, file.reason
        assert int(file.headers["content-length"]) == len(file.body)
        return file.body


@pytest.fixture(params=MODES)
def client(request: pytest.FixtureRequest, server: GmapiServer) -> Client:
    return Client(server, request.param)


@pytest.fixture(scope="module")
def photo(origin: Origin) -> str:
    """Address of a colourful picture of 102 x 96."""
    return origin.add("/plasma.png", (FOLDER / "in" / "plasma_102x96.png").read_bytes())


@pytest.fixture(scope="module")
def clip(contract_media: Callable[[str], str]) -> str:
    """Address of 17 pictures of 102 x 57 at 10 a second with a tone of 1.7 s."""
    return contract_media("short.mkv")


def played(program: str | bytes, data: bytes) -> tuple[Computer, list[Screen]]:
    """The computer that has run a program, and what its screen showed at each wait."""
    computer = Computer(instant=True)
    computer.add_module("vid32_reader", READER)
    computer.lend("data", data)
    shown: list[Screen] = []
    computer.on_wait = lambda: shown.append(computer.terminal.screen)
    computer.type_line()
    computer.run(program)
    return computer, shown


def on_screen(screen: Screen, shown: Screen) -> bool:
    """Whether a computer shows a screen, as far as there is room."""
    rows, columns = min(19, screen.rows), min(51, screen.columns)
    return (
        np.array_equal(shown.characters[:rows, :columns], screen.characters[:rows, :columns])
        and np.array_equal(shown.colors[:rows, :columns], screen.colors[:rows, :columns])
        and np.array_equal(shown.palette[: len(screen.palette)], screen.palette)
    )


def as_screen(picture: vid32_decoder.Picture) -> Screen:
    return Screen(picture.codes | 128, picture.colors, picture.palette)


# -- the request ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["lua", "nfp", "raw", "bimg", "32vid"])
def test_the_request_of_the_converter_program(client: Client, photo: str, kind: str) -> None:
    """What its user types is one string before the size."""
    data = client.convert(photo, kind, ["-p -8", *COMPUTER])
    if kind == "lua":
        _, shown = played(data, data)
        # -p goes before -8.
        assert np.array_equal(shown[0].palette, DEFAULT_PALETTE)
        return
    if kind == "nfp":
        assert decoders.nfp(data).shape == (57, 102)
        return
    if kind == "32vid":
        (screen,) = map(as_screen, vid32_decoder.parse(data).pictures())
    elif kind == "raw":
        _, (screen,) = decoders.raw(data)
    else:
        (screen,) = decoders.bimg(data).screens
    assert (screen.columns, screen.rows) == (51, 19)
    assert np.array_equal(screen.palette, DEFAULT_PALETTE)


def test_the_answer_is_what_the_converter_program_reads(server: GmapiServer, photo: str) -> None:
    values = {"input_url": photo, "args": COMPUTER, "output_format": "bimg"}
    reply = game_call(server.port, "POST", "/api/sanjuuni", values)
    answer = reply.json()
    assert (reply.status, answer["status"]) == (200, "success")
    assert answer["download_url"].startswith(f"http://127.0.0.1:{server.port}/download/")
    assert answer["download_url"].endswith(".bimg")
    broken = {**values, "input_url": photo + "-that-is-not-there"}
    reply = game_call(server.port, "POST", "/api/sanjuuni", broken)
    answer = reply.json()
    assert (reply.status, answer["status"]) == (200, "error")
    assert answer["error"]
    assert answer["message"]


@pytest.mark.parametrize(
    "args",
    [["--width=40"], ["--width 40"], ["--width", "40"], ["-W40"], ["-W 40"], ["-W", "40"],
     ["-W=40"], ["--WIDTH=40"], ["-p --width=40 -t"]],
)  # fmt: skip
def test_every_spelling_of_a_flag(client: Client, photo: str, args: list[str]) -> None:
    (screen,) = decoders.bimg(client.convert(photo, "bimg", args)).screens
    assert (screen.columns, screen.rows) == (20, 37 // 3)


def test_the_output_format_decides_over_a_flag(client: Client, photo: str) -> None:
    for flag in ("-3", "--lua", "-n", "-r", "-b"):
        data = client.convert(photo, "bimg", [flag, "-W20"])
        assert len(decoders.bimg(data).screens) == 1


@pytest.mark.parametrize(
    "flag", ["-i /etc/passwd", "-o out.lua", "-s 80", "-w 80", "-u ws://127.0.0.1", "--input=x"]
)
def test_flags_of_files_and_servers_are_refused(client: Client, photo: str, flag: str) -> None:
    reply = client.ask(photo, "bimg", [flag])
    assert reply.status == 403
    assert "args" in reply.json()["error"]
    assert "args" in reply.reason


# -- the rules ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(102, 57), (103, 58), (101, 56), (2, 3), (7, 11)])
def test_s1_sizes_are_pixels_and_cells_are_rounded_down(
    client: Client, photo: str, width: int, height: int
) -> None:
    args = [f"--width={width}", f"--height={height}"]
    (screen,) = decoders.bimg(client.convert(photo, "bimg", args)).screens
    assert (screen.columns, screen.rows) == (width // 2, height // 3)
    file = vid32_decoder.parse(client.convert(photo, "32vid", args))
    assert (file.columns, file.rows) == (width // 2, height // 3)
    # A paint file has pixels and no cells; the original program cuts it to its cells all the same.
    paint = decoders.nfp(client.convert(photo, "nfp", args))
    assert paint.shape == (height, width)
    paint = decoders.nfp(client.convert(photo, "nfp", ["-p", *args]))
    assert paint.shape == (height // 3 * 3, width // 2 * 2)


def test_s2_bimg_is_a_table_of_printable_ascii(client: Client, photo: str, clip: str) -> None:
    for url, count in ((photo, 1), (clip, 17)):
        data = client.convert(url, "bimg", COMPUTER)
        assert re.fullmatch(rb"[ -~\n]*", data)
        # Every backslash begins three decimal digits.
        assert not re.search(rb"\\(?![0-2][0-9]{2})", data)
        bimg = decoders.bimg(data)
        assert len(bimg.screens) == count
        computer, shown = played(BIMG_VIEWER, data)
        assert all(map(on_screen, bimg.screens, shown))
        assert len(shown) == count
        assert computer.printed == [
            f"{'true' if count > 1 else 'false'} {0.1 if count > 1 else 0.04}"
        ]


def test_s2_a_picture_may_have_a_duration_of_its_own(
    client: Client, origin: Origin, tmp_path: Path
) -> None:
    source = make_media(
        tmp_path / "uneven.gif", "-f", "lavfi", "-i", "testsrc2=s=20x18:r=10:d=0.3",
        "-vf", "settb=1/100,setpts='(N+gt(N,0)*4)/10/TB'", "-fps_mode", "passthrough",
        "-enc_time_base", "1:100", "-final_delay", "20",
    )  # fmt: skip
    url = origin.add("/uneven.gif", source.read_bytes())
    bimg = decoders.bimg(client.convert(url, "bimg", []))
    usual = bimg.fields["secondsPerFrame"]
    durations = [duration or usual for duration in bimg.durations]
    assert durations == pytest.approx([0.5, 0.1, 0.2], abs=1e-4)


@pytest.mark.parametrize(("args", "samples"), [([], 24_000), (["-d"], 3_000)])
def test_s3_32vid_is_one_stream_that_the_player_takes(
    client: Client, clip: str, args: list[str], samples: int
) -> None:
    data = client.convert(clip, "32vid", [*args, *COMPUTER])
    file = vid32_decoder.parse(data)
    (stream,) = file.streams
    assert stream.kind == COMBINED
    assert file.flags & 3 == 1
    assert file.flags >> 4 & 1
    assert file.dfpwm is bool(args)
    assert file.fps == 10
    assert {chunk.kind for chunk in file.chunks} == {VIDEO, AUDIO}
    assert stream.count == len(file.chunks)
    # Each half second of sound comes before its pictures.
    *whole, last = (chunk.size for chunk in file.chunks if chunk.kind == AUDIO)
    assert whole == [samples] * 3
    assert 0 < last <= samples
    kinds = [chunk.kind for chunk in file.chunks]
    assert [kinds[:at].count(VIDEO) for at, kind in enumerate(kinds) if kind == AUDIO] == [
        0, 5, 10, 15,
    ]  # fmt: skip
    pictures = [as_screen(picture) for picture in file.pictures()]
    _, shown = played(VID32_VIEWER, data)
    assert all(map(on_screen, pictures, shown))
    assert len(shown) == len(pictures) == 17


def test_s3_a_rate_that_is_no_whole_number_is_stored_as_one(
    client: Client, origin: Origin, tmp_path: Path
) -> None:
    source = make_media(
        tmp_path / "ntsc.mkv", "-f", "lavfi", "-i", "testsrc2=s=20x18:r=30000/1001:d=1",
        "-c:v", "ffv1",
    )  # fmt: skip
    url = origin.add("/ntsc.mkv", source.read_bytes())
    assert vid32_decoder.parse(client.convert(url, "32vid", [])).fps == 30


def test_s4_raw_has_two_lines_and_a_packet_for_each_picture(
    client: Client, photo: str, clip: str
) -> None:
    for url, fps, count in ((photo, b"0", 1), (clip, b"10", 17)):
        data = client.convert(url, "raw", ["-p -t", *COMPUTER])
        first, second, *packets, end = data.split(b"\n")
        assert (first, second, end) == (b"32Vid 1.1", fps, b"")
        assert len(packets) == count
        for packet in packets:
            assert re.fullmatch(rb"!CPC[0-9A-F]{4}[A-Za-z0-9+/]+=*[0-9a-f]{8}", packet)
        _, screens = decoders.raw(data)
        assert {(screen.columns, screen.rows) for screen in screens} == {(51, 19)}
        assert {screen.palette.shape for screen in screens} == {(16, 3)}
        pictures = decoders.bimg(client.convert(url, "bimg", ["-p -t", *COMPUTER])).screens
        for screen, picture in zip(screens, pictures, strict=True):
            assert np.array_equal(screen.colors, picture.colors)


@pytest.mark.parametrize("args", [[], ["-p"], ["-8"], ["-k -t"], ["-L"], ["-P 000000,00ff00"]])
def test_s5_nfp_is_in_the_default_palette(client: Client, photo: str, args: list[str]) -> None:
    plane = decoders.nfp(client.convert(photo, "nfp", args))
    assert plane.shape == (96, 102)
    source = np.frombuffer(ppm_pixels(FOLDER / "in" / "plasma_102x96.png"), np.uint8)
    shown = np.stack([blurred(channel) for channel in np.moveaxis(DEFAULT_PALETTE[plane], -1, 0)])
    wanted = np.stack(
        [blurred(channel) for channel in np.moveaxis(source.reshape(96, 102, 3), -1, 0)]
    )
    error = ((shown - wanted) ** 2).mean()
    # Seen from far away; in any other palette it would be half of that and less.
    assert 10 * np.log10(255**2 / error) > 15


def blurred(plane: U8) -> Any:
    """Means of 6 x 6 pixels."""
    rows, columns = plane.shape[0] // 6, plane.shape[1] // 6
    blocks = plane[: rows * 6, : columns * 6].astype(np.float64).reshape(rows, 6, columns, 6)
    return blocks.mean(axis=(1, 3))


def ppm_pixels(path: Path) -> bytes:
    command = [ffmpeg_program(), "-v", "error", "-i", str(path), "-f", "rawvideo"]
    command += ["-pix_fmt", "rgb24", "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def test_s6_lua_draws_waits_for_enter_on_a_still_and_restores(client: Client, photo: str) -> None:
    data = client.convert(photo, "lua", COMPUTER)
    (picture,) = decoders.bimg(client.convert(photo, "bimg", COMPUTER)).screens
    computer, shown = played(data, data)
    assert len(shown) >= 2
    assert all(on_screen(picture, screen) for screen in shown)
    assert_restored(computer.terminal)
    endless = Computer(instant=True)
    with pytest.raises(RuntimeError, match="never comes"):
        endless.run(data)


def test_s6_lua_plays_a_film_and_ends_by_itself(client: Client, clip: str) -> None:
    data = client.convert(clip, "lua", ["-p -t", *COMPUTER])
    pictures = decoders.bimg(client.convert(clip, "bimg", ["-p -t", *COMPUTER])).screens
    computer, shown = played(data, data)
    assert all(map(on_screen, pictures, shown))
    assert len(shown) == 17
    assert_restored(computer.terminal)


def assert_restored(terminal: Terminal) -> None:
    assert terminal.palette == [native_colour(1 << number) for number in range(16)]
    assert set(terminal.lines) == {""}


@pytest.fixture(scope="module")
def held_back(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Address of 280 pictures of one colour each, slots 0 to f again and again, whose coding makes
    a decoder hold back the last ones."""
    folder = tmp_path_factory.mktemp("held-back")
    raw = folder / "pictures"
    raw.write_bytes(b"".join(DEFAULT_PALETTE[n % 16].tobytes() * (16 * 12) for n in range(280)))
    path = make_media(
        folder / "film.mp4", "-f", "rawvideo", "-pixel_format", "rgb24", "-video_size", "16x12",
        "-framerate", "20", "-i", str(raw), "-c:v", "libx264", "-bf", "2", "-crf", "8",
        "-pix_fmt", "yuv444p",
    )  # fmt: skip
    return origin.add("/held_back.mp4", path.read_bytes())


@pytest.mark.parametrize("args", [[], ["-p -t"]], ids=["best", "exact"])
def test_s7_every_picture_of_the_source_appears(
    client: Client, held_back: str, args: list[str]
) -> None:
    file = vid32_decoder.parse(client.convert(held_back, "32vid", args))
    assert file.fps == 20
    colors = [picture.palette[picture.colors[0, 0] >> 4] for picture in file.pictures()]
    palette = DEFAULT_PALETTE.astype(int)
    slots = [int(np.abs(palette - color).sum(axis=1).argmin()) for color in colors]
    assert slots == [number % 16 for number in range(280)]


@pytest.mark.parametrize("word", ["none", "ans", "deflate", "custom"])
def test_s8_compressions_have_their_names_and_carry_the_pictures(
    client: Client, clip: str, word: str
) -> None:
    plain = vid32_decoder.parse(client.convert(clip, "32vid", ["-p -t -c none", "-W20"]))
    file = vid32_decoder.parse(client.convert(clip, "32vid", [f"-p -t -c {word}", "-W20"]))
    assert file.compression is Compression(word)
    assert len(file.pictures()) == 17
    for one, two in zip(file.pictures(), plain.pictures(), strict=True):
        assert two.shows(as_screen(one))
    joined = client.convert(clip, "32vid", [f"-p -t --compression={word}", "-W20"])
    assert vid32_decoder.parse(joined).flags == file.flags


@pytest.mark.parametrize("word", ["lzw", "zip"])
def test_s8_another_compression_is_an_error_with_a_reason(
    client: Client, clip: str, word: str
) -> None:
    reply = client.ask(clip, "32vid", [f"-c{word}"])
    assert reply.status == 400
    for text in (reply.json()["error"], reply.json()["message"], reply.reason):
        assert f"--compression is '{word}'" in text
    assert "none, ans, deflate or custom" in reply.json()["error"]


def test_s9_s_alone_means_separate_streams(client: Client, clip: str) -> None:
    for args in (["-S", *COMPUTER], [*COMPUTER, "-S"], ["-p -S -t"], ["--separate-streams"]):
        file = vid32_decoder.parse(client.convert(clip, "32vid", args))
        assert [(s.kind, s.count) for s in file.streams] == [(VIDEO, 17), (AUDIO, 81_600)]


def test_s9_s_with_a_file_name_means_subtitles(client: Client, clip: str, origin: Origin) -> None:
    for args in (["-S subs.ass"], ["-S", "subs.ass"]):
        reply = client.ask(clip, "32vid", args)
        assert reply.status == 403
        # Files are the server's; the caller's come by address.
        assert "subtitle_url" in reply.json()["error"]
    srt = b"1\n00:00:00,500 --> 00:00:01,000\nHi there\n"
    url = origin.add("/subs.srt", srt)
    data = client.convert(clip, "32vid", COMPUTER, subtitle_url=url)
    events = [
        event
        for chunk in vid32_decoder.parse(data).chunks
        if chunk.kind == TEXT
        for event in vid32_decoder.events(chunk.data)
    ]
    assert [(e.start, e.length, e.text) for e in events] == [(5, 5, b"Hi there")]
