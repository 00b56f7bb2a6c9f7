"""The HTTP server: gevent's pywsgi with sendfile, quick small answers and draining on SIGTERM.

Only `python -m gmapi web` imports this module, after gevent has patched the standard library.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
from typing import Any

import gevent
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer
from gevent.socket import socket as GeventSocket
from gevent.socket import wait_read

from gmapi.access import Mode
from gmapi.jobs.service import JobService
from gmapi.settings import Settings
from gmapi.web.app import create_app
from gmapi.web.handler import Handler
from gmapi.web.limits import Callers, Limits, household
from gmapi.web.protocol import malformed
from gmapi.web.turns import Turns

DRAIN_SECONDS = 12.0
"""How long calls at hand may go on after SIGTERM; workers hand their jobs back a little earlier."""

REFUSED_SECONDS = 0.5
"""How long the rest of a refused connection's request is read, so that it can see its answer."""

log = logging.getLogger(__name__)


class Server(WSGIServer):  # type: ignore[misc]
    """Bounds the connections of an address, and knows which are idle, to close just them when
    it drains."""

    handler_class = Handler

    def __init__(self, *args: Any, limits: Limits, callers: Callers, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limits = limits
        self.idle: set[Handler] = set()
        self.draining = False
        self.turns = Turns()
        self.trusted = callers.trusted
        self._callers = callers

    def handle(self, sock: GeventSocket, address: tuple[Any, ...]) -> None:
        with self._callers.admitted(str(address[0])) as admitted:
            if admitted:
                super().handle(sock, address)
        if not admitted:
            with contextlib.suppress(OSError), gevent.Timeout(REFUSED_SECONDS, False):
                sock.sendall(malformed(429, retry_after=1))
                sock.shutdown(socket.SHUT_WR)
                while sock.recv(16 * 1024):
                    self.turns.take(household(str(address[0])))

    def drain(self) -> None:
        """Accept nothing more and close the connections that wait for a next request."""
        self.draining = True
        self.stop_accepting()
        self.close()
        for handler in list(self.idle):
            with contextlib.suppress(OSError, AttributeError):
                handler.socket.shutdown(socket.SHUT_RD)


def serve(settings: Settings, listener: socket.socket, *, supervised: bool) -> None:
    """Serve until SIGTERM or SIGINT, then let calls at hand finish within a grace."""
    service = JobService(settings, gevent.get_hub().threadpool.apply)
    service.start()
    app = create_app(settings, service)
    limits = Limits.of(settings)
    pool = Pool(limits.connections)
    server = Server(
        GeventSocket(fileno=listener.detach()),
        app,
        log=None,
        error_log=logging.getLogger("gmapi.http"),
        spawn=pool,
        limits=limits,
        callers=Callers(limits.connections_per_address, settings.trusted_proxies),
    )
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(number, stop.set)
    if supervised:
        gevent.spawn(_stop_with_parent, stop)
    server.start()
    log.log(
        logging.WARNING if settings.access_mode is Mode.ANONYMOUS else logging.INFO,
        "access: %s",
        settings.access_text,
    )
    log.info("listening on %s port %s", server.server_host, server.server_port)
    stop.wait()
    log.info("stopping: %d connections are open", len(pool))
    server.drain()
    service.events.end_streams()
    pool.join(timeout=DRAIN_SECONDS)
    service.stop()
    pool.join(timeout=1.0)
    pool.kill(block=True, timeout=1.0)


def _stop_with_parent(stop: Event) -> None:
    """The supervisor holds our standard input open: its end is the supervisor's."""
    while True:
        wait_read(0)
        if not os.read(0, 1024):
            stop.set()
            return
