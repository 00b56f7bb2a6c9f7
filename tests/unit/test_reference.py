"""The reference is made from the code, and is what the code makes of it today."""

from __future__ import annotations

import ast
import re

import pytest

from gmapi import errors
from gmapi.error_codes import ERROR_CODES
from gmapi.media.option_table import INPUT_OPTIONS, OUTPUT_OPTIONS
from gmapi.settings import ENV_ALIASES, Settings
from gmapi.tools.registry import TOOLS
from reference_pages import arguments, pages, tables
from reference_pages.markdown import table
from support.documents import REFERENCE_PAGES, ROOT, prose
from support.documents import table as rows_of
from support.source import MODULES, PACKAGE, tree

REFERENCE = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    """What `make docs` would write now."""
    return pages()


def test_the_reference_is_that_of_the_code(made: dict[str, str]) -> None:
    assert sorted(made) == [path.name for path in REFERENCE_PAGES]
    for name, text in made.items():
        assert text == (REFERENCE / name).read_text("utf-8"), f"{name}: run `make docs`"


def test_a_change_of_the_code_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    before = tables.settings_page(), tables.limits_page()
    field = Settings.model_fields["queue_max"]
    monkeypatch.setattr(field, "default", 12345)
    monkeypatch.setattr(field, "description", "Another meaning.")
    after = tables.settings_page(), tables.limits_page()
    assert all(old != new for old, new in zip(before, after, strict=True))
    assert "| `GMAPI_QUEUE_MAX` | `12345` | Another meaning. |" in after[0]


def test_a_text_cannot_break_a_table() -> None:
    assert table(["a"], [["x | y\nz"]]) == "| a |\n| --- |\n| x \\| y z |"


def test_what_is_asked_of_a_caller_has_a_meaning(made: dict[str, str]) -> None:
    """Each field and parameter of a request is described in the code."""
    for name in ("requests.md", "settings.md"):
        for line in made[name].splitlines():
            assert not (line.startswith("| `") and line.endswith("|  |")), f"{name}: {line}"
    for tool in TOOLS.values():
        for field in tool.request.model_fields:
            assert f"| `{field}` |" in made["requests.md"], field


def test_settings_and_their_old_names_are_there() -> None:
    rows = rows_of(REFERENCE / "settings.md", "setting")
    assert list(rows) == [f"`GMAPI_{field.upper()}`" for field in Settings.model_fields]
    for alias in ENV_ALIASES:
        assert f"`{alias}`" in prose(REFERENCE / "settings.md")


def test_every_option_says_what_it_takes() -> None:
    for options in (OUTPUT_OPTIONS, INPUT_OPTIONS):
        for name, option in options.items():
            if not option.dropped:
                said = arguments.takes(name, option)
                assert said
                assert arguments.NONSENSE not in said, name


def test_every_setting_with_a_bound_is_among_the_limits() -> None:
    text = (REFERENCE / "limits.md").read_text("utf-8")
    bounds = [
        field for field in Settings.model_fields if "_max" in field or field.startswith("fetch_")
    ]
    for field in bounds:
        if field not in ("fetch_allow", "running_max_per_client"):  # none by default
            assert f"`GMAPI_{field.upper()}`" in text, field


# -- error codes --------------------------------------------------------------------------------


def codes_in_the_source() -> set[str]:
    """Every error code in the source: `code` of classes, keywords and the fetcher's helper."""
    found: set[str] = set()
    for path in MODULES:
        if path in (PACKAGE / "terminal/client.py", PACKAGE / "terminal/failures.py"):
            continue  # these stand on the callers' side; their codes are never sent
        for node in ast.walk(tree(path)):
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


def test_every_error_code_of_the_source_is_known() -> None:
    found = codes_in_the_source()
    assert {"bad_request", "source_status", "worker_died", "cancelled"} <= found
    assert found == set(ERROR_CODES)


def test_the_status_of_a_code_is_that_of_its_class() -> None:
    classes = [
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.GmapiError)
    ]
    assert len(classes) > 12
    for each in classes:
        assert ERROR_CODES[each.code].status == each.status, each.__name__
