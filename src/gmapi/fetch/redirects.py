"""The way to a file that may be elsewhere: redirects, and the cookies set on the way."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from urllib.parse import urljoin

from urllib3 import HTTPResponse

from gmapi import __version__
from gmapi.errors import RequestError, SourceError
from gmapi.fetch.address import SourceUrl, check_url
from gmapi.fetch.connection import Connection
from gmapi.fetch.cookies import Cookies
from gmapi.fetch.headers import HARMLESS_HEADERS

USER_AGENT = f"GMapiServer/{__version__}"

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Route:
    """The way to one file, of at most so many redirects at a time. `source` is where it is, as far
    as is known by now.

    Each address on the way is checked like the first one. The caller's headers stay with the
    origin that they were meant for.
    """

    def __init__(
        self,
        connection: Connection,
        source: SourceUrl,
        headers: Mapping[str, str],
        max_redirects: int,
    ) -> None:
        self.source = source
        self._connection = connection
        self._max_redirects = max_redirects
        names = {name.lower() for name in headers}
        defaults = {"User-Agent": USER_AGENT, "Accept": "*/*"}
        own = {name: value for name, value in defaults.items() if name.lower() not in names}
        self._headers = own | dict(headers)
        self._cookies = Cookies()

    def ask(self, extra: Mapping[str, str]) -> HTTPResponse:
        """Send the request with some more headers and follow redirects; the answer may have any
        status. Raises SourceError and Stopped."""
        asked: set[tuple[str, str | None]] = set()
        for _ in range(self._max_redirects + 1):
            headers, cookie = self._headers_now()
            answer = self._connection.request(self.source, {**headers, **extra})
            self._cookies.keep(self.source, answer.headers)
            location = answer.headers.get("Location")
            if answer.status not in _REDIRECTS or not location:
                return answer
            asked.add((self.source.url, cookie))
            self._follow(location)
            self._connection.close()
        # Some servers send a visitor round until something is ready, so only now it is certain.
        if (self.source.url, self._headers_now()[1]) in asked:
            raise _error(
                "source_status",
                "The source redirects in a loop, back to where it came from; check that input_url "
                "opens in a browser, in a private window, or give the address of the file itself.",
                self.source.url,
            )
        raise _error(
            "source_status",
            f"The source redirects more than {self._max_redirects} times; give the address it "
            "should lead to.",
            self.source.url,
        )

    def _headers_now(self) -> tuple[dict[str, str], str | None]:
        """The headers for the next request, and the cookies among them."""
        name = next((name for name in self._headers if name.lower() == "cookie"), "Cookie")
        cookie = self._cookies.header(self.source, self._headers.get(name))
        return self._headers | ({} if cookie is None else {name: cookie}), cookie

    def _follow(self, location: str) -> None:
        before = self.source
        # http.client reads header bytes as Latin-1; servers mean UTF-8 and often forget %20.
        with suppress(UnicodeError):
            location = location.encode("latin-1").decode("utf-8")
        try:
            self.source = check_url(urljoin(before.url, location.strip().replace(" ", "%20")))
        except (RequestError, ValueError) as error:
            raise _error(
                "source_refused",
                "The source redirects to an address that is not valid or not allowed; "
                "give the direct address of the file.",
                f"{before.url} to {location[:200]!r}: {error}",
            ) from None
        if before.scheme == "https" and self.source.scheme == "http":
            raise _error(
                "source_refused",
                "The source redirects from https to http, which is not followed; "
                "give the address it redirects to if you trust it.",
                before.url,
            )
        if self.source.origin != before.origin:
            self._headers = {
                name: value
                for name, value in self._headers.items()
                if name.lower() in HARMLESS_HEADERS
            }


def _error(code: str, message: str, cause: str) -> SourceError:
    return SourceError(message, code=code, cause=cause)
