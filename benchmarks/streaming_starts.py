"""Rows 1, 2, 3 and 6: films, from the request to the first pictures or to the end."""

from __future__ import annotations

import struct
import time

from harness import median
from streaming_clips import SECONDS, start_size
from streaming_room import FRAMES, Room, Row, seconds
from support.screens.vid32_decoder import VIDEO

FRAME_VALUES = {"w": 256, "h": 144, "fps": 20, "pad_to_target": True, "force_resolution": False}
FRAME_SECONDS = FRAMES / FRAME_VALUES["fps"]
FRAMES_BARE = ("-an", "-frames:v", str(FRAMES), "-vf", "fps=20,scale=256:144",
               "-f", "image2pipe", "-c:v", "png")  # fmt: skip
SOUND_BYTES = 0.98 * 6000 * SECONDS
PICTURES = 40
READ_PAUSE = 0.02
FILM = ("--width=328", "--height=243")
FILM_BARE = ("-frames:v", str(PICTURES), "-vf", "scale=328:243:flags=area",
             "-f", "rawvideo", "-pix_fmt", "rgb24")  # fmt: skip
SMALL = ("-vf", "scale=-2:240", "-c:v", "libx264", "-preset", "veryfast")


def silent_films(room: Room) -> None:
    """1: to the 200th frame of a film without sound"""
    for clip in ("silent.mp4", "silent.webm", "silent.mkv"):
        ours, limits = [], []
        size = start_size(room.media / clip, FRAME_SECONDS)
        for _ in range(room.rounds):
            network = room.origin.download(room.origin.new(clip), size)
            cpu = room.bare(clip, *FRAMES_BARE, str(room.folder / "bare"))[1]
            limits.append(max(network, cpu))
            ours.append(_to_frame(room, room.origin.new(clip), sound=False))
        bar = 1.15 * median(limits) + 0.5
        room.add(
            Row(1, f"{clip}: POST to frame {FRAMES} fetched", seconds(ours), seconds(limits),
                f"1.15 x + 0.5 s = {bar:.2f} s", median(ours) <= bar)
        )  # fmt: skip


def films_with_sound(room: Room) -> None:
    """2: the same and the whole sound, as players of today need both"""
    sound = (room.media / "sound.m4a").stat().st_size
    for clip in ("first.mp4", "last.mp4", "half.mp4"):
        size = start_size(room.media / clip, FRAME_SECONDS) + sound
        _with_sound(room, clip, size, rounds=room.rounds, bar=3.5)
    size = start_size(room.media / "silent.mp4", FRAME_SECONDS) + sound
    _with_sound(room, "dash/film.mpd", size, rounds=room.rounds, bar=3.5)
    _with_sound(room, "apart/film.m3u8", size, rounds=room.rounds, bar=None)
    _with_sound(room, "hls/film.m3u8", None, rounds=1, bar=None)
    for clip in ("film.webm", "film.mkv"):
        _with_sound(room, clip, None, rounds=1, bar=0.3)


def _with_sound(room: Room, clip: str, size: int | None, *, rounds: int, bar: float | None) -> None:
    """`size` bytes must have come by then, None for all; then the bar is beyond them."""
    ours, limits = [], []
    plain = clip if size is None else "film.mkv"
    for _ in range(rounds):
        limits.append(room.origin.download(room.origin.new(plain), size))
        ours.append(_to_frame(room, room.origin.new(clip), sound=True))
    told, met = "-", None
    if bar is not None:
        most = bar if size is not None else median(limits) + bar
        told = f"{bar} s" if size is not None else f"download + {bar} s = {most:.2f} s"
        met = median(ours) <= most
    what = f"{clip}: POST to frame {FRAMES} and the whole sound fetched"
    room.add(Row(2, what, seconds(ours), seconds(limits), told, met))


def _to_frame(room: Room, url: str, *, sound: bool) -> float:
    """Seconds until the last of the frames has been fetched, and with `sound` all of it."""
    started = time.monotonic()
    task_id = room.submit("/api/video_frame/async", {"video_url": url, **FRAME_VALUES})
    for task in room.polls(task_id):
        result = room.result(task)
        if result.get("current_frames", 0) < FRAMES:
            continue
        assert result["total_frames"] <= FRAME_VALUES["fps"] * SECONDS + 10, result
        frame = room.server.get(f"/frames/{task_id}/frame_{FRAMES:06d}.png")
        assert frame.status == 200, frame
        if sound:
            # A player reads it with the first answer that counts so many frames, and never again.
            heard = room.server.get(result["audio_urls"]["audio_dfpwm_url"])
            assert heard.status == 200, heard
            assert len(heard.body) >= SOUND_BYTES, f"{len(heard.body)} bytes of sound"
        break
    took = time.monotonic() - started
    room.stop(task_id)
    return took


def film(room: Room) -> None:
    """3: to 40 pictures of a film for screens"""
    clip, ours, limits = "first.mp4", [], []
    size = start_size(room.media / clip, PICTURES / 24)
    for _ in range(room.rounds):
        network = room.origin.download(room.origin.new(clip), size)
        cpu = room.bare(clip, *FILM_BARE, str(room.folder / "bare"))[1]
        limits.append(max(network, cpu))
        started = time.monotonic()
        values = {"input_url": room.origin.new(clip), "args": [*FILM], "output_format": "32vid"}
        task_id = room.submit("/api/sanjuuni/async", values)
        url = next(u for t in room.polls(task_id) if (u := room.result(t).get("download_url")))
        data = b""
        while _pictures(data) < PICTURES:
            answer = room.server.get(url, headers={"Range": f"bytes={len(data)}-"})
            assert answer.status in (206, 503), (answer.status, answer.body)
            data += answer.body if answer.status == 206 else b""
            time.sleep(READ_PAUSE)
        ours.append(time.monotonic() - started)
        room.stop(task_id)
    bar = 1.15 * median(limits) + 0.5
    room.add(
        Row(3, f"{clip}: POST to {PICTURES} pictures of a 32vid of 328 x 243 read", seconds(ours),
            seconds(limits), f"1.15 x + 0.5 s = {bar:.2f} s", median(ours) <= bar)
    )  # fmt: skip


def _pictures(data: bytes) -> int:
    """Whole pictures in the beginning of a 32vid file."""
    at, count = 21, 0
    while at + 5 <= len(data):
        size, kind = struct.unpack_from("<IB", data, at)
        at += 5 + size
        count += kind == VIDEO and at <= len(data)
    return count


def smaller_film(room: Room) -> None:
    """6: 720p made 240p"""
    clip, ours, downloads, walls = "first.mp4", [], [], []
    for _ in range(max(1, room.rounds // 2)):
        downloads.append(room.origin.download(room.origin.new(clip)))
        walls.append(room.bare(clip, *SMALL, str(room.folder / "bare.mp4"))[0])
        started = time.monotonic()
        values = {"input_url": room.origin.new(clip), "args": [*SMALL], "output_format": "mp4"}
        answer = room.server.post("/api/ffmpeg", values, timeout=300).json()
        assert answer["status"] == "success", answer
        ours.append(time.monotonic() - started)
    keeps_up = median(walls) <= median(downloads)
    bar = max(median(walls), median(downloads)) + 1
    limit = f"download {seconds(downloads)}, bare ffmpeg {seconds(walls)}"
    told = "download + 1 s" if keeps_up else "bare ffmpeg + 1 s, as it does not keep up"
    met = median(ours) <= bar
    room.add(Row(6, f"{clip}: to H.264 of 240p, sync", seconds(ours), limit, told, met))
