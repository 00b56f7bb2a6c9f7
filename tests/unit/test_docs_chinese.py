"""The Chinese pages hold what the English ones do, and the tables what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gmapi.error_codes import ERROR_CODES
from gmapi.media.formats import OUTPUT_FORMATS
from gmapi.settings import ENV_ALIASES, Settings
from gmapi.tools.ffmpeg import INPUTS_MAX
from gmapi.tools.fields import ToolRequest
from gmapi.tools.registry import TOOLS
from support.documents import (
    CHINESE_PAGES,
    README,
    README_CHINESE,
    ROOT,
    blocks,
    headings,
    links,
    prose,
    table,
)

ENGLISH = ROOT / "docs"
CHINESE = ENGLISH / "zh-CN"
REFERENCE = CHINESE / "reference.md"
PAIRS = [
    (README, README_CHINESE),
    *((ENGLISH / page.name, page) for page in CHINESE_PAGES if page != REFERENCE),
]


@pytest.mark.parametrize(("english", "chinese"), PAIRS, ids=lambda path: path.name)
def test_both_have_the_same_parts_and_examples(english: Path, chinese: Path) -> None:
    assert [level for level, _ in headings(english)] == [level for level, _ in headings(chinese)]
    assert [(b.language, b.file, b.body) for b in blocks(english)] == [
        (b.language, b.file, b.body) for b in blocks(chinese)
    ]


def test_each_page_links_to_its_other_language() -> None:
    assert len(PAIRS) >= 3
    for _, chinese in PAIRS:
        assert links(chinese)[0].endswith(".md"), chinese
    assert "../reference/README.md" in links(REFERENCE)


def test_the_table_of_settings_has_the_rows_of_the_generated_one() -> None:
    english = table(ENGLISH / "reference" / "settings.md", "setting")
    chinese = table(REFERENCE, "设置")
    assert list(english) == list(chinese)
    for setting, (default, _) in english.items():
        if default.startswith("`"):
            assert chinese[setting][0] == default, setting
    for alias in ENV_ALIASES:
        assert f"`{alias}`" in prose(REFERENCE)


def test_the_table_of_error_codes_is_that_of_the_code() -> None:
    rows = table(REFERENCE, "代码")
    for code, each in ERROR_CODES.items():
        assert rows[f"`{code}`"][0] == str(each.status), code
    assert set(re.findall(r"`([a-z_]+)`", " ".join(rows))) - {"http_"} == set(ERROR_CODES)


def test_the_table_of_formats_is_that_of_the_code() -> None:
    cells = " ".join(cell for row in table(REFERENCE, "种类").values() for cell in row)
    assert sorted(re.findall(r"`(\w+)`", cells)) == sorted(OUTPUT_FORMATS)


def test_the_limits_are_those_of_the_code() -> None:
    settings = Settings()
    rows = {row: cells[0] for row, cells in table(REFERENCE, "对象").items()}
    assert rows["一个请求的源"].startswith(str(INPUTS_MAX))
    assert rows["一个任务的日志"].startswith(f"{settings.log_max_lines:,}")
    waiting = rows["等待中的任务"]
    assert f"{settings.queue_max:,}" in waiting
    assert f"{settings.queue_max_per_client} 个" in waiting


def test_every_field_of_a_conversion_is_told() -> None:
    page = prose(CHINESE / "requests.md")
    for tool in TOOLS.values():
        for field in tool.request.model_fields:
            assert f"`{field}`" in page, f"{tool.name} {field}"
    for field in ToolRequest.model_fields:
        assert f"`{field}`" in page.split("\n## ")[0], field
