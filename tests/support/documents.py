"""The project's documents as tests see them: fenced code blocks, tables, headings and links.

Blocks marked `bash` and `lua` are examples that are run; `shell`, `toml`, `nginx` and `ini` are for
reading. A `json` block right after a `bash` one is its answer, a `text` block after a `lua` one is
what the program prints. A word after the language names a file to save the block under.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
README_CHINESE = ROOT / "README.zh-CN.md"
PAGES = sorted((ROOT / "docs").glob("*.md"))
CHINESE_PAGES = sorted((ROOT / "docs" / "zh-CN").glob("*.md"))
REFERENCE_PAGES = sorted((ROOT / "docs" / "reference").glob("*.md"))
"""Made from the code by docs/generate.py."""

_BLOCK = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^(#{1,6}) (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file name beside it if any, its text and where it is."""

    language: str
    file: str | None
    body: str
    line: int


def blocks(path: Path) -> list[Block]:
    """All fenced blocks of a document, in order."""
    text = path.read_text("utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        language, _, file = match["info"].strip().partition(" ")
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(language, file or None, match["body"], line))
    return found


def prose(path: Path) -> str:
    """A document without its fenced blocks."""
    return _BLOCK.sub("", path.read_text("utf-8"))


def headings(path: Path) -> list[tuple[int, str]]:
    """Level and text of each heading."""
    return [(len(match[1]), match[2]) for match in _HEADING.finditer(prose(path))]


def anchors(path: Path) -> set[str]:
    """The fragments by which the headings of a document can be linked."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for _, title in headings(path)}


def links(path: Path) -> list[str]:
    """The targets of all links outside code."""
    return _LINK.findall(re.sub(r"`[^`]*`", "", prose(path)))


def table(path: Path, first_header: str) -> dict[str, list[str]]:
    """The rows of the table whose first column is headed `first_header`, by their first cell."""
    rows: dict[str, list[str]] = {}
    inside = False
    for line in prose(path).splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if not line.startswith("|"):
            inside = False
        elif cells[0] == first_header:
            inside = True
        elif inside and not set(cells[0]) <= {"-", ":"}:
            rows[cells[0]] = cells[1:]
    return rows
