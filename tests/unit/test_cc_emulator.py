"""The small game computer itself: what programs may rely on must be as in the game."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from lupa import lua52

from support.game.cc_emulator import Computer
from support.game.cc_terminal import monitor
from support.game.dfpwm import Decoder
from support.http.origin import Exchange, Origin, status
from support.media.files import ffmpeg_program


def run(program: str) -> list[str]:
    computer = Computer()
    computer.run(program)
    return computer.printed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("{}", "{}"),
        ("textutils.empty_json_array", "[]"),
        ('{"-vn", "-ac", 1, 0.5}', '["-vn","-ac",1,0.5]'),
        ('{url = "\\229\\176\\143\\"\\n"}', '{"url":"\\u00E5\\u00B0\\u008F\\"\\n"}'),
        ("{flag = true}", '{"flag":true}'),
    ],
)
def test_json_is_written_as_the_game_writes_it(value: str, text: str) -> None:
    assert run(f"print(textutils.serializeJSON({value}))") == [text]


def test_json_is_read_as_the_game_reads_it() -> None:
    printed = run(
        """
        local value = textutils.unserializeJSON('  {"a": null, "b": "\\\\u00e9", "c": [1, 2]}')
        print(value.a, #value.b, #value.c)
        print(textutils.unserializeJSON('{"a": 1} trailing'))
        """
    )
    assert printed[0] == "nil 2 2"
    assert printed[1].startswith("nil Malformed JSON")


def test_failures_carry_the_reason_phrase_and_a_handle() -> None:
    with Origin() as origin:
        url = origin.add("/gone", status(404, b"why"))
        printed = run(
            f"""
            local handle, reason, failed = http.get("{url}")
            print(handle, reason, failed.getResponseCode())
            print(failed.readAll())
            print(http.get("http://127.0.0.1:1/"))
            """
        )
    assert printed == ["nil Test 404 Test", "why", "nil Could not connect"]


def test_requests_look_like_those_of_the_game() -> None:
    seen: list[Exchange] = []

    def note(exchange: Exchange) -> None:
        seen.append(exchange)
        exchange.send(200, {}, b"one\ntwo")

    with Origin() as origin:
        url = origin.add("/note", note)
        printed = run(
            f"""
            local handle = http.get("{url}", {{["x-test"] = "1"}})
            print(handle.readLine(), handle.readLine(), handle.readLine())
            """
        )
    headers = seen[0].request.headers
    assert printed == ["one two nil"]
    assert headers["x-test"] == "1"
    assert headers["connection"] == "close"
    assert "accept" not in headers


def test_events_timers_and_parallel_tasks() -> None:
    printed = run(
        """
        parallel.waitForAll(
            function() sleep(0.05) print("late") end,
            function() print(os.pullEvent("mine")) end,
            function() os.queueEvent("mine", 7) end)
        print(parallel.waitForAny(function() sleep(9) end, function() end))
        """
    )
    assert printed == ["mine 7", "late", "2"]


def test_a_program_that_waits_for_nothing_fails() -> None:
    with pytest.raises(RuntimeError, match="never comes"):
        run('os.pullEvent("never")')


def test_errors_of_programs_are_seen() -> None:
    with pytest.raises(lua52.LuaError, match="broken"):
        run('error("broken")')


def test_the_speaker_takes_one_buffer_at_a_time() -> None:
    computer = Computer()
    computer.run(
        """
        local speaker = peripheral.find("speaker")
        print(speaker.playAudio({1, -2}), speaker.playAudio({3}))
        os.pullEvent("speaker_audio_empty")
        print(speaker.playAudio({3}))
        """
    )
    assert computer.printed == ["true false", "true"]
    assert computer.speaker.samples == [1, -2, 3]


def test_the_sound_decoder_agrees_with_ffmpeg(tmp_path: Path) -> None:
    program = [ffmpeg_program(), "-v", "error", "-y"]
    tone = ["-f", "lavfi", "-i", "sine=440:r=48000:d=1", "-af", "volume=4,tremolo=5"]
    sound, samples = tmp_path / "tone.dfpwm", tmp_path / "tone.u8"
    subprocess.run([*program, *tone, "-ac", "1", str(sound)], check=True)
    subprocess.run(
        [*program, "-f", "dfpwm", "-ar", "48000", "-i", str(sound), "-f", "u8", str(samples)],
        check=True,
    )
    data, decoder = sound.read_bytes(), Decoder()
    decoded = decoder.decode(data[:1001]) + decoder.decode(data[1001:])
    assert [value - 128 for value in samples.read_bytes()] == decoded[: samples.stat().st_size]
    assert len(set(decoded)) > 50


def test_modules_can_be_required() -> None:
    computer = Computer()
    computer.add_module("greeting", 'return {word = "hello"}')
    computer.run('print(require("greeting").word)')
    assert computer.printed == ["hello"]


def test_an_instant_computer_counts_time_in_steps() -> None:
    computer = Computer(instant=True)
    computer.run("sleep(0) print(os.clock()) sleep(0.12) print(os.epoch('utc')) sleep(3600)")
    assert computer.printed == ["0.05", "200"]
    assert computer.now == pytest.approx(3600.2)


def test_lines_are_read_and_programs_terminated() -> None:
    computer = Computer()
    computer.type_line("hello")
    computer.type_line()
    computer.run("print(read()) print(#read())")
    assert computer.printed == ["hello", "0"]
    computer.terminate()
    with pytest.raises(lua52.LuaError, match="Terminated"):
        computer.run('os.pullEvent("key")')
    computer.terminate()
    computer.run('print(os.pullEventRaw("key"))')
    assert computer.printed[2:] == ["terminate"]


def test_settings_are_kept_when_saved() -> None:
    printed = run(
        """
        settings.set("a", {1, 2}) settings.save(".settings") settings.set("b", 3)
        settings.clear()
        print(settings.get("a"), settings.get("b", "none"))
        settings.load(".settings")
        print(#settings.get("a"), settings.get("b"))
        """
    )
    assert printed == ["nil none", "2 nil"]


def test_monitors_are_peripherals() -> None:
    computer = Computer()
    computer.add_monitor("monitor_3", monitor(2, 1))
    computer.touch("monitor_3")
    computer.run(
        """
        local wrapped = peripheral.wrap("monitor_3")
        wrapped.setTextScale(0.5)
        wrapped.setTextColour(colours.lightGrey)
        wrapped.write("hello")
        print(wrapped.getSize())
        print(peripheral.getName(peripheral.find("monitor")), peripheral.getType("left"))
        print(table.concat(peripheral.getNames(), ","), peripheral.getType("monitor_4"))
        print(os.pullEvent("monitor_touch"))
        """
    )
    assert computer.printed == [
        "36 10",
        "monitor_3 speaker",
        "left,monitor_3 nil",
        "monitor_touch monitor_3 1 1",
    ]
    assert computer.monitors["monitor_3"].lines[0] == "hello"
    assert computer.monitors["monitor_3"].screen.colors[0, 0] == 0xF8


def test_tables_are_read_as_the_game_reads_them() -> None:
    printed = run(
        """
        print(textutils.unserialize("{a = 1, [0] = 'b'}")[0])
        print(textutils.unserialize("{"), textutils.unserialize("print('x')"))
        """
    )
    assert printed == ["b", "nil nil"]
