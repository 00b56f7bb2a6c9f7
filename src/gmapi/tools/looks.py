"""What a job finds out about its sources before it makes something of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from gmapi.errors import MediaError, RequestError
from gmapi.fetch.unread import unread
from gmapi.media import failures, picture_files, pictures, selection
from gmapi.media.header import MediaInfo
from gmapi.media.loudness import peak
from gmapi.media.probe import probe, seen_size
from gmapi.media.selection import Selection, Track
from gmapi.media.timing import ONE_PICTURE, PictureTimes, picture_times
from gmapi.tools.runs import Feeds, Runs

T = TypeVar("T")


class Looks(Runs):
    """Looks at sources, also at those that are still arriving."""

    def probe(self, path: Path, input_args: Sequence[str] = ()) -> MediaInfo:
        """What ffmpeg says of a file, read with `input_args`. Raises MediaError when it cannot
        open it, with what the file is where that can be told of a source."""

        def look(feeds: Feeds) -> MediaInfo:
            return probe(
                self.launcher,
                self.ffmpeg,
                path,
                self.folder,
                input_args=input_args,
                max_pixels=self.settings.picture_max_pixels,
                limits=self.limits(),
                cancelled=self.check,
                feeds=feeds,
            )

        try:
            info = self._look(path, look)
        except MediaError as error:
            if self.outputs in path.parents:
                raise
            raise unread(path, error) from error
        if (source := self.arriving.get(path)) is not None and source.total is None:
            # Of what comes in segments ffmpeg knows the first one.
            info = replace(info, duration=source.seconds)
        if self.outputs not in path.parents:
            self.look_back.lengths[path] = info.duration
        return info

    def select(
        self,
        path: Path,
        *,
        video_track: Track | None = None,
        audio_track: Track | None = None,
        used: Collection[str] = ("video", "audio"),
        input_args: Sequence[str] = (),
    ) -> Selection:
        """The decision about a fetched source that is read with `input_args`, perhaps from another
        `path` than the one given. What else there is goes to the log, and to the warnings where
        the output is made of it: of "video", of "audio".

        Raises what `probe` does, and RequestError for a track that is not there.
        """
        try:
            return self._select(path, video_track, audio_track, used, input_args)
        except (MediaError, RequestError):
            if self.arriving.is_whole(path):
                raise
        # Only the whole file shows everything that is in it.
        self.await_whole(path)
        return self._select(path, video_track, audio_track, used, input_args)

    def _select(
        self,
        path: Path,
        video_track: Track | None,
        audio_track: Track | None,
        used: Collection[str],
        input_args: Sequence[str],
    ) -> Selection:
        info = self.probe(path, input_args)
        for line in selection.described(info):
            self.reporter.log(line)
        is_film = picture_files.holds_film(path, info.container, self.check)
        is_heif = info.container.startswith("mov,") and picture_files.is_heif(path)
        chosen = selection.choose(
            path,
            info,
            video_track=video_track,
            audio_track=audio_track,
            is_film=is_film,
            is_heif=is_heif,
        )
        for kind, note in chosen.notes.items():
            if kind in used:
                self.warn(note)
        if chosen.is_in_pieces:
            return self.select(self._assembled(chosen))
        return chosen

    def look_again(self, chosen: Selection) -> Selection:
        """The same decision about a source that was looked at while it arrived, as soon as it is
        whole: some headers tell its length only then. Raises what ended it early."""
        if not self.arriving.came_late(chosen.path):
            return chosen
        self.arriving.await_whole(chosen.path, self.check)
        return selection.renewed(chosen, self.probe(chosen.path))

    def _assembled(self, chosen: Selection) -> Path:
        """The whole picture in one file: no other command can take its pieces together."""
        whole = self.outputs / "assembled"
        limit = self.settings.picture_max_pixels
        argv = pictures.assembled(self.ffmpeg, chosen, whole, max_pixels=limit)
        self.run_ffmpeg(argv, outputs=[whole], context=failures.Context(max_pixels=limit))
        return whole.replace(self.inputs / f"{chosen.path.name}.assembled")

    def upright(self, chosen: Selection) -> Selection:
        """The same with the size of a picture file as it is meant to be seen, which only decoding
        shows: cameras write into the picture itself how it is to be turned."""
        if not chosen.is_picture_file:
            return chosen
        size = seen_size(
            self.launcher,
            self.ffmpeg,
            chosen,
            self.folder,
            max_pixels=self.settings.picture_max_pixels,
            limits=self.limits(),
            cancelled=self.check,
        )
        return chosen if size is None else selection.turned(chosen, size)

    def picture_times(self, chosen: Selection, *, with_sound: bool = False) -> PictureTimes:
        """When the pictures of a source are shown, which may be heard `with_sound`."""
        if chosen.is_still:
            return ONE_PICTURE

        def look(feeds: Feeds) -> PictureTimes:
            return picture_times(
                self.launcher,
                self.ffmpeg,
                chosen,
                cwd=self.folder,
                with_sound=with_sound,
                max_pixels=self.settings.picture_max_pixels,
                limits=self.limits(),
                cancelled=self.check,
                feeds=feeds,
            )

        return self._look(chosen.path, look)

    def peak(self, path: Path, track: str, input_args: Sequence[str] = ()) -> float | None:
        """How loud a sound track is at most, in decibels; see `loudness.peak`."""

        def look(feeds: Feeds) -> float | None:
            return peak(
                self.launcher,
                self.ffmpeg,
                path,
                cwd=self.folder,
                track=track,
                input_args=input_args,
                max_pixels=self.settings.picture_max_pixels,
                limits=self.limits(),
                cancelled=self.check,
                feeds=feeds,
            )

        return self._look(path, look)

    def _look(self, path: Path, look: Callable[[Feeds], T]) -> T:
        """What a process finds in a file, which `look` lets read what arrives; once more in all of
        it where that does not do."""
        feeds = self.arriving.feeds()
        if path in feeds:
            try:
                return look(feeds)
            except MediaError as error:
                self._log_waiting(error)
                self.await_whole(path)
        return look({})
