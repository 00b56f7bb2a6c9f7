"""Pictures, sound and subtitles into one file in the order in which a player needs them."""

from __future__ import annotations

from gmapi.computercraft.formats.vid32 import Vid32Writer
from gmapi.computercraft.formats.writer import Writer
from gmapi.tools.screens.chunks import Chunk
from gmapi.tools.screens.output import ScreenFile
from gmapi.tools.screens.sound_track import SECONDS_PER_PIECE, SoundTrack

# Shorter silences are not worth a piece of their own.
_SHORTEST_SECONDS = 0.05


class Mixer:
    """Each piece of sound goes before the first picture that is shown with it; after the end of
    the sound it is silence, as long as there are pictures, at most for `seconds`: a slow rate
    shows the last one longer than the source does.

    Where the streams are separate, the sound follows after all pictures.
    """

    def __init__(
        self,
        file: ScreenFile,
        writer: Writer,
        fps: float,
        sound: SoundTrack | None,
        seconds: float,
    ) -> None:
        self._file = file
        self._writer = writer
        self._fps = fps
        self._sound = sound
        self.seconds = seconds
        """May be told later, but before the last pictures."""
        self._ended = sound is None
        self._interleaved = not isinstance(writer, Vid32Writer) or writer.interleaved
        self._sound_seconds = 0.0
        self._pictures = 0

    def picture(self, chunk: Chunk) -> None:
        """Write a picture, and first the sound that is due."""
        if self._interleaved:
            while self._sound is not None and self._is_due():
                self._next_sound(SECONDS_PER_PIECE)
        opens = self._interleaved and self._sound is None
        self._file.add(chunk.data, frames=1, chunks=chunk.count, opens=opens)
        self._pictures += 1
        for event in chunk.events:
            assert isinstance(self._writer, Vid32Writer)
            self._file.add(self._writer.text(event), event=event)

    def rest(self) -> None:
        """Write the sound that is left."""
        while not self._ended:
            self._next_sound(0.0)
        while self._sound is not None and self._missing > _SHORTEST_SECONDS:
            self._next_sound(self._missing)

    @property
    def _missing(self) -> float:
        """Seconds of pictures without sound."""
        return min(self._pictures / self._fps, self.seconds) - self._sound_seconds

    def _is_due(self) -> bool:
        # Silence comes behind its pictures, when it is known how much of it there is.
        return self._missing >= (SECONDS_PER_PIECE if self._ended else 0)

    def _next_sound(self, silence: float) -> None:
        assert self._sound is not None
        assert isinstance(self._writer, Vid32Writer)
        data = self._sound.silence(silence) if self._ended else self._sound.piece()
        if data:
            self._file.add(self._writer.sound(data), opens=self._interleaved)
            self._sound_seconds += self._sound.seconds(data)
        else:
            self._ended = True
            if not self._sound_seconds:
                self._sound = None
