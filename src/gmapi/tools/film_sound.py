"""The sound of a film that is cut into frames: DFPWM files, made beside the frames."""

from __future__ import annotations

from collections.abc import Callable

from gmapi.errors import MediaError
from gmapi.media.process import PROGRESS_FD
from gmapi.media.selection import Selection
from gmapi.media.sound import RATE, Channel, dfpwm_channels
from gmapi.tools import sound, sound_first
from gmapi.tools.base import Work
from gmapi.tools.outlook import FilmTimes
from gmapi.tools.results import GAME_REPLY_MAX
from gmapi.tools.sound_first import SoundAhead

AUDIO_NAMES: dict[Channel, tuple[str, str]] = {
    "mono": ("audio_dfpwm_url", "audio.dfpwm"),
    "left": ("audio_dfpwm_left_url", "audio_left.dfpwm"),
    "right": ("audio_dfpwm_right_url", "audio_right.dfpwm"),
}

SOUND_FIRST_SECONDS = GAME_REPLY_MAX * 8 / RATE
"""Players that wait for all of the sound cannot play more than fits into one answer."""


class FilmSound:
    """Sound as long as the film with these `times`. `check` raises MediaError when nobody wants it
    any more; `size` is how many bytes a channel has."""

    def __init__(
        self, work: Work, chosen: Selection, times: FilmTimes, check: Callable[[], None]
    ) -> None:
        self._work = work
        self._chosen = chosen
        self._times = times
        self._check = check
        self._outputs = {name: work.outputs / file for name, (_, file) in AUDIO_NAMES.items()}
        self.size = 0

    def make(self) -> dict[str, str] | None:
        """Make and publish the three files; their addresses, None when the source has no usable
        sound."""
        work = self._work
        if self._chosen.sound is None:
            work.reporter.log("the source has no sound")
            return None
        try:
            self._decode()
        except MediaError as error:
            if not self._is_unwanted():
                work.warn(f"The film has no sound, which could not be read. {error.message}")
            return None
        sound.warn_if_silent(work, self._outputs["mono"], None, self._chosen)
        end, most = self._times.end(), work.settings.output_limit
        urls: dict[str, str] = {}
        for channel, (key, name) in AUDIO_NAMES.items():
            sound.settle(self._outputs[channel], end, most=most, check=work.check)
            self.size = work.publish(name, self._outputs[channel]).size
            urls[key] = work.address(name)
        return urls

    def _decode(self) -> None:
        work = self._work

        def check() -> None:
            work.check()
            self._check()

        ahead = sound_first.fetch(work, self._chosen, seconds_max=SOUND_FIRST_SECONDS, check=check)
        if ahead is not None:
            try:
                self._run(ahead)
            except MediaError as error:
                if self._is_unwanted():
                    raise
                work.reporter.log(f"the sound comes with the pictures: {error.message}")
            else:
                return
        self._run(SoundAhead(self._chosen, own_clock=False))

    def _run(self, source: SoundAhead) -> None:
        work = self._work

        def argv(chosen: Selection) -> list[str]:
            return dfpwm_channels(
                work.ffmpeg,
                chosen,
                self._outputs,
                quiet=True,
                own_clock=source.own_clock and chosen is source.chosen,
                max_pixels=work.settings.picture_max_pixels,
                progress_fd=PROGRESS_FD,
            )

        sound.run(
            work,
            argv,
            source.chosen,
            channels=2,
            outputs=list(self._outputs.values()),
            on_progress=lambda _: self._check(),
        )

    def _is_unwanted(self) -> bool:
        try:
            self._check()
        except MediaError:
            return True
        return False
