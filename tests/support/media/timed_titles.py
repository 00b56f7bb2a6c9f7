"""ID3 tags as HLS sends them: before the sound of a segment, or in MPEG-TS beside it."""

from __future__ import annotations

import struct


def syncsafe(size: int) -> bytes:
    return bytes(size >> shift & 0x7F for shift in (21, 14, 7, 0))


def frame(name: bytes, body: bytes, version: int = 4) -> bytes:
    """One frame of a tag."""
    size = syncsafe(len(body)) if version == 4 else struct.pack(">I", len(body))
    return name + size + b"\0\0" + body


def tag(*frames: bytes, version: int = 4) -> bytes:
    """A tag of these frames."""
    body = b"".join(frames)
    return b"ID3" + bytes([version, 0, 0]) + syncsafe(len(body)) + body


CLOCK = frame(b"PRIV", b"com.apple.streaming.transportStreamTimestamp\0" + bytes(8))


def song(title: str, artist: str | None = None) -> bytes:
    """A tag that tells a song, after the clock which packed sound has."""
    frames = [CLOCK, frame(b"TIT2", b"\3" + title.encode() + b"\0")]
    if artist is not None:
        frames.append(frame(b"TPE1", b"\1" + artist.encode("utf-16") + b"\0\0"))
    return tag(*frames)


def packet(pid: int, payload: bytes, *, begins: bool = True) -> bytes:
    """A packet of MPEG-TS, filled up as the standard says."""
    head = struct.pack(">BHB", 0x47, (0x4000 if begins else 0) | pid, 0x30)
    room = 183 - len(payload)
    assert room >= 0
    return head + bytes([room]) + (b"\0" + b"\xff" * (room - 1) if room else b"") + payload


def crc(data: bytes) -> bytes:
    """The checksum of a table."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ (0x04C11DB7 if value & 1 << 31 else 0)) & 0xFFFFFFFF
    return struct.pack(">I", value)


def table(number: int, ident: int, body: bytes) -> bytes:
    """A table with its checksum, as the payload of a packet."""
    data = struct.pack(">BHHBBB", number, 0xB000 | len(body) + 9, ident, 0xC1, 0, 0) + body
    return b"\0" + data + crc(data)


def stream_with(*tags: bytes) -> bytes:
    """A stream of a program with timed metadata alone, one packet after the other."""
    # As the HLS authoring guide has it: a metadata pointer of the program, one of the stream.
    pointer = bytes.fromhex("250f ffff49443320ff49443320001f0001")
    entry = bytes.fromhex("260d ffff49443320ff49443320000f")
    streams = struct.pack(">BHH", 0x15, 0xE102, 0xF000 | len(entry)) + entry
    program = struct.pack(">HH", 0xE102, 0xF000 | len(pointer)) + pointer + streams
    made = packet(0, table(0, 1, struct.pack(">HH", 1, 0xE100)))
    made += packet(0x100, table(2, 1, program))
    for number, data in enumerate(tags):
        clock = bytes([0x21, 0, 1, 0, 1 + 2 * number])
        body = b"\0\0\1\xbd" + struct.pack(">H", len(data) + 8) + b"\x84\x80\x05" + clock + data
        for at in range(0, len(body), 183):
            made += packet(0x102, body[at : at + 183], begins=at == 0)
    return made
