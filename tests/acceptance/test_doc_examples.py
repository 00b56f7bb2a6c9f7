"""Runs the examples of the documents against a real server.

The `bash` blocks of a document run in order through bash and curl, the `lua` blocks in the small
game computer. Documented addresses stand for those of the test: 127.0.0.1:5000 for the server,
https://media.example.org for a web server with media, TASK_ID and FILE_ID for the ids in the latest
answers. Beside the computer are a speaker and a monitor of 3 x 2 blocks.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gmapi.computercraft.screen import Screen
from support.documents import PAGES, README, ROOT, Block, blocks
from support.game.cc_emulator import Computer
from support.game.cc_terminal import monitor
from support.http.origin import Exchange, Origin
from support.product.server import GmapiServer
from support.screens import vid32_decoder

DOCUMENTS = [README, *PAGES]
CURL_SETTINGS = "silent\nshow-error\nfail-with-body\n"
CURL_HTTP_ERROR = 22
PLAYER_PAGE = ROOT / "docs" / "pictures-and-videos.md"


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GmapiServer]:
    """A server that has seen no other requests than those of the documents."""
    with GmapiServer(tmp_path_factory.mktemp("documented")) as server:
        yield server


def actual(text: str, server: GmapiServer, origin: Origin) -> str:
    """An example with the addresses of this test."""
    text = text.replace("127.0.0.1:5000", f"127.0.0.1:{server.port}")
    text = text.replace("https://media.example.org", origin.url(""))
    # The media of these tests are small: smaller pieces make several of them.
    return text.replace("15 * 1024 * 1024", "15 * 1024").replace("32 * 1024", "4 * 1024")


def followers(path: Path, language: str, answer: str) -> list[tuple[Block, Block | None]]:
    """The examples of a language, each with the block right after it that shows its answer."""
    found = blocks(path)
    return [
        (block, after if after is not None and after.language == answer else None)
        for block, after in zip(found, [*found, None][1:], strict=True)
        if block.language == language and block.file is None
    ]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("path", DOCUMENTS, ids=name)
def test_shell_examples(
    path: Path, documented: GmapiServer, origin: Origin, tmp_path: Path
) -> None:
    (tmp_path / ".curlrc").write_text(CURL_SETTINGS)
    environment = {**os.environ, "CURL_HOME": str(tmp_path)}
    ids: dict[str, str] = {}
    for block, shown in followers(path, "bash", "json"):
        text = actual(block.body, documented, origin)
        for placeholder, value in ids.items():
            text = text.replace(placeholder, value)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", text],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=90,
        )  # fmt: skip
        where = f"{name(path)}:{block.line}: {done.stdout}{done.stderr}"
        expected = json.loads(shown.body) if shown else {}
        allowed = (0, CURL_HTTP_ERROR) if expected.get("status") == "error" else (0,)
        assert done.returncode in allowed, where
        if shown:
            same_shape(expected, json.loads(done.stdout), where)
        else:
            assert '"status":"error"' not in done.stdout, where
        if match := re.search(r'"task_id":\s?"([0-9a-f]{32})"', done.stdout):
            ids["TASK_ID"] = match[1]
        for file_id, file_name in re.findall(r"/download/([0-9a-f]{32})/([\w.]+)", done.stdout):
            ids[f"FILE_ID/{file_name}"] = f"{file_id}/{file_name}"


def same_shape(shown: Any, got: Any, where: str) -> None:
    """The documented answer has the keys and types of the real one, and the same verdict."""
    if isinstance(shown, dict):
        assert isinstance(got, dict), where
        assert shown.keys() == got.keys(), where
        for key, value in shown.items():
            same_shape(value, got[key], f"{where}: {key}")
            if key in ("status", "error_code", "field", "tool", "output_format"):
                assert value == got[key], f"{where}: {key}"
    elif isinstance(shown, list):
        assert isinstance(got, list), where
        for item in got[: len(shown)]:
            same_shape(shown[0], item, where)
    else:
        number = isinstance(shown, int | float) and isinstance(got, int | float)
        assert number or type(shown) is type(got), f"{where}: {shown!r} against {got!r}"


PROGRAMS = [
    pytest.param(path, block, shown, id=f"{name(path)}:{block.line}")
    for path in DOCUMENTS
    for block, shown in followers(path, "lua", "text")
]


@pytest.mark.parametrize(("path", "block", "shown"), PROGRAMS)
def test_game_examples(
    path: Path, block: Block, shown: Block | None, documented: GmapiServer, origin: Origin
) -> None:
    computer = Computer()
    computer.add_monitor("right", monitor(3, 2))
    colors: set[int] = set()
    computer.on_wait = lambda: colors.update(computer.monitors["right"].screen.colors.flat)
    for module in [*blocks(README), *blocks(path)]:
        if module.language == "lua" and module.file is not None:
            source = actual(module.body, documented, origin)
            computer.add_module(module.file.removesuffix(".lua"), source)
    computer.run(actual(block.body, documented, origin))
    computer.on_wait()
    assert computer.printed
    if shown is not None:
        assert "\n".join(computer.printed) == actual(shown.body, documented, origin).rstrip("\n")
    if "playAudio" in block.body:
        assert len(computer.speaker.samples) >= 48_000
        assert max(computer.speaker.samples) > 10, "silence"
    if "setPaletteColor" in block.body or "term.redirect" in block.body:
        assert len(colors) > 10, "an empty screen"


READ_FILM = """
local film = require("film")
local movie = film.open("{address}")
local bytes = 0
for kind, data in movie.next do
    if kind == film.PICTURE then movie.draw(data, term) print("drawn") sleep(0) end
    if kind == film.SOUND then bytes = bytes + #movie.samples(data) end
end
print(movie.columns, movie.rows, movie.fps, bytes)
"""


@pytest.mark.parametrize("audio", ["pcm", "dfpwm"])
def test_the_player_shows_every_picture_of_a_growing_file(
    audio: str, documented: GmapiServer, origin: Origin
) -> None:
    made = documented.post(
        "/api/sanjuuni",
        {
            "input_url": origin.url("/clip.mp4"),
            "output_format": "32vid",
            "monitor": "computer",
            "audio": audio,
        },
    ).json()
    data = documented.get(made["download_url"]).body
    film = vid32_decoder.parse(data)
    assert len(film.pictures()) == 20
    # As it was while it grew: the size is not known, and only some of it is there.
    unknown = vid32_decoder.UNKNOWN.to_bytes(4, "little")
    growing = data[:12] + unknown + data[16:]
    calls = 0

    def grow(exchange: Exchange) -> None:
        nonlocal calls
        calls += 1
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", exchange.request.headers["range"])
        assert match
        first, last = int(match[1]), int(match[2])
        if first >= len(growing):
            exchange.send(416, {"Content-Range": f"bytes */{len(growing)}"})
        elif calls % 3 == 0:
            exchange.send(503, {"Retry-After": "1"}, b"not yet")
        else:
            piece = growing[first : min(last + 1, first + 1777)]
            exchange.send(
                206, {"Content-Range": f"bytes {first}-{first + len(piece) - 1}/*"}, piece
            )

    computer = Computer(instant=True)
    (module,) = (b for b in blocks(PLAYER_PAGE) if b.file == "film.lua")
    computer.add_module("film", module.body)
    screens: list[Screen] = []

    def look() -> None:
        if len(computer.printed) > len(screens):
            screens.append(computer.terminal.screen)

    computer.on_wait = look
    computer.run(READ_FILM.replace("{address}", origin.add(f"/growing-{audio}.32v", grow)))
    assert len(screens) == 20
    for picture, screen in zip(film.pictures(), screens, strict=True):
        assert picture.shows(screen)
    assert computer.printed[20:] == [
        f"51 19 10 {len(film.sound()) * (8 if audio == 'dfpwm' else 1)}"
    ]


def test_there_are_examples_to_run() -> None:
    def examples(path: Path) -> list[Block]:
        return [block for block in blocks(path) if block.language in ("bash", "lua")]

    assert len(examples(README)) >= 7, "one of each thing to do"
    assert sum(len(examples(path)) for path in DOCUMENTS) >= 50
    assert len(PROGRAMS) >= 15


def test_the_front_page_links_lead_somewhere(documented: GmapiServer) -> None:
    front = documented.get("/").json()
    for key in ("documentation", "openapi", "health"):
        assert documented.get(front[key]).status in (200, 308), key
    assert documented.get(front["openapi"]).json()["openapi"].startswith("3.")
