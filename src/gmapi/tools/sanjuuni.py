"""`sanjuuni`: pictures and videos for ComputerCraft screens."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from gmapi.fetch.headers import check_headers
from gmapi.tools.base import Work
from gmapi.tools.screens.plan import make_plan
from gmapi.tools.screens.request import SanjuuniRequest, ScreenResult
from gmapi.tools.tool import Tool


def check(request: SanjuuniRequest) -> None:
    """Refuse what can be told to be wrong before the source is fetched."""
    check_headers(request.headers)
    make_plan(request)


def run(work: Work, request: SanjuuniRequest) -> ScreenResult:
    """Fetch, convert, and publish while converting."""
    # Loaded by who converts only: a web process knows a tool by its requests, and does without
    # the converter and NumPy.
    from gmapi.tools.screens.conversion import FETCHED, Conversion

    cached = not request.no_cache
    source = work.fetch(
        request.input_url,
        field="input_url",
        headers=request.headers,
        use_cache=cached,
        max_duration=request.max_duration,
        arriving=lambda kind: True,
    )
    subtitles = None
    if request.subtitle_url:
        subtitles = work.fetch(
            request.subtitle_url,
            field="subtitle_url",
            name="subtitles",
            headers=request.headers,
            use_cache=cached,
            share=(FETCHED, FETCHED),
        )
    title = unquote(urlsplit(request.input_url).path.rpartition("/")[2])
    conversion = Conversion(work, make_plan(request), source, title=title, subtitles=subtitles)
    return conversion.run()


SANJUUNI = Tool(
    name="sanjuuni",
    summary="Convert a picture or video to a ComputerCraft format",
    description="Takes the flags of the sanjuuni program or plain fields. The output can be "
    "downloaded from its start while it is still being made.",
    request=SanjuuniRequest,
    result=ScreenResult,
    check=check,
    run=run,
)
