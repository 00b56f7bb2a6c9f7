"""Media of any length as radio stations send it, and routes of an origin that send it."""

from __future__ import annotations

import functools
from typing import Any

from support.http.origin import Exchange, Handler, endless
from support.media.programs import ffmpeg_output

ICY = b"ICY 200 OK\r\nicy-name:Test\r\nicy-br:128\r\nContent-Type:audio/mpeg\r\n\r\n"
ICECAST = (
    b"HTTP/1.0 200 OK\r\nServer: Icecast 2.4.4\r\nice-audio-info: bitrate=128\r\nicy-name: Test\r\n"
    b"Cache-Control: no-cache\r\n\r\n"
)
BYTES_A_SECOND = 16_000
CODED = {
    "mp3": ["-c:a", "libmp3lame", "-b:a", "128k", "-write_xing", "0", "-id3v2_version", "0"],
    "adts": ["-c:a", "aac", "-b:a", "64k"],
    "ogg": ["-c:a", "libopus"],
    "flac": ["-c:a", "flac"],
    "mpegts": ["-c:v", "mpeg2video", "-bf", "0", "-g", "5", "-c:a", "mp2"],
    "flv": ["-c:v", "flv1", "-g", "5", "-c:a", "libmp3lame", "-ar", "44100"],
    "matroska": ["-c:v", "libx264", "-bf", "0", "-g", "5", "-c:a", "libvorbis", "-live", "1"],
}


@functools.cache
def broadcast(kind: str, seconds: int) -> bytes:
    """A tone, in containers for films with pictures to it, ten a second."""
    film = kind in ("mpegts", "flv", "matroska")
    pictures = ["-f", "lavfi", "-i", "testsrc=s=64x48:r=10"] if film else []
    tone = ["-f", "lavfi", "-i", "sine=440:r=48000"]
    words = [*pictures, *tone, *CODED[kind], "-t", str(seconds), "-f", kind, "-"]
    return ffmpeg_output(*words)


def station(song: bytes, head: bytes | None = ICY, **options: Any) -> Handler:
    """Twenty seconds of a song at once, as stations begin, then two a second."""

    def pace(exchange: Exchange, sent: int) -> None:
        exchange.wait(1.0 if sent > 20 * BYTES_A_SECOND else 0.0)

    return endless(song, head=head, piece=2 * BYTES_A_SECOND, pace=pace, **options)
