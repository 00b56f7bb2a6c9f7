"""One request to one checked address, on a connection that another thread can break off."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http.client import HTTPException

from urllib3 import HTTPResponse
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from gmapi.errors import SourceError
from gmapi.fetch.address import SourceUrl, resolve
from gmapi.fetch.answer import CountedAnswer
from gmapi.hosts import AllowEntry

NETWORK_ERRORS = (OSError, HTTPError, HTTPException)


class Stopped(Exception):
    """The watching thread has given up; nobody waits for this connection any more."""


class Connection:
    """A line to a source, used for one request at a time. `stall` is the longest silence in
    seconds. Only `stop` may be called from another thread."""

    def __init__(self, allow: Sequence[AllowEntry], stall: float) -> None:
        self._allow = allow
        self._stall = stall
        self._context: ssl.SSLContext | None = None
        self._http: HTTPConnection | None = None
        self._origin: tuple[str, str, int] | None = None
        self._socket: socket.socket | None = None
        self._stopping = threading.Event()
        self._guard = threading.Lock()
        # A second handle of the socket: wrapping in TLS takes the first one away.
        self._control: socket.socket | None = None

    def request(
        self,
        source: SourceUrl,
        headers: Mapping[str, str],
        *,
        method: str = "GET",
        body: bytes | None = None,
    ) -> HTTPResponse:
        """Send a request and return its answer, of any status, with the body unread.

        The line is used again for the next request to the same origin once the answer before has
        been read to its end. No proxy of the environment is used and nothing is unpacked. Raises
        SourceError and Stopped.
        """
        try:
            if self._http is not None and self._http.sock and self._origin == source.origin:
                # The server may have closed a line that was idle.
                with suppress(ConnectionError, HTTPError, HTTPException):
                    return _ask(self._http, source, headers, method, body)
            self.close()
            return _ask(self._open(source), source, headers, method, body)
        except TimeoutError as error:
            raise self.too_slow(error) from None
        except ssl.SSLCertVerificationError as error:
            raise SourceError(
                f"The certificate of {source.authority} is not valid ({error.verify_message}); "
                "give an address with a valid certificate.",
                code="source_unreachable",
                cause=error,
            ) from None
        except NETWORK_ERRORS as error:
            raise SourceError(
                f"The source at {source.authority} does not answer as a web server; check the "
                "address and that the server runs.",
                code="source_unreachable",
                cause=error,
            ) from None

    def _open(self, source: SourceUrl) -> HTTPConnection:
        secure = source.scheme == "https"
        self._socket = self._connect(source)
        kind = HTTPSConnection if secure else HTTPConnection
        self._http = kind(source.host, source.port, timeout=self._stall)
        self._http.response_class = CountedAnswer
        # Without its socket it would connect by itself, to whatever the name means then.
        self._http.auto_open = 0
        self._origin = source.origin
        if secure:
            self._socket = self._tls().wrap_socket(self._socket, server_hostname=source.host)
        self._http.sock = self._socket
        return self._http

    def close(self) -> None:
        """End the connection; another request may follow."""
        with self._guard:
            control, self._control = self._control, None
        if control is not None:
            control.close()
        if self._http is not None:
            self._http.close()
            self._http = None
        # An answer that was not read to its end would keep the socket open until it is collected.
        if self._socket is not None:
            handle = self._socket.detach()
            if handle != -1:
                socket.close(handle)
            self._socket = None

    def stop(self) -> None:
        """End it for good, and wake the thread from whatever it waits for on the network."""
        with self._guard:
            self._stopping.set()
            if self._control is not None:
                with suppress(OSError):
                    self._control.shutdown(socket.SHUT_RDWR)

    def pause(self, seconds: float) -> None:
        """Wait before another try. Raises Stopped."""
        if self._stopping.wait(seconds):
            raise Stopped

    def check(self) -> None:
        """To be called by whatever computes for long in this thread. Raises Stopped."""
        if self._stopping.is_set():
            raise Stopped

    def too_slow(self, cause: object) -> SourceError:
        """The error for a source that was silent for too long."""
        return SourceError(
            f"The source sent nothing for {self._stall:g} seconds; try again later or use a "
            "faster source.",
            code="source_too_slow",
            cause=cause,
        )

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = ssl.create_default_context()
            self._context.set_alpn_protocols(["http/1.1"])
        return self._context

    def _connect(self, source: SourceUrl) -> socket.socket:
        """Connect to the first checked address that answers. Raises the last OSError."""
        failure: OSError = ConnectionError("no address")
        for address in resolve(source, self._allow):
            family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
            sock = socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.settimeout(self._stall)
                with self._guard:
                    if self._stopping.is_set():
                        raise Stopped
                    if self._control is not None:
                        self._control.close()
                    self._control = sock.dup()
                sock.connect((str(address), source.port))
                if sock.getpeername()[0] != str(address):
                    raise ConnectionError(f"connected to {sock.getpeername()}, not {address}")
            except OSError as error:
                sock.close()
                failure = error
            except BaseException:
                sock.close()
                raise
            else:
                return sock
        raise failure


def _ask(
    http: HTTPConnection,
    source: SourceUrl,
    headers: Mapping[str, str],
    method: str,
    body: bytes | None,
) -> HTTPResponse:
    http.request(
        method,
        source.target,
        body=body,
        headers={**headers, "Accept-Encoding": "identity"},
        preload_content=False,
        decode_content=False,
    )
    return http.getresponse()
