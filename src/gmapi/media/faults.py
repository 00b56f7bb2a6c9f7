"""What ffmpeg says of a damaged source while it runs: packets that are lost, pictures that are
damaged, files that stop in the middle.

Wordings are those of ffmpeg 5 to 9; the tests produce them with the installed programs. Many
lines at error level belong to healthy files (recordings begin in the middle of a group of
pictures, songs end with tags), so only those that tell of a loss count.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

# By ffmpeg itself, of a packet that its decoder has refused.
_LOST = re.compile(
    r"Error submitting packet to decoder|Decoding error:|Error while decoding stream #(\d{1,6}:\d+)"
)
_DAMAGED = re.compile(r"corrupt decoded frame(?: in stream (\d{1,6}))?")
# By decoders that hand on what they have of a picture, in ffmpeg 5 without the line above.
_BLOTCHED = re.compile(r"error while decoding MB|LZW decode failed")
_UNDECODED_END = re.compile(r"EOI missing, emulating|\boverread\b")
_UNREADABLE = re.compile(
    r"CRC mismatch|invalid as first byte of an EBML number|exceeds containing master element|"
    r"packet_obj_size -?\d{1,20} invalid"
)
_STOPPED = re.compile(r"Error during demuxing|^\[error\] [^\s:\[]{1,200}: [A-Z]")
_ENDED = re.compile(
    r"partial file|File ended prematurely|Packet corrupt|corrupt input packet|"
    r"filesize and duration do not match"
)
# Not a loss: what follows the last frame of a song is its tags; half a sample is nothing.
_NO_FRAME = re.compile(r"Header missing")
_NO_SAMPLE = re.compile(r"Invalid PCM packet")
_REPEATED = re.compile(r"Last message repeated (\d{1,9}) times")
_STREAM = re.compile(r"\[[va]ist#(\d{1,6}:\d{1,6})/")

Place = tuple[int, int]
"""The number of the input and of the stream in it."""


@dataclass
class Faults:
    """Counts over one run. `lost` packets and `damaged` pictures (or frames of sound) are by
    stream; `unreadable` are places where the container itself is damaged."""

    lost: Counter[Place] = field(default_factory=Counter)
    damaged: Counter[Place] = field(default_factory=Counter)
    blotched: bool = False
    undecoded_end: bool = False
    unreadable: int = 0
    stopped: bool = False
    ended: bool = False
    _no_frame: int = 0
    _no_sample: int = 0
    _last: tuple[Counter[Place], Place] | None = None

    def __bool__(self) -> bool:
        """Whether there is anything to look into."""
        return bool(
            self.lost or self.damaged or self.blotched or self.undecoded_end
            or self.unreadable or self.stopped or self.ended
        )  # fmt: skip

    def take(self, line: str) -> None:
        """One line of the log, with its level."""
        if again := _REPEATED.search(line):
            if self._last is not None:
                counter, place = self._last
                counter[place] += int(again[1])
            return
        self._last = None
        if found := _LOST.search(line):
            self._count(self.lost, _place(line, found[1]))
        elif found := _DAMAGED.search(line):
            self._count(self.damaged, _place(line, found[1] and f"0:{found[1]}"))
        elif _UNREADABLE.search(line):
            self.unreadable += 1
        self.blotched |= bool(_BLOTCHED.search(line))
        self.undecoded_end |= bool(_UNDECODED_END.search(line))
        self.stopped |= bool(_STOPPED.search(line))
        self.ended |= bool(_ENDED.search(line))
        self._no_frame += bool(_NO_FRAME.search(line))
        self._no_sample += bool(_NO_SAMPLE.search(line))

    @property
    def has_tags_between(self) -> bool:
        """Whether some of what was lost may be tags, as songs in a row have them."""
        return self._no_frame > 1

    def lost_in(self, place: Place, tags: int = 1) -> int:
        """Packets of a stream that held something and are lost; so many `tags` there are."""
        lost = self.lost[place]
        if lost == 1 and self._no_sample == 1:
            return 0
        # Each tag is refused as one packet, or two where one ends and another begins.
        return 0 if lost <= min(self._no_frame, tags) else lost

    def _count(self, counter: Counter[Place], place: Place) -> None:
        counter[place] += 1
        self._last = counter, place


def _place(line: str, told: str | None) -> Place:
    found = _STREAM.search(line)
    source, _, stream = (told or (found[1] if found else "0:0")).partition(":")
    return int(source), int(stream)
