"""Sound without an end for the game: one ffmpeg makes DFPWM of three channels, cut into seconds.

All three come through one pipe, since that is what every launcher has: in MPEG-TS, which takes
streams of any kind, lets each packet go at once and is easily taken apart. Times do not matter:
they are made anew by counting samples, so that whatever a station's clock does is no gap and no
leap. Channels go by their names, as a station may turn from one to two and back while it plays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from gmapi.errors import MediaError
from gmapi.media import command
from gmapi.media.sound import RATE, Channel

if TYPE_CHECKING:
    from gmapi.media.binaries import Ffmpeg

CHANNELS: tuple[Channel, ...] = ("mono", "left", "right")
"""In the order in which a second holds them."""

SECOND_BYTES = RATE // 8
"""Of one channel."""

# Containers that stations send.
_FORMATS = (
    "aac", "ac3", "eac3", "flac", "flv", "matroska", "mov", "mp3", "mpegts", "nsv", "ogg", "wav",
)  # fmt: skip
# By what a station says of itself. The others ffmpeg must tell from their first bytes, for which
# it waits longer.
_BY_TYPE: Mapping[str, str] = {
    "audio/mpeg": "mp3", "audio/mp3": "mp3", "audio/x-mpeg": "mp3", "audio/mpeg3": "mp3",
    "audio/aac": "aac", "audio/aacp": "aac", "audio/x-aac": "aac",
}  # fmt: skip
_PANS: Mapping[Channel, str] = {
    "mono": "0.5*FL+0.5*FR+FC",
    "left": "FL+FC",
    "right": "FR+FC",
}
# A frame is an eighth of a second, and whole bytes for the encoder of ffmpeg 5 to stay in time.
_FRAME_SAMPLES = RATE // 8
# Few bytes to look at before it begins: they come no faster than they play.
_QUICK = ("-probesize", "2048", "-analyzeduration", "0")
_CAREFUL = ("-probesize", "65536", "-analyzeduration", "500000")

_PACKET = 188
_SYNC = 0x47
_FIRST_PID = 0x100


def format_of(content_type: str) -> str | None:
    """The container that a Content-Type in small letters stands for, where it is a plain one."""
    return _BY_TYPE.get(content_type)


def seconds_of(ffmpeg: Ffmpeg, source: Path, *, demuxer: str | None, max_pixels: int) -> list[str]:
    """The command that writes the sound of a station to its standard output for `Seconds`.

    With a `demuxer` that is known it begins with fewer bytes.
    """
    ins = "".join(f"[{name}_in]" for name in CHANNELS)
    graph = [
        f"[0:a:0]aresample={RATE},aformat=channel_layouts=stereo|mono,asetpts=N/SR/TB,"
        f"asplit={len(CHANNELS)}{ins}"
    ]
    graph += [
        f"[{name}_in]pan=mono|c0={_PANS[name]},asetnsamples=n={_FRAME_SAMPLES}:p=0[{name}]"
        for name in CHANNELS
    ]
    maps = [word for name in CHANNELS for word in ("-map", f"[{name}]")]
    chosen = [*_QUICK, "-f", demuxer] if demuxer else _CAREFUL
    return [
        *command.head(ffmpeg, None, "error"),
        *chosen,
        *command.guarded_input(source, max_pixels, _FORMATS),
        "-filter_complex", ";".join(graph), *maps, "-c:a", "dfpwm",
        "-muxdelay", "0", "-muxpreload", "0", "-pes_payload_size", "0", "-flush_packets", "1",
        "-f", "mpegts", "pipe:1",
    ]  # fmt: skip


class Seconds:
    """Takes what one or more such commands write, one after the other, and hands on each second:
    the channels' bytes one behind the other, SECOND_BYTES of each."""

    def __init__(self, on_second: Callable[[bytes], None]) -> None:
        self._on_second = on_second
        self._rest = b""
        self._channels = [bytearray() for _ in CHANNELS]

    def begin(self) -> None:
        """Another command begins; what is there of a second is kept, in all channels alike."""
        self._rest = b""
        least = min(len(channel) for channel in self._channels)
        for channel in self._channels:
            del channel[least:]

    def feed(self, data: bytes) -> None:
        """Take bytes as they come. Raises MediaError for what no ffmpeg writes."""
        data = self._rest + data
        end = len(data) - len(data) % _PACKET
        for at in range(0, end, _PACKET):
            self._take(data[at : at + _PACKET])
        self._rest = data[end:]
        while all(len(channel) >= SECOND_BYTES for channel in self._channels):
            self._on_second(b"".join(bytes(each[:SECOND_BYTES]) for each in self._channels))
            for channel in self._channels:
                del channel[:SECOND_BYTES]

    def _take(self, packet: bytes) -> None:
        if packet[0] != _SYNC:
            raise _broken("a packet without its mark")
        number = ((packet[1] & 0x1F) << 8 | packet[2]) - _FIRST_PID
        if not 0 <= number < len(CHANNELS):
            return  # tables
        control = packet[3] >> 4 & 3
        payload = packet[5 + packet[4] :] if control & 2 else packet[4:]
        if packet[1] & 0x40:
            if payload[:3] != b"\0\0\1" or len(payload) < 9:
                raise _broken("sound without its header")
            payload = payload[9 + payload[8] :]
        if control & 1:
            self._channels[number] += payload
        if len(self._channels[number]) > 100 * SECOND_BYTES:
            raise _broken("channels that do not go together")


def _broken(cause: str) -> MediaError:
    return MediaError("The sound of the station could not be converted.", cause=cause)
