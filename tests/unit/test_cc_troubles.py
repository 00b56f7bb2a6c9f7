"""The troubles of the small game computer: each is what it is in the game."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.game.cc_emulator import Computer
from support.game.cc_network import Outage
from support.game.cc_terminal import monitor
from support.http.origin import Origin

SECOND = "local second = {} for n = 1, 48000 do second[n] = n % 100 end "
"""A second of sound."""


@pytest.fixture
def url() -> Iterator[str]:
    with Origin() as origin:
        yield origin.add("/data", bytes(1000))


def test_a_slow_world_has_longer_ticks() -> None:
    computer = Computer(instant=True, ticks_per_second=15)
    computer.run("sleep(3) print(os.clock(), os.epoch('utc'))")
    assert computer.printed == ["3 4000"]


def test_drawing_takes_time_in_which_the_game_goes_on() -> None:
    computer = Computer(instant=True)
    computer.add_monitor("top", monitor(1, 1))
    computer.draw_seconds = 0.13
    computer.run(
        """
        local timer = os.startTimer(0.05)
        term.write("x")
        term.setCursorPos(1, 1)
        peripheral.find("monitor").blit("x", "0", "f")
        print(os.epoch("utc"))
        os.pullEvent("timer")
        print(os.epoch("utc"))
        sleep(0)
        print(os.epoch("utc"))
        """
    )
    assert computer.printed == ["260", "260", "300"]


def test_a_program_that_never_waits_is_stopped() -> None:
    computer = Computer(instant=True)
    computer.draw_seconds = 0.1
    computer.run(
        "for n = 1, 60 do term.write('x') end sleep(0) for n = 1, 60 do term.write('x') end"
    )
    with pytest.raises(RuntimeError, match="without yielding"):
        computer.run("for n = 1, 80 do term.write('x') end")


def test_more_events_than_the_queue_holds_are_lost() -> None:
    computer = Computer()
    computer.run(
        """
        for n = 1, 300 do os.queueEvent("mine", n) end
        local last
        for n = 1, 256 do last = select(2, os.pullEvent("mine")) end
        print(last)
        """
    )
    assert computer.printed == ["256"]
    assert computer.lost_events == 44


def test_answers_take_their_time(url: str) -> None:
    computer = Computer(instant=True)
    computer.network.latency, computer.network.bytes_per_second = 0.2, 10_000
    computer.run(f"http.get('{url}') print(os.epoch('utc'))")
    assert computer.printed == ["300"]


def test_requests_run_in_the_background(url: str) -> None:
    computer = Computer(instant=True)
    computer.network.latency = 0.2
    computer.run(
        f"""
        http.request("{url}")
        http.request("{url}?2")
        local one, two = select(2, os.pullEvent()), select(2, os.pullEvent())
        print(one == "{url}", two == "{url}?2", os.epoch("utc"))
        """
    )
    assert computer.printed == ["true true 200"]
    assert computer.network.most_open == 2


def test_who_asks_for_the_same_address_takes_the_first_answer(url: str) -> None:
    computer = Computer(instant=True)
    computer.network.latency = 0.2
    computer.run(
        f"""
        local function ask()
            local handle = http.get("{url}")
            sleep(0.1)
            print(pcall(handle.readAll))
            handle.close()
        end
        parallel.waitForAll(ask, ask)
        """
    )
    assert "false" in computer.printed[1]


def test_nobody_is_reached_in_an_outage(url: str) -> None:
    computer = Computer(instant=True)
    network = computer.network
    network.latency = 0.1
    network.outages = [Outage(0, 1), Outage(1.95, 3, silent=True)]
    computer.run(
        f"""
        local function ask(timeout)
            local reply, reason = http.get({{url = "{url}", timeout = timeout}})
            print(reply and "answer" or reason, os.epoch("utc"))
        end
        ask() sleep(0.9) ask() sleep(0.8) ask(5) ask()
        """
    )
    # The third was on its way when the outage began.
    assert computer.printed == [
        "Could not connect 100",
        "answer 1100",
        "Timed out 6900",
        "answer 7000",
    ]
    assert network.lost == 2


def test_a_speaker_plays_in_real_time() -> None:
    computer = Computer(instant=True, ticks_per_second=15)
    computer.run(
        SECOND
        + """
        local speaker = peripheral.find("speaker")
        for n = 1, 3 do
            while not speaker.playAudio(second) do os.pullEvent("speaker_audio_empty") end
        end
        os.pullEvent("speaker_audio_empty")
        """
    )
    speaker = computer.speaker
    first = 1 / 15
    assert [piece.start for piece in speaker.heard] == pytest.approx([first, first + 1, first + 2])
    assert speaker.gaps() == []
    # It takes the third when the first is over but for half a second, and tells when it has.
    assert computer.now == pytest.approx(first + 1.5, abs=1 / 15)
    assert speaker.position(first + 1.25) == pytest.approx(1.25)
    assert speaker.position(first + 3.1) is None


def test_a_speaker_that_is_fed_late_is_silent_meanwhile() -> None:
    computer = Computer(instant=True)
    computer.run(
        SECOND
        + """
        local speaker = peripheral.find("speaker")
        speaker.playAudio(second) sleep(2) speaker.playAudio({1, 2, 3, 4, 5, 6, 7, 8, 9})
        """
    )
    computer.rest(1)
    ((silent, length),) = computer.speaker.gaps()
    assert (silent, length) == pytest.approx((1.05, 1.0))
    assert len(computer.speaker.heard[1].samples) == 8
    assert len(computer.speaker.samples) == 48_009


def test_a_stopped_speaker_forgets_what_it_holds() -> None:
    computer = Computer(instant=True)
    computer.run(
        SECOND
        + """
        local speaker = peripheral.find("speaker")
        speaker.playAudio(second) sleep(0.1) speaker.playAudio(second) sleep(0.2) speaker.stop()
        """
    )
    computer.rest(5)
    (piece,) = computer.speaker.heard
    assert (piece.start, piece.end) == pytest.approx((0.05, 0.35))


def test_a_user_may_end_a_program_while_it_waits_for_an_answer(url: str) -> None:
    computer = Computer(instant=True)
    computer.network.outages = [Outage(0, 100, silent=True)]
    computer.terminate_at(2.5)
    computer.run(f"print(pcall(http.get, '{url}')) print(os.epoch('utc'))")
    assert computer.printed == ["false Terminated", "2500"]


def test_a_computer_may_be_without_a_speaker() -> None:
    computer = Computer(speaker=False)
    computer.run("print(peripheral.find('speaker'), #peripheral.getNames())")
    assert computer.printed == ["nil 0"]
