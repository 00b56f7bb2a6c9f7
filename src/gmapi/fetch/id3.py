"""Titles in the ID3 tags that HLS mixes into its sound (ID3v2.3 and v2.4; no network).

They come in packets of a stream of their own in MPEG-TS (stream type 0x15), or before the sound of
a segment. Of a tag only two frames matter, and libraries read tags of whole files. Each loop goes
forward by at least one header and no length is believed beyond what is there.
"""

from __future__ import annotations

from gmapi.fetch.song_title import clean, decode

_HEADER = 10
_TAGS_MAX = 100
_FRAMES_MAX = 1000
_TEXT_BYTES_MAX = 16 * 1024
_PACKET = 188
_SYNC = 0x47
_ID3_STREAM = 0x15
_METADATA_MAX = 64 * 1024


def title_in(segment: bytes) -> str | None:
    """The last title that a segment tells, as "Artist - Title"; None when it tells none."""
    found = None
    for data in (segment, _timed_metadata(segment)):
        for tag in _tags(data):
            found = _title(tag) or found
    return found


def without_tags(segment: bytes) -> bytes:
    """A segment without the tags before its sound, which not all decoders pass over."""
    ends = _ends(segment)
    return segment[ends[-1] :] if ends else segment


def _tags(data: bytes) -> list[bytes]:
    """The bodies of the tags that stand one after the other at the beginning, with their version
    as the first byte."""
    ends = _ends(data)
    starts = [0, *ends]
    return [
        data[start + 3 : start + 4] + data[start + _HEADER : end]
        for start, end in zip(starts, ends, strict=False)
    ]


def _ends(data: bytes) -> list[int]:
    found: list[int] = []
    at = 0
    while data[at : at + 3] == b"ID3" and len(found) < _TAGS_MAX and at + _HEADER <= len(data):
        at = min(at + _HEADER + _syncsafe(data[at + 6 : at + _HEADER]), len(data))
        found.append(at)
    return found


def _title(tag: bytes) -> str | None:
    version, at = tag[0], 1
    texts: dict[bytes, str] = {}
    for _ in range(_FRAMES_MAX if version in (3, 4) else 0):
        name, length = tag[at : at + 4], tag[at + 4 : at + 8]
        if at + _HEADER > len(tag) or not name.isalnum():
            break  # padding
        size = _syncsafe(length) if version == 4 else int.from_bytes(length, "big")
        body = tag[at + _HEADER : at + _HEADER + min(size, _TEXT_BYTES_MAX)]
        if name in (b"TIT2", b"TPE1"):
            texts[name] = clean(_text(body))
        at += _HEADER + size
    title = texts.get(b"TIT2")
    artist = texts.get(b"TPE1")
    return clean(f"{artist} - {title}") if title and artist else title or None


def _text(body: bytes) -> str:
    """The text of a frame: its first byte says how it is written."""
    coding, text = body[:1], body[1:]
    if coding in (b"\1", b"\2"):
        name = "utf-16" if coding == b"\1" else "utf-16-be"
        return text[: len(text) & ~1].decode(name, "replace").partition("\0")[0]
    return decode(text.partition(b"\0")[0])


def _syncsafe(length: bytes) -> int:
    size = 0
    for byte in length:
        size = size << 7 | byte & 0x7F
    return size


def _timed_metadata(segment: bytes) -> bytes:
    """What the packets of ID3 in an MPEG-TS segment hold, one after the other."""
    if segment[:1] != b"\x47" or segment[_PACKET : _PACKET + 1] not in (b"\x47", b""):
        return b""
    maps: set[int] = set()
    wanted: set[int] = set()
    found = bytearray()
    for at in range(0, len(segment) - _PACKET + 1, _PACKET):
        if segment[at] != _SYNC or len(found) > _METADATA_MAX:
            break
        pid = (segment[at + 1] & 0x1F) << 8 | segment[at + 2]
        if pid != 0 and pid not in maps and pid not in wanted:
            continue
        payload = _payload(segment[at : at + _PACKET])
        begins = bool(segment[at + 1] & 0x40)
        if pid in wanted:
            if begins and payload[:3] == b"\0\0\1" and len(payload) > 8:
                payload = payload[9 + payload[8] :]
            found += payload
        elif begins and payload:
            table = payload[1 + payload[0] :]
            if pid == 0:
                maps |= _programs(table)
            else:
                wanted |= _metadata_streams(table)
    return bytes(found)


def _payload(packet: bytes) -> bytes:
    """What a packet of MPEG-TS carries behind its header and its adaptation field."""
    control = packet[3] >> 4 & 3
    if not control & 1:
        return b""
    return packet[5 + packet[4] :] if control & 2 else packet[4:]


def _programs(table: bytes) -> set[int]:
    """Where the maps of the programs are, by the program association table."""
    end = _table_end(table)
    return {
        (table[at + 2] & 0x1F) << 8 | table[at + 3]
        for at in range(8, end - 3, 4)
        if table[at : at + 2] != b"\0\0"
    }


def _metadata_streams(table: bytes) -> set[int]:
    """Which streams of a program are timed metadata, by its map."""
    end = _table_end(table)
    found: set[int] = set()
    if end < 12:
        return found
    at = 12 + ((table[10] & 0x0F) << 8 | table[11])
    while at + 5 <= end:
        if table[at] == _ID3_STREAM:
            found.add((table[at + 1] & 0x1F) << 8 | table[at + 2])
        at += 5 + ((table[at + 3] & 0x0F) << 8 | table[at + 4])
    return found


def _table_end(table: bytes) -> int:
    """Where the entries of a table end: its checksum is left out."""
    if len(table) < 3:
        return 0
    return min(len(table), 3 + ((table[1] & 0x0F) << 8 | table[2])) - 4
