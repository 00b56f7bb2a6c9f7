"""Downloads by https: the certificate, and handshakes that hang."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from support.http.certificates import localhost_certificate
from support.http.download_rooms import Room
from support.http.origin import Origin, redirect, silent

BODY = b"\x00" * 300_000


def test_https_checks_the_certificate_for_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cert, context = localhost_certificate(tmp_path)
    with Origin(tls=context) as origin, Origin() as plain:
        origin.add("/a", BODY)
        origin.add("/down", redirect(plain.add("/a", BODY)))
        origin.add("/silent", silent)
        room = Room(tmp_path, "localhost", "127.0.0.1")
        url = origin.url("/a", host="localhost")
        assert "certificate" in room.refused(url, "source_unreachable")
        assert origin.requests == []
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        assert room.get(url).size == len(BODY)
        assert room.target.read_bytes() == BODY
        room.target.unlink()
        assert "certificate" in room.refused(origin.url("/a"), "source_unreachable")
        down = origin.url("/down", host="localhost")
        assert "https to http" in room.refused(down, "source_refused")
        assert plain.requests == []
        held = origin.url("/silent", host="localhost")
        room.refused(held, "source_too_slow", deadline=0.4)


def test_a_tls_handshake_that_hangs_ends_at_the_deadline(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"https://127.0.0.1:{server.getsockname()[1]}/"
        Room(tmp_path, "127.0.0.1").refused(url, "source_too_slow", deadline=0.4)
    assert "gmapi-fetch" not in [thread.name for thread in threading.enumerate()]
