"""A place to download into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gmapi.errors import SourceError
from gmapi.fetch.address import check_url
from gmapi.fetch.fetcher import Download, FetchRules, download
from gmapi.hosts import parse_allow


class Room:
    """A folder to download into, and the rules for it."""

    def __init__(self, folder: Path, *allow: str) -> None:
        self.target = folder / "source"
        self.allow = parse_allow(allow)
        self.progress: list[tuple[int, int | None]] = []

    def get(self, url: str, **options: Any) -> Download:
        limits = {"max_bytes": 10**6, "deadline": 10.0, "stall": 5.0}
        for name in list(options):
            if name in (*limits, "max_redirects"):
                limits[name] = options.pop(name)
        options.setdefault("cancelled", lambda: False)
        return download(
            check_url(url),
            self.target,
            FetchRules(self.allow, **limits),  # type: ignore[arg-type]
            on_progress=lambda received, total: self.progress.append((received, total)),
            **options,
        )

    def refused(self, url: str, code: str, **options: Any) -> str:
        """The sentence of a download that fails with `code` and leaves nothing behind."""
        with pytest.raises(SourceError) as caught:
            self.get(url, **options)
        assert caught.value.code == code
        assert not self.target.exists()
        return caught.value.message
