"""The documented film player in a game that makes trouble: drawing is slow, the world is slow, the
server is away, the user holds Ctrl+T."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from lupa import lua52

from support.game.cc_network import Outage
from support.game.cc_terminal import monitor
from support.game.film_viewing import Film, Viewing, program, read_film
from support.http.origin import Origin
from support.media.programs import make_media
from support.product.server import GmapiServer

FPS = 20
SECONDS = 16
ROWS = 24
"""Of a monitor of 2 x 2 blocks: so many calls draw a picture."""

SWEEP = f"aevalsrc=0.7*sin(2*PI*(200*t+150*t*t)):s=48000:d={SECONDS}"
"""A tone that rises: no part of it sounds like another."""

View = Callable[..., Viewing]


@pytest.fixture(scope="module")
def clip(origin: Origin, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = make_media(
        tmp_path_factory.mktemp("film") / "clip.mp4",
        *["-f", "lavfi", "-i", f"testsrc2=s=160x120:r={FPS}:d={SECONDS}"],
        *["-f", "lavfi", "-i", SWEEP],
        *["-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac"],
    )
    return origin.add("/sweep.mp4", path.read_bytes())


@pytest.fixture(scope="module")
def film(server: GmapiServer, clip: str) -> Film:
    """What the player asks for on a monitor of 2 x 2 blocks."""
    values = {"input_url": clip, "output_format": "32vid", "width": 72, "height": 72}
    more = {"fit": "contain", "fps": FPS, "audio": "dfpwm"}
    made = server.post("/api/sanjuuni", {**values, **more}).json()
    found = read_film(server.get(made["download_url"]).body)
    assert (len(found.numbers), found.fps) == (SECONDS * FPS, FPS)
    return found


@pytest.fixture
def view(server: GmapiServer, clip: str, film: Film) -> View:
    modules, player = program(server.base, clip, FPS)
    return lambda **game: Viewing(film, modules, player, screen=monitor(2, 2), **game)


def check_whole(viewing: Viewing, drawing: float = 0.0) -> None:
    """All of the sound was heard, once and in order, and the pictures were in step with it, though
    each takes so long to draw."""
    assert viewing.heard == viewing.film.sound
    # One is shown for 1/FPS; it is drawn on a tick, and the next one is not there before it is
    # drawn, too. The speaker begins at a tick, later than the player believes.
    step = viewing.computer.clock.tick + 1 / FPS
    drawn, replaced = viewing.lags()
    assert len(drawn) > 15
    # From the first pictures the player learns how long it takes to draw them.
    assert max(drawn[5:]) <= step
    assert max(replaced[5:]) <= step + viewing.computer.clock.tick + drawing
    assert min(drawn) >= -step
    viewing.check_left_as_found()
    assert viewing.computer.printed == [f"{SECONDS * FPS} pictures of 36 x 24 cells"]


def test_a_film_is_played_whole(view: View) -> None:
    viewing = view()
    viewing.play()
    check_whole(viewing)
    assert viewing.computer.speaker.gaps() == []
    assert viewing.drawn == set(range(SECONDS * FPS))


@pytest.mark.parametrize("seconds", [0.06, 0.12, 0.6])
def test_slow_drawing_costs_pictures_and_nothing_else(view: View, seconds: float) -> None:
    viewing = view()
    viewing.computer.draw_seconds = seconds / ROWS
    viewing.play()
    check_whole(viewing, seconds)
    assert viewing.computer.speaker.gaps() == []
    # As many as there was time for: those that were late were left out, not drawn later.
    ticks = (seconds // 0.05 + 1) * 0.05
    assert len(viewing.drawn) >= 0.9 * SECONDS / ticks


@pytest.mark.parametrize("ticks", [15, 8])
def test_a_slow_world_delays_nothing(view: View, ticks: int) -> None:
    viewing = view(ticks_per_second=ticks)
    viewing.play()
    check_whole(viewing)
    assert viewing.computer.speaker.gaps() == []
    assert len(viewing.drawn) >= 0.9 * SECONDS * ticks
    assert viewing.ended_at < SECONDS + 3


def test_slow_drawing_in_a_slow_world(view: View) -> None:
    viewing = view(ticks_per_second=15)
    viewing.computer.draw_seconds = 0.1 / ROWS
    viewing.play()
    check_whole(viewing, 0.1)
    assert viewing.computer.speaker.gaps() == []


SILENT = pytest.mark.parametrize("silent", [False, True], ids=["refused", "silent"])


@SILENT
def test_an_outage_is_bridged_by_what_was_read_ahead(view: View, film: Film, silent: bool) -> None:
    viewing = view()
    network = viewing.computer.network
    # Fast enough to have read far ahead when the outage begins, but not all of the film.
    network.bytes_per_second = 6 * film.bytes_per_second
    network.outages = [Outage(4, 11, silent)]
    viewing.play()
    check_whole(viewing)
    assert network.lost > 0
    assert viewing.computer.speaker.gaps() == []
    assert viewing.drawn == set(range(SECONDS * FPS))


@SILENT
def test_after_an_outage_a_film_goes_on_where_it_was(view: View, film: Film, silent: bool) -> None:
    viewing = view()
    network = viewing.computer.network
    network.bytes_per_second = 2 * film.bytes_per_second
    network.outages = [Outage(3, 10, silent)]
    viewing.play()
    check_whole(viewing)
    assert network.lost > 0
    ((_, gap),) = viewing.computer.speaker.gaps()
    assert 2 < gap < 9
    assert viewing.drawn == set(range(SECONDS * FPS))


def test_outages_in_a_slow_game(view: View, film: Film) -> None:
    """All at once, from the moment on at which the player asks how far its film is."""
    viewing = view(ticks_per_second=15)
    viewing.computer.draw_seconds = 0.1 / ROWS
    network = viewing.computer.network
    network.bytes_per_second = 2 * film.bytes_per_second
    network.outages = [Outage(0.08, 7), Outage(9, 11, silent=True), Outage(11, 13), Outage(20, 27)]
    viewing.play()
    check_whole(viewing, 0.1)
    assert network.lost > 5


TERMINATED = [0.02, 0.07, 0.12, 0.2, 0.8, 1.77, 5.03, 15.9]
"""In the request, while it is made, in the first pieces, in the film, before its end."""


@pytest.mark.parametrize("time", TERMINATED)
def test_a_terminated_player_leaves_no_traces(view: View, film: Film, time: float) -> None:
    viewing = view()
    viewing.computer.draw_seconds = 0.03 / ROWS
    viewing.computer.terminate_at(time)
    with pytest.raises(lua52.LuaError, match=r"^Terminated$"):
        viewing.play()
    assert viewing.ended_at <= time + 0.1
    assert viewing.computer.printed == []
    assert viewing.heard == film.sound[: len(viewing.heard)]
    assert time < 1 or len(viewing.heard) > 0
    viewing.check_left_as_found()


@SILENT
def test_a_player_can_be_terminated_in_an_outage(view: View, film: Film, silent: bool) -> None:
    viewing = view()
    viewing.computer.network.bytes_per_second = 2 * film.bytes_per_second
    viewing.computer.network.outages = [Outage(2, 600, silent)]
    viewing.computer.terminate_at(12.34)
    with pytest.raises(lua52.LuaError, match=r"^Terminated$"):
        viewing.play()
    assert viewing.ended_at < 12.5
    viewing.check_left_as_found()
