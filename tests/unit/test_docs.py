"""The documents say what the code does: settings, routes, commands, errors, formats, links."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import ByteSize

from gmapi import __version__
from gmapi.cli import main
from gmapi.computercraft.flag_table import FLAGS
from gmapi.computercraft.monitor import MONITOR_COLUMNS_MAX, PIXELS_MAX, SIDE_MAX, screen_pixels
from gmapi.hosts import parse_allow
from gmapi.jobs.service import JobService
from gmapi.media.arguments import ARGUMENT_BYTES_MAX, ARGUMENTS_MAX
from gmapi.media.filter_table import ALLOWED as FILTERS
from gmapi.media.formats import OUTPUT_FORMATS
from gmapi.media.option_table import INPUT_OPTIONS, OUTPUT_OPTIONS
from gmapi.settings import (
    CLIENT_TOKEN_VARIABLE,
    CONFIG_VARIABLE,
    ENV_ALIASES,
    ENV_PREFIX,
    Settings,
)
from gmapi.tools.ffmpeg import INPUTS_MAX
from gmapi.tools.screens.plan import FORMATS, PREVIEWS
from gmapi.tools.screens.request import SanjuuniRequest, ScreenResult
from gmapi.tools.video_frame import SIDE_MAX as FRAME_SIDE_MAX
from gmapi.web.app import create_app
from gmapi.web.routes.framepack import BYTES_MAX
from support.documents import (
    PAGES,
    README,
    README_CHINESE,
    ROOT,
    anchors,
    blocks,
    headings,
    links,
    prose,
    table,
)

SOURCE = ROOT / "src" / "gmapi"
SECURITY = ROOT / "SECURITY.md"
ALL = [README, README_CHINESE, *PAGES]
EVERYTHING = "\n".join(path.read_text("utf-8") for path in ALL)
DEFAULTS_IN_WORDS = {"data_dir": "the user's data folder", "workers": "cores"}


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


# -- settings -----------------------------------------------------------------------------------


def test_the_table_of_settings_is_that_of_the_code() -> None:
    rows = table(README, "setting")
    assert list(rows) == [f"`{ENV_PREFIX}{field.upper()}`" for field in Settings.model_fields]
    for field, info in Settings.model_fields.items():
        default, meaning = rows[f"`{ENV_PREFIX}{field.upper()}`"]
        assert meaning == info.description, field
        if field in DEFAULTS_IN_WORDS:
            assert default == DEFAULTS_IN_WORDS[field]
        elif info.default in (None, ()):
            assert default == "none", field
        else:
            shown: Any = default.strip("`")
            if isinstance(info.default, ByteSize):
                shown = _bytes(shown)
            assert str(shown) == str(_plain(info.default)), field


def _plain(value: Any) -> Any:
    return int(value) if isinstance(value, int | float) else value


def _bytes(text: str) -> int:
    return int(Settings(disk_budget=text).disk_budget)


def test_the_chinese_table_of_settings_has_the_same_rows() -> None:
    english, chinese = table(README, "setting"), table(README_CHINESE, "设置")
    assert list(english) == list(chinese)
    for setting, (default, _) in english.items():
        if default.startswith("`"):
            assert chinese[setting][0] == default


@pytest.mark.parametrize("path", ALL, ids=name)
def test_only_settings_that_exist_are_named(path: Path) -> None:
    known = {ENV_PREFIX + field.upper() for field in Settings.model_fields}
    known |= {CONFIG_VARIABLE, CLIENT_TOKEN_VARIABLE}
    assert set(re.findall(r"GMAPI_[A-Z_]*[A-Z]", path.read_text("utf-8"))) <= known


def test_old_names_of_settings_are_told() -> None:
    for alias in ENV_ALIASES:
        assert f"`{alias}`" in prose(README)
        assert f"`{alias}`" in prose(README_CHINESE)


def test_examples_of_gmapi_toml_are_valid(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    examples = [b for path in ALL for b in blocks(path) if b.language == "toml"]
    ours = [values for b in examples if "http" not in (values := tomllib.loads(b.body))]
    assert ours
    for values in ours:
        settings = Settings(**values)
        assert len(parse_allow(settings.fetch_allow)) == len(settings.fetch_allow)


# -- routes, commands, errors, formats ----------------------------------------------------------


def test_every_route_is_documented(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    service = JobService(settings)
    service.start()
    try:
        paths = list(create_app(settings, service).api_doc["paths"])
    finally:
        service.stop()
    assert "/api/ffmpeg" in paths
    for route in paths:
        shown = route.replace("{task_id}/{name}", "TASK_ID/frame_000001.png")
        shown = re.sub(r"\{(\w+)\}", lambda match: match[1].upper(), shown)
        assert re.search(re.escape(shown) + r"(?![\w/])", prose(README)), route


def test_every_command_is_documented() -> None:
    page = (ROOT / "docs" / "run-a-server.md").read_text("utf-8")
    for command_name, command in main.commands.items():
        if command.hidden:
            continue
        assert f"gmapi {command_name}" in page, command_name
        for option in _own_options(command):
            assert f"`{option}" in page, f"{command_name} {option}"
        for below in getattr(command, "commands", {}):
            assert f"`gmapi {command_name} {below}" in page


def _own_options(command: click.Command) -> list[str]:
    """Long names of the options that are no settings."""
    options = [p for p in command.params if isinstance(p, click.Option) and not p.hidden]
    names = [next(name for name in option.opts if name.startswith("--")) for option in options]
    settings = {"--" + field.replace("_", "-") for field in Settings.model_fields}
    return [name for name in names if name not in settings]


def test_only_commands_that_exist_are_named() -> None:
    named = set(re.findall(r"`gmapi ([a-z]+)", EVERYTHING))
    named |= set(re.findall(r"^gmapi ([a-z]+)", EVERYTHING, re.MULTILINE))
    assert {"serve", "doctor"} <= named
    assert named <= {n for n, command in main.commands.items() if not command.hidden}


def _codes() -> set[str]:
    """Every error code in the source: `code` of classes, keywords and the fetcher's helper."""
    found: set[str] = set()
    for path in SOURCE.rglob("*.py"):
        if path in (SOURCE / "terminal/client.py", SOURCE / "terminal/failures.py"):
            continue  # these stand on the callers' side; their codes are never sent
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            value: ast.expr | None = None
            if isinstance(node, ast.keyword):
                value = node.value if node.arg in ("code", "error_code") else None
            elif isinstance(node, ast.AnnAssign | ast.Assign):
                target = node.target if isinstance(node, ast.AnnAssign) else node.targets[0]
                value = node.value if getattr(target, "id", "") == "code" else None
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "_error":
                value = node.args[0]
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                found.add(value.value)
    return {code for code in found if re.fullmatch(r"[a-z]+(_[a-z]+)*", code)}


def _documented_codes(path: Path, header: str) -> set[str]:
    text = " ".join(table(path, header))
    return set(re.findall(r"`([a-z_]+)`", text)) - {"http_"}


def test_every_error_code_is_documented() -> None:
    codes = _codes()
    assert {"bad_request", "source_status", "worker_died", "cancelled"} <= codes
    for path, header in ((README, "code"), (README_CHINESE, "代码")):
        assert _documented_codes(path, header) == codes, name(path)
    page = prose(ROOT / "docs" / "errors.md")
    rows = {line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| `")}
    in_page = set(re.findall(r"`([a-z_]+)`", " ".join(rows))) - {"http_"}
    assert in_page == codes


@pytest.mark.parametrize(("path", "header"), [(README, "kind"), (README_CHINESE, "种类")])
def test_the_table_of_formats_is_that_of_the_code(path: Path, header: str) -> None:
    cells = " ".join(cell for row in table(path, header).values() for cell in row)
    assert sorted(re.findall(r"`(\w+)`", cells)) == sorted(OUTPUT_FORMATS)


def test_the_number_of_formats_is_right() -> None:
    distinct = {(f.extension, f.muxer, f.default_args) for f in OUTPUT_FORMATS.values()}
    for path in (README, README_CHINESE):
        assert str(len(distinct)) in prose(path).split("\n## ")[0]


def test_the_allowed_arguments_are_those_of_the_code() -> None:
    page = ROOT / "docs" / "convert-with-ffmpeg.md"
    cells = " ".join(row[0] for row in table(page, "`args`").values())
    assert sorted(re.findall(r"`-([\w-]+)`", cells)) == sorted(OUTPUT_OPTIONS)
    (sentence,) = re.findall(r"^`input_args`: (.*?)\.", prose(page), re.MULTILINE)
    assert sorted(re.findall(r"`-([\w-]+)`", sentence)) == sorted(INPUT_OPTIONS)
    (filters,) = [block.body for block in blocks(page) if block.language == "text"]
    assert filters.split() == sorted(FILTERS)
    assert f"All {len(FILTERS)} filters" in page.read_text("utf-8")


def test_the_limits_are_those_of_the_code() -> None:
    settings = Settings()
    limits = {row: cells[0] for row, cells in table(README, "what").items()}
    assert limits["sources of one request"] == str(INPUTS_MAX)
    assert limits["log of one job"] == f"{settings.log_max_lines:,} lines"
    waiting = f"{settings.queue_max:,} in all, {settings.queue_max_per_client} of one client"
    assert limits["waiting jobs"].startswith(waiting)
    assert f"{settings.picture_max_pixels // 10**6} megapixels" in limits["picture"]
    assert f"{FRAME_SIDE_MAX} x {FRAME_SIDE_MAX}" in limits["picture"]
    assert limits["picture"].endswith(f"{PIXELS_MAX // 10**6} megapixels")
    assert limits["`/api/framepack`"].endswith(f"{BYTES_MAX // 1024**2} MiB")
    source = f"{int(settings.fetch_max_bytes) // 1024**3} GiB, {settings.fetch_deadline / 60:g} "
    assert limits["source"].startswith(source)
    page = prose(ROOT / "docs" / "convert-with-ffmpeg.md")
    assert f"{ARGUMENTS_MAX} words of\n{ARGUMENT_BYTES_MAX // 1024} KiB" in page


# -- pictures and videos ------------------------------------------------------------------------

SCREENS = ROOT / "docs" / "pictures-and-videos.md"


@pytest.mark.parametrize(("path", "header"), [(README, "field"), (README_CHINESE, "字段")])
def test_every_field_of_sanjuuni_is_documented(path: Path, header: str) -> None:
    (rows,) = (
        rows
        for rows in re.findall(rf"^\| {header} \|.*\n(?:\|.*\n)+", prose(path), re.MULTILINE)
        if "`subtitle_url`" in rows
    )
    firsts = " ".join(line.split("|")[1] for line in rows.splitlines()[2:])
    everywhere = {
        "headers",
        "label",
        "max_duration",
        "no_cache",
        "output_name",
    }  # said of all tools at once
    assert set(re.findall(r"`(\w+)`", firsts)) == SanjuuniRequest.model_fields.keys() - everywhere


def test_the_answer_of_sanjuuni_is_documented() -> None:
    section = README.read_text("utf-8").split("\n### POST /api/sanjuuni")[1].split("\n### ")[0]
    for field in ScreenResult.model_fields:
        assert f'"{field}"' in section or f"`{field}`" in section, field


def test_the_formats_for_screens_are_those_of_the_code() -> None:
    rows = " ".join(table(SCREENS, "`output_format`"))
    assert sorted(re.findall(r"`(\w+)`", rows)) == sorted([*FORMATS, *PREVIEWS])


def test_every_flag_is_explained() -> None:
    rows = table(SCREENS, "flag")
    allowed = " ".join(rows)
    page = prose(SCREENS)
    refused = re.sub(r"\s+", " ", page.split("\nRefused, ")[1].split("\n\n")[0])
    for flag in FLAGS:
        place = refused if flag.refused or flag.name == "help" else allowed
        assert re.search(rf"`--{flag.name}[=`]", place), flag.name
        if flag.letter:
            assert re.search(rf"`-{flag.letter}[ `]", place), flag.name
    named = {field for cells in rows.values() for field in re.findall(r"`(\w+)`", cells[0])}
    assert named <= set(SanjuuniRequest.model_fields)


def test_the_sizes_of_screens_are_those_of_the_code() -> None:
    rows = table(SCREENS, "`monitor`")
    assert len(rows) >= 8
    for screen, (cells, pixels) in rows.items():
        width, height = screen_pixels(screen.strip("`"))
        assert pixels == f"{width} x {height}", screen
        assert cells == f"{width // 2} x {height // 3}", screen
    page = re.sub(r"\s+", " ", prose(SCREENS))
    assert f"{SIDE_MAX:,} pixels" in page
    assert f"{PIXELS_MAX:,}" in page
    assert f"at most {MONITOR_COLUMNS_MAX} x " in page


# -- the documents themselves -------------------------------------------------------------------


def test_the_chinese_readme_has_the_same_parts() -> None:
    assert [level for level, _ in headings(README)] == [
        level for level, _ in headings(README_CHINESE)
    ]
    english, chinese = blocks(README), blocks(README_CHINESE)
    assert [(b.language, b.file, b.body) for b in english] == [
        (b.language, b.file, b.body) for b in chinese
    ]


@pytest.mark.parametrize("path", [*ALL, SECURITY, ROOT / "CHANGELOG.md"], ids=name)
def test_relative_links_lead_somewhere(path: Path) -> None:
    for link in links(path):
        if link.startswith(("http://", "https://")):
            continue
        file, _, fragment = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        assert target.is_file(), link
        if fragment:
            assert fragment in anchors(target), link


def test_every_page_is_linked_from_both_readmes() -> None:
    for path in (README, README_CHINESE):
        assert {name(page) for page in (*PAGES, SECURITY)} <= set(links(path))


def test_commands_of_the_development_part_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"`make ([\w-]+)`", EVERYTHING))
    assert named
    assert named <= targets
    for file in ("requirements.txt", "main.py", "LICENSE"):
        assert (ROOT / file).is_file()


def test_the_changelog_knows_this_version() -> None:
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")
