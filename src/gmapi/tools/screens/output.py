"""The file a conversion makes: it grows chunk by chunk, and is cut into parts if it is too large
for one answer to a game computer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from gmapi.computercraft.formats.vid32 import Vid32Writer
from gmapi.computercraft.formats.writer import Tally, TextEvent, Writer
from gmapi.errors import LimitError
from gmapi.storage.base import OpenFile, StoredFile
from gmapi.storage.growing import GrowingFile
from gmapi.tools.base import Work
from gmapi.tools.results import GAME_REPLY_MAX

PICTURES_MAX = 1_000_000
"""Nine hours of a film. Where each picture lies is kept in memory until all are made."""

# Header and ending of a part take far less.
_PART_BYTES = GAME_REPLY_MAX - 64 * 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """One chunk of the file: where it lies and what it counts. A part may begin at a piece that
    `opens`; a subtitle's event is told again with the frame counted from there."""

    offset: int
    size: int
    frames: int = 0
    chunks: int = 1
    opens: bool = False
    event: TextEvent | None = None


class ScreenFile:
    """The growing output and what has been written to it."""

    def __init__(self, work: Work, name: str, writer: Writer, growing: GrowingFile) -> None:
        self._work = work
        self._name = name
        self._writer = writer
        self._growing = growing
        self._pieces: list[Piece] = []
        self._pictures = 0
        header = writer.header()
        growing.append(header)
        self.size = len(header)

    def add(
        self,
        data: bytes,
        *,
        frames: int = 0,
        chunks: int = 1,
        opens: bool = False,
        event: TextEvent | None = None,
    ) -> None:
        """Append a chunk. Raises LimitError when the file grows too large for this server, or gets
        more than a million pictures."""
        self._pictures += frames
        if self._pictures > PICTURES_MAX:
            raise LimitError(
                f"The source has more than {PICTURES_MAX:,} pictures. Ask for fewer pictures per "
                "second with fps, or give a shorter source."
            )
        self._growing.append(data)
        self._pieces.append(Piece(self.size, len(data), frames, chunks, opens, event))
        self.size += len(data)
        if self.size > self._work.settings.output_limit:
            raise LimitError(
                "The output takes more space than this server allows for one job. Ask for a "
                "smaller size, fewer pictures per second, or a shorter source."
            )

    def flush(self) -> None:
        """Show readers what there is."""
        self._growing.flush()

    def finish(self) -> StoredFile:
        """Complete the file."""
        ending = self._writer.finish(_tally(self._pieces))
        self._growing.append(ending.trailer)
        for offset, data in ending.patches:
            self._growing.patch(offset, data)
        stored = self._growing.finish()
        self.size = stored.size
        return stored

    def publish_parts(self) -> list[str]:
        """Addresses of parts of the finished file, each a whole file below 16 MiB; none if a game
        computer takes the file itself, or if it cannot be cut."""
        if self.size <= GAME_REPLY_MAX:
            return []
        cuts = self._cuts()
        stem, _, extension = self._name.rpartition(".")
        addresses = []
        begins = 0
        running: list[TextEvent] = []
        with self._work.storage.open(self._work.file_id, self._name) as whole:
            for number, pieces in enumerate(cuts, 1):
                name = f"{stem}-{number:03d}.{extension}"
                with self._work.grow(name) as part:
                    self._write_part(whole, pieces, part, begins, running)
                addresses.append(self._work.address(name))
                begins += sum(piece.frames for piece in pieces)
                running += [piece.event for piece in pieces if piece.event is not None]
                running = [event for event in running if event.start + event.length > begins]
        return addresses

    def _cuts(self) -> list[Sequence[Piece]]:
        """The pieces of each part; empty when even a smallest part would be too large."""
        starts = [at for at, piece in enumerate(self._pieces) if piece.opens]
        if not starts or starts[0] != 0:
            return []
        cuts: list[Sequence[Piece]] = []
        begun = 0
        for start, end in zip(starts, [*starts[1:], len(self._pieces)], strict=True):
            first, last = self._pieces[begun], self._pieces[end - 1]
            if last.offset + last.size - first.offset > _PART_BYTES and start > begun:
                cuts.append(self._pieces[begun:start])
                begun = start
        cuts.append(self._pieces[begun:])
        too_large = any(p[-1].offset + p[-1].size - p[0].offset > _PART_BYTES for p in cuts)
        return [] if too_large else cuts

    def _write_part(
        self,
        whole: OpenFile,
        pieces: Sequence[Piece],
        part: GrowingFile,
        begins: int,
        running: Sequence[TextEvent],
    ) -> None:
        """Write a part that begins with picture number `begins`, while `running` are shown."""
        written: list[Piece] = []

        def write(piece: Piece, data: bytes) -> None:
            written.append(replace(piece, offset=part.size, size=len(data)))
            part.append(data)

        part.append(self._writer.header())
        for piece in pieces:
            self._work.check()
            if piece.event is not None:
                write(piece, self._event(piece.event, begins))
                continue
            write(piece, whole.read(piece.offset, piece.size))
            if piece.frames and running:
                # What is on the screen when the part begins follows its first picture.
                for event in running:
                    write(Piece(0, 0, event=event), self._event(event, begins))
                running = []
        ending = self._writer.finish(_tally(written))
        part.append(ending.trailer)
        for offset, data in ending.patches:
            part.patch(offset, data)
        part.finish()

    def _event(self, event: TextEvent, begins: int) -> bytes:
        """A subtitle in a part that begins with the picture of that number."""
        assert isinstance(self._writer, Vid32Writer)
        start = max(event.start, begins)
        length = event.start + event.length - start
        return self._writer.text(replace(event, start=start - begins, length=length))


def _tally(pieces: Sequence[Piece]) -> Tally:
    return Tally(
        frames=sum(piece.frames for piece in pieces),
        chunks=sum(piece.chunks for piece in pieces),
        size=sum(piece.size for piece in pieces),
        offsets=[piece.offset for piece in pieces if piece.frames],
    )
