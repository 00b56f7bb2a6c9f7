"""Web pages that lead to media, read by yt-dlp in a process that has no door of its own."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gmapi.errors import JobCancelled, SourceError
from gmapi.fetch.address import check_url
from gmapi.fetch.fetcher import FetchRules
from gmapi.fetch.site_door import PageLimits
from gmapi.hosts import parse_allow
from gmapi.sandbox.launcher import Launcher
from gmapi.tools.base import Work
from gmapi.tools.page import find_media
from support.http.canary import Canary
from support.http.origin import Exchange, Origin, redirect, silent
from support.media import streams
from support.product.server import descendants


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return streams.make_film(tmp_path_factory.mktemp("film"))


@pytest.fixture
def origin(film: Path) -> Iterator[Origin]:
    with Origin() as started:
        started.add("/film.mp4", film.read_bytes(), content_type="video/mp4")
        yield started


@pytest.fixture
def make_work(fetching: Callable[..., Work], origin: Origin) -> Callable[..., Work]:
    return functools.partial(fetching, origin.url("/"))


def _page(origin: Origin, body: str, path: str = "/page") -> str:
    text = f"<!doctype html><html><head><title>A film</title></head><body>{body}</body></html>"
    return origin.add(path, text.encode(), content_type="text/html; charset=utf-8")


def test_a_page_leads_to_its_video(
    origin: Origin, make_work: Callable[..., Work], film: Path
) -> None:
    url = _page(origin, '<video controls><source src="film.mp4" type="video/mp4"></video>')
    path = make_work(sites="on").fetch(url, field="input_url", headers={"X-Token": "t"})
    assert path.read_bytes() == film.read_bytes()
    assert origin.count("/film.mp4") == 1
    # The program does not learn the caller's headers; the fetch of the media sends them.
    sent = [(r.path, r.headers.get("x-token")) for r in origin.requests]
    assert sent == [("/page", "t"), ("/page", None), ("/film.mp4", "t")]


def test_a_page_leads_to_a_stream(
    origin: Origin, make_work: Callable[..., Work], film: Path, tmp_path: Path
) -> None:
    name = streams.make_stream("sound_apart", film, tmp_path / "hls")
    stream = origin.add_folder("/hls", tmp_path / "hls", content_type="application/x-mpegURL")
    url = _page(origin, f'<video src="{stream}{name}"></video>')
    path = make_work(sites="on").fetch(url, field="input_url")
    assert streams.picture_hashes(path) == streams.picture_hashes(film)


def test_pages_are_not_looked_into_unless_it_is_on(
    origin: Origin, make_work: Callable[..., Work]
) -> None:
    url = _page(origin, '<video src="film.mp4"></video>')
    with pytest.raises(SourceError) as caught:
        make_work().fetch(url, field="input_url")
    assert caught.value.code == "source_not_media"
    assert "give the direct address of the media file itself." in caught.value.message
    assert "GMAPI_SITES=on" in caught.value.message
    assert len(origin.requests) == 1


# Each is read by a program of its own, which takes its time to start.
HOSTILE = [
    '<meta http-equiv="refresh" content="0;url=http://127.0.0.1:{port}/">'
    '<iframe src="http://127.0.0.1:{port}/embed/x"></iframe>'
    '<meta property="og:video" content="http://127.0.0.1:{port}/x.mp4">'
    '<video src="//[::1]:{port}/x.m3u8"></video>',
    '<video src="/to-canary.mp4"></video>',
]


@pytest.mark.parametrize("body", HOSTILE, ids=["named", "redirect"])
def test_no_page_leads_to_a_forbidden_address(
    origin: Origin, make_work: Callable[..., Work], body: str
) -> None:
    with Canary() as canary:
        origin.add("/to-canary.mp4", redirect(f"http://127.0.0.1:{canary.port}/x"))
        url = _page(origin, body.format(port=canary.port))
        with pytest.raises(SourceError) as caught:
            make_work(sites="on").fetch(url, field="input_url")
        assert caught.value.code in ("source_refused", "source_page")
        assert canary.visits() == 0


def test_the_program_follows_no_redirect_to_a_forbidden_address(
    origin: Origin, launcher: Launcher, tmp_path: Path
) -> None:
    with Canary() as canary:
        origin.add("/page", redirect(f"http://127.0.0.1:{canary.port}/"))
        with pytest.raises(SourceError) as caught:
            _find(origin, launcher, tmp_path, cancelled=lambda: False)
        assert caught.value.code == "source_page"
        assert canary.visits() == 0


def _find(origin: Origin, launcher: Launcher, folder: Path, **options: Any) -> None:
    find_media(
        launcher,
        check_url(origin.url("/page")),
        FetchRules(parse_allow([origin.authority]), 10**6, 20, 20),
        cwd=folder,
        **options,
    )


def test_a_page_that_takes_too_long_ends_with_its_program(
    origin: Origin, launcher: Launcher, tmp_path: Path
) -> None:
    origin.add("/page", silent)
    before = set(descendants(os.getpid()))
    with pytest.raises(SourceError) as caught:
        _find(origin, launcher, tmp_path, cancelled=lambda: False, limits=PageLimits(seconds=3.0))
    assert caught.value.code == "source_too_slow"
    assert set(descendants(os.getpid())) <= before


def test_a_cancelled_job_ends_the_program(
    origin: Origin, launcher: Launcher, tmp_path: Path
) -> None:
    reached = threading.Event()

    def held(exchange: Exchange) -> None:
        reached.set()
        silent(exchange)

    origin.add("/page", held)
    before = set(descendants(os.getpid()))
    with pytest.raises(JobCancelled):
        _find(origin, launcher, tmp_path, cancelled=reached.is_set)
    assert set(descendants(os.getpid())) <= before
