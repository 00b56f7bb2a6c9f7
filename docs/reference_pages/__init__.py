"""The reference under docs/reference/, made from the code; see `docs/generate.py`."""

from __future__ import annotations

from reference_pages import arguments, openapi, tables
from reference_pages.markdown import page, table


def pages() -> dict[str, str]:
    """All pages, by their file names."""
    document = openapi.document()
    found = {
        "requests.md": openapi.requests_page(document),
        "answers.md": openapi.answers_page(document),
        "error-codes.md": tables.error_codes_page(),
        "formats.md": tables.formats_page(),
        "ffmpeg-arguments.md": arguments.arguments_page(),
        "settings.md": tables.settings_page(),
        "limits.md": tables.limits_page(),
    }
    rows = [(f"[{_title(text)}]({name})", _first(text)) for name, text in found.items()]
    return {"README.md": page("Reference", table(["page", "holds"], rows)), **found}


def _title(text: str) -> str:
    return text.splitlines()[0].removeprefix("# ")


def _first(text: str) -> str:
    """The first sentence of a page."""
    return text.split("\n\n")[2].partition(". ")[0].removesuffix(".") + "."
