"""What binds a download, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from gmapi.errors import SourceError
from gmapi.hosts import AllowEntry, parse_allow
from gmapi.settings import Settings

LIST_BYTES_MAX = 4 * 1024**2
"""Largest playlist or manifest that is read."""


@dataclass(frozen=True, slots=True)
class FetchRules:
    """Limits of one download: sizes in bytes, times in seconds. `stall` is the longest silence,
    `deadline` the longest whole download with all its redirects and resumptions."""

    allow: tuple[AllowEntry, ...]
    max_bytes: int
    deadline: float
    stall: float
    max_redirects: int = 20
    """As many as browsers follow."""

    @classmethod
    def from_settings(cls, settings: Settings) -> FetchRules:
        """The limits an operator has set."""
        return cls(
            parse_allow(settings.fetch_allow),
            int(settings.fetch_max_bytes),
            settings.fetch_deadline,
            settings.fetch_stall,
        )


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server named a version of a file by; sent to ask whether it is still current."""

    etag: str | None
    last_modified: str | None


@dataclass(frozen=True, slots=True)
class Download:
    """What came of a download. `url` is the address after redirects, `size` in bytes.

    With `not_modified` the server confirmed the validators and no file was written. `cacheable`
    is False when the server forbade to keep the answer. `kind` is what the text is where the
    caller takes text that is no media (`sniff.PLAYLISTS`); such an answer is not kept either.
    `untold` is whether its server told no length, and `is_part` whether it was left before its
    end, which a part is not kept either.
    """

    url: str
    size: int
    etag: str | None
    last_modified: str | None
    content_type: str | None
    not_modified: bool
    cacheable: bool
    kind: str | None = None
    untold: bool = False
    is_part: bool = False


class StatusError(SourceError):
    """A server answered with the status `answered` instead of the file."""

    code = "source_status"

    def __init__(self, status: int, url: str) -> None:
        try:
            phrase = f" {HTTPStatus(status).phrase}"
        except ValueError:
            phrase = ""
        super().__init__(
            f"The server of the source answered HTTP {status}{phrase}; check that input_url "
            "opens in a browser.",
            cause=url,
        )
        self.answered = status
