"""What the cache of sources knows about one of them, as it stands beside it on the disk."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from gmapi.fetch.terms import Validators


@dataclass(frozen=True, slots=True)
class Record:
    """The content of a `.json`; `checked` is the time of the last download or confirmation."""

    url: str
    size: int
    etag: str | None
    last_modified: str | None
    content_type: str | None
    checked: float
    untold: bool = False

    @classmethod
    def from_json(cls, text: str) -> Record:
        """Raises ValueError, TypeError or KeyError for anything not written by `to_json`."""
        data = json.loads(text)
        texts = [data["etag"], data["last_modified"], data["content_type"]]
        if not all(text is None or isinstance(text, str) for text in texts):
            raise ValueError("not a record")
        etag, last_modified, content_type = texts
        return cls(
            str(data["url"]),
            int(data["size"]),
            etag,
            last_modified,
            content_type,
            float(data["checked"]),
            data.get("untold") is True,
        )

    @property
    def validators(self) -> Validators | None:
        if self.etag is None and self.last_modified is None:
            return None
        return Validators(self.etag, self.last_modified)

    def to_json(self) -> str:
        return json.dumps(asdict(self))
