"""ARCHITECTURE.md and CONTRIBUTING.md speak of what is there."""

from __future__ import annotations

import re

from test_layers import BELOW, GROUND

from support.documents import ROOT, prose, table
from support.source import PACKAGE

ARCHITECTURE = ROOT / "ARCHITECTURE.md"
CONTRIBUTING = ROOT / "CONTRIBUTING.md"
CONTRACT_TESTS = sorted((ROOT / "tests" / "acceptance").glob("test_contract_*.py"))
# How many rules of each kind there are.
RULES = {"R": 8, "A": 9, "F": 5, "S": 9, "V": 11, "K": 5, "D": 5}


def named_tests() -> dict[str, list[str]]:
    """The tests that ARCHITECTURE.md names for each rule."""
    rows = table(ARCHITECTURE, "rule")
    return {rule: re.findall(r"`(test_\w+)`", cells[1]) for rule, cells in rows.items()}


def contract_tests() -> set[str]:
    """The names of all tests of the contract."""
    texts = [path.read_text("utf-8") for path in CONTRACT_TESTS]
    return {name for text in texts for name in re.findall(r"^def (test_\w+)", text, re.MULTILINE)}


def test_the_rooms_are_those_of_the_tree() -> None:
    rooms = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    assert {room.strip("`") for room in table(ARCHITECTURE, "room")} == rooms == set(BELOW)
    drawing = ARCHITECTURE.read_text("utf-8").split("```text\n")[1].split("\n```")[0]
    assert set(re.findall(r"\+-+ (\w+) -+\+", drawing)) == rooms
    (ground,) = re.findall(r"ground floor, known to all: (.+)", drawing)
    assert set(ground.split(", ")) == GROUND - {"__version__"}


def test_every_file_that_is_named_exists() -> None:
    text = prose(ARCHITECTURE) + prose(CONTRIBUTING)
    named = set(re.findall(r"`((?:\w+/)*\w+\.py)`", text))
    assert len(named) > 30
    for file in named:
        found = [place / file for place in (PACKAGE, ROOT) if (place / file).is_file()]
        assert found, file
    for folder in set(re.findall(r"`((?:tests|docs)/[\w/-]+)`", text)):
        assert (ROOT / folder).exists(), folder


def test_every_rule_of_the_contract_names_its_tests() -> None:
    named, existing = named_tests(), contract_tests()
    rules = [f"{kind}{n}" for kind, count in RULES.items() for n in range(1, count + 1)]
    assert sorted(named) == sorted([*rules, "P3"])
    for rule, tests in named.items():
        assert tests, rule
        for test in tests:
            assert test in existing, f"{rule}: {test}"
            assert rule.lower() in test.split("_"), f"{test} is no test of {rule}"


def test_every_rule_that_tests_carry_is_in_the_table() -> None:
    carried = {word.upper() for test in contract_tests() for word in re.findall(
        r"(?<=_)[rafsvkdp]\d+(?=_)", test)}  # fmt: skip
    assert carried == set(named_tests())


def test_contributing_names_the_rooms_for_helpers() -> None:
    (sentence,) = re.findall(r"by subject: (.+?)\.\n", prose(CONTRIBUTING), re.DOTALL)
    rooms = {path.parent.name for path in (ROOT / "tests" / "support").glob("*/__init__.py")}
    assert set(re.findall(r"`(\w+)`", sentence)) <= rooms
