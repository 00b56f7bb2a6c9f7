"""What is written by hand says what the code does: routes, commands, errors, formats, links."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import pytest

from gmapi import __version__
from gmapi.cli import main
from gmapi.computercraft.flag_table import FLAGS
from gmapi.computercraft.monitor import MONITOR_COLUMNS_MAX, PIXELS_MAX, SIDE_MAX, screen_pixels
from gmapi.error_codes import ERROR_CODES
from gmapi.hosts import parse_allow
from gmapi.jobs.service import JobService
from gmapi.media.arguments import ARGUMENT_BYTES_MAX, ARGUMENTS_MAX
from gmapi.media.option_table import INPUT_OPTIONS, OUTPUT_OPTIONS
from gmapi.settings import (
    CLIENT_TOKEN_VARIABLE,
    CONFIG_VARIABLE,
    ENV_PREFIX,
    Settings,
)
from gmapi.tools.ffmpeg import ARGUMENTS_MAX_BYTES
from gmapi.tools.screens.plan import FORMATS, PREVIEWS
from gmapi.tools.screens.request import SanjuuniRequest, ScreenResult
from gmapi.web.app import create_app
from reference_pages.tables import number_of_formats
from support.documents import (
    CHINESE_PAGES,
    PAGES,
    README,
    README_CHINESE,
    REFERENCE_PAGES,
    ROOT,
    anchors,
    blocks,
    links,
    prose,
    table,
)

REQUESTS = ROOT / "docs" / "requests.md"
REQUESTS_CHINESE = ROOT / "docs" / "zh-CN" / "requests.md"
ALL = [README, README_CHINESE, *PAGES, *CHINESE_PAGES, *REFERENCE_PAGES]
HOUSE = [
    ROOT / file
    for file in (
        "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "benchmarks/RESULTS.md"
    )
]  # fmt: skip
EVERYTHING = "\n".join(path.read_text("utf-8") for path in ALL)


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


# -- settings -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ALL, ids=name)
def test_only_settings_that_exist_are_named(path: Path) -> None:
    known = {ENV_PREFIX + field.upper() for field in Settings.model_fields}
    known |= {CONFIG_VARIABLE, CLIENT_TOKEN_VARIABLE}
    assert set(re.findall(r"GMAPI_[A-Z_]*[A-Z]", path.read_text("utf-8"))) <= known


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
        for page in (REQUESTS, REQUESTS_CHINESE):
            assert re.search(re.escape(shown) + r"(?![\w/])", prose(page)), route


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


def test_the_causes_of_every_error_are_told() -> None:
    page = prose(ROOT / "docs" / "errors.md")
    rows = {line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| `")}
    in_page = set(re.findall(r"`([a-z_]+)`", " ".join(rows))) - {"http_"}
    assert in_page == set(ERROR_CODES)


def test_the_number_of_formats_is_right() -> None:
    for path in (README, README_CHINESE):
        assert str(number_of_formats()) in prose(path).split("\n## ")[0]


def test_the_allowed_arguments_are_those_of_the_code() -> None:
    page = ROOT / "docs" / "convert-with-ffmpeg.md"
    cells = " ".join(row[0] for row in table(page, "`args`").values())
    assert sorted(re.findall(r"`-([\w-]+)`", cells)) == sorted(OUTPUT_OPTIONS)
    (sentence,) = re.findall(r"^`input_args`: (.*?)\.", prose(page), re.MULTILINE | re.DOTALL)
    assert sorted(re.findall(r"`-([\w-]+)`", sentence)) == sorted(INPUT_OPTIONS)
    said = " ".join(prose(page).split())
    assert f"{ARGUMENTS_MAX} words of {ARGUMENT_BYTES_MAX // 1024} KiB each" in said
    assert f"{ARGUMENTS_MAX_BYTES // 1024} KiB together" in said


# -- pictures and videos ------------------------------------------------------------------------

SCREENS = ROOT / "docs" / "pictures-and-videos.md"


def test_the_answer_of_sanjuuni_is_documented() -> None:
    section = REQUESTS.read_text("utf-8").split("\n## POST /api/sanjuuni")[1].split("\n## ")[0]
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


def test_the_readmes_are_read_in_five_minutes() -> None:
    for path in (README, README_CHINESE):
        text = path.read_text("utf-8")
        assert len(text.splitlines()) <= 300, name(path)
        (picture,) = re.findall(r"!\[[^\]]+\]\((.+?)\)", text)
        assert (ROOT / picture).stat().st_size < 200_000
        assert "```shell\nmake run\nmake test\n```" in text


@pytest.mark.parametrize("path", [*ALL, *HOUSE], ids=name)
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
    pages = {name(page) for page in (*PAGES, *REFERENCE_PAGES, *HOUSE)}
    assert pages <= set(links(README))
    assert pages | {name(page) for page in CHINESE_PAGES} <= set(links(README_CHINESE))


def test_commands_of_the_development_part_exist() -> None:
    makefile = (ROOT / "Makefile").read_text("utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, re.MULTILINE))
    told = EVERYTHING + "".join(path.read_text("utf-8") for path in HOUSE)
    named = set(re.findall(r"(?:`|^)make ([\w-]+)(?:`|$)", told, re.MULTILINE))
    assert {"run", "check", "test", "docs"} <= named <= targets
    for file in ("requirements.txt", "main.py", "LICENSE"):
        assert (ROOT / file).is_file()


def test_the_changelog_knows_this_version() -> None:
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")
