"""What reading one playlist may cost, and that it can be stopped on the way.

Playlists and manifests are read in the worker itself, so each loop over one is linear, counts what
it makes and calls `Bounds.step`, through which a cancelled job stops.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from gmapi.fetch.address import SourceUrl
from gmapi.fetch.segments import bad_playlist, resolve_url

ADDRESS_CHARACTERS_MAX = 8_000_000
"""All addresses of a playlist together. A short manifest can stand for long ones many times."""

HOSTS_MAX = 500
"""Most different hosts of a playlist's addresses."""

HEADERS_MAX = 1_000
"""Most different headers (EXT-X-MAP) of a track."""

CHOICES_MAX = 2_000
"""Most variants, sounds or representations to choose from."""

Check = Callable[[], None]
"""Raises when the work is to stop: cancelled, taken over, out of time."""

_STEPS_PER_LOOK = 500
_RESOLVE_STEPS = 50
_CHECK_SECONDS = 0.1


def unwatched() -> None:
    """The check of a reading that nobody stops."""


class Bounds:
    """The bounds on reading one playlist with all its parts; `check` is called some ten times a
    second."""

    def __init__(self, check: Check = unwatched) -> None:
        self._check = check
        self._steps = 0
        self._checked = time.monotonic()
        self._characters = 0
        self._hosts: set[str] = set()

    def step(self, steps: int = 1) -> None:
        """Count one turn of a loop, a microsecond or two. Raises what `check` raises."""
        self._steps += steps
        if self._steps < _STEPS_PER_LOOK:
            return
        self._steps = 0
        now = time.monotonic()
        if now - self._checked >= _CHECK_SECONDS:
            self._check()
            self._checked = time.monotonic()

    def resolve(self, base: SourceUrl, reference: str, name: str) -> SourceUrl:
        """The address of `name` ("segment 3"). Raises SourceError, and what `check` raises."""
        self.step(_RESOLVE_STEPS)
        url = resolve_url(base, reference, name)
        self._hosts.add(url.host)
        if len(self._hosts) > HOSTS_MAX:
            raise bad_playlist(f"names more than {HOSTS_MAX} hosts; use another source")
        self._characters += len(url.url)
        if self._characters > ADDRESS_CHARACTERS_MAX:
            raise bad_playlist(
                f"names addresses of together more than the {ADDRESS_CHARACTERS_MAX:,} characters "
                "this server reads; use a shorter source"
            )
        return url


def check_headers(count: int) -> None:
    """Raises SourceError for more different headers than are fetched."""
    if count > HEADERS_MAX:
        raise bad_playlist(
            f"names more than the {HEADERS_MAX:,} headers this server fetches; use another source"
        )
