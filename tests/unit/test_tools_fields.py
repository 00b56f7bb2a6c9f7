"""Request fields as Lua programs write them (contract rules R4, R5 and R6)."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import BeforeValidator, Field, ValidationError

from gmapi.tools.fields import (
    ENTRIES_MAX,
    LuaFlag,
    LuaFloat,
    LuaMap,
    LuaModel,
    LuaStrings,
    ToolRequest,
    repair,
    repair_text,
    whole_number,
)


class Fields(LuaModel):
    texts: LuaStrings = Field(default_factory=list)
    few: LuaStrings = Field(default_factory=list, max_length=3)
    map: LuaMap = Field(default_factory=dict)
    whole: Annotated[int, BeforeValidator(whole_number)] | None = None
    number: LuaFloat = 1.0
    flag: LuaFlag = False
    text: str = ""


class Convert(ToolRequest):
    url: str
    args: LuaStrings = Field(default_factory=list)

    def sources(self) -> list[tuple[str, str]]:
        return [("url", self.url)]


def of(**values: Any) -> Fields:
    return Fields.model_validate(values)


def refused(**values: Any) -> None:
    with pytest.raises(ValidationError):
        of(**values)


# -- R4: tables ------------------------------------------------------------------------------


@given(st.lists(st.text("abc-"), max_size=30))
def test_a_list_and_a_table_with_its_indexes_are_the_same(texts: list[str]) -> None:
    table = {str(number): text for number, text in enumerate(texts, 1)}
    shuffled = dict(sorted(table.items(), reverse=True))
    assert of(texts=texts).texts == of(texts=shuffled).texts == texts


def test_an_empty_table_is_an_empty_list_and_an_empty_list_an_empty_table() -> None:
    assert of(texts={}).texts == []
    assert of(map=[]).map == {}


def test_holes_in_a_table_are_closed() -> None:
    assert of(texts={"10": "c", "2": "b", "1": "a"}).texts == ["a", "b", "c"]


@pytest.mark.parametrize("key", ["a", "0", "-1", "1.5", "01", "٣", "²", " 1", "", "9" * 5000])
def test_a_table_with_other_keys_is_no_list(key: str) -> None:
    refused(texts={"1": "a", key: "b"})


@pytest.mark.parametrize("value", ["-vn", 5, True, [1], [None], [["a"]], [{"1": "a"}]])
def test_what_is_no_list_of_texts_is_refused(value: Any) -> None:
    refused(texts=value)


def test_lists_are_bounded_by_their_field_and_in_any_case() -> None:
    refused(few=["a"] * 4)
    refused(few={str(number): "a" for number in range(1, 5)})
    assert of(texts=["a"] * ENTRIES_MAX)
    refused(texts=["a"] * (ENTRIES_MAX + 1))
    refused(map={str(number): "a" for number in range(ENTRIES_MAX + 1)})


# -- R5: numbers and unknown fields ------------------------------------------------------------


@given(st.integers(-(2**53), 2**53))
def test_a_whole_number_may_be_written_with_a_point(number: int) -> None:
    assert of(whole=number).whole == of(whole=float(number)).whole == number


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_rounded(number: float) -> None:
    found = of(whole=number).whole
    assert found is not None
    assert abs(found - number) <= 0.5


@pytest.mark.parametrize("value", [True, False, "x", [], {}, float("inf"), float("nan")])
def test_what_is_no_number_is_refused(value: Any) -> None:
    refused(whole=value)


@pytest.mark.parametrize("value", [True, "x", [], {}])
def test_what_is_no_float_is_refused(value: Any) -> None:
    refused(number=value)


def test_flags_may_be_numbers() -> None:
    assert [of(flag=value).flag for value in (1, 0, 1.0, 0.0, True)] == [1, 0, 1, 0, 1]
    refused(flag=2)
    refused(flag=float("inf"))
    refused(flag=[])


@given(st.dictionaries(st.text(), st.integers() | st.lists(st.text()) | st.none()))
def test_unknown_fields_are_ignored(values: dict[str, Any]) -> None:
    assume(not set(values) & set(Fields.model_fields))
    assert Fields.model_validate(values) == Fields()


def test_null_counts_as_not_given() -> None:
    nothing = dict.fromkeys(Fields.model_fields)
    assert Fields.model_validate(nothing) == Fields()


# -- R6: texts -------------------------------------------------------------------------------


def as_the_game_writes(text: str) -> str:
    """Each byte of the UTF-8 text as a character of its own."""
    return text.encode().decode("latin-1")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_what_the_game_wrote_is_repaired(text: str) -> None:
    assert repair_text(as_the_game_writes(text)) == text


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_stays(text: str) -> None:
    assert repair_text(text) == text


@given(st.text(), st.characters(min_codepoint=0x100))
def test_a_text_with_characters_beyond_latin_1_stays(text: str, far: str) -> None:
    assert repair_text(text + far) == text + far


@pytest.mark.parametrize(
    "text", ["é", "Müller", "ÿ", "caf\u00e9 del mar", "\u00c3", "\u00ed\u00a0\u0080"]
)
def test_latin_1_that_is_no_utf_8_stays(text: str) -> None:
    assert repair_text(text) == text


def test_texts_are_repaired_wherever_they_are() -> None:
    sent = as_the_game_writes("音")
    assert repair({"a": [sent, {"b": sent}], "n": 1}) == {"a": ["音", {"b": "音"}], "n": 1}
    found = of(text=sent, texts=[sent], map={"k": sent})
    assert (found.text, found.texts, found.map) == ("音", ["音"], {"k": "音"})


# -- keys --------------------------------------------------------------------------------------


def test_requests_that_mean_the_same_have_the_same_key() -> None:
    plain = Convert.model_validate({"url": "http://x/音", "args": ["-vn"]})
    lua = Convert.model_validate(
        {"url": as_the_game_writes("http://x/音"), "args": {"1": "-vn"}, "other": 1, "headers": []}
    )
    assert plain.key("a") == lua.key("a")
    assert plain.key("a") != plain.key("b")


@given(st.lists(st.text("ab", max_size=2)), st.lists(st.text("ab", max_size=2)))
def test_other_requests_have_other_keys(one: list[str], two: list[str]) -> None:
    keys = [Convert(url="http://x", args=args).key("t") for args in (one, two)]
    assert (keys[0] == keys[1]) == (one == two)


def test_no_cache_has_no_key() -> None:
    assert Convert.model_validate({"url": "http://x", "no_cache": 1}).key("t") is None


@given(st.text(), st.lists(st.text(), max_size=5), st.dictionaries(st.text(), st.text()))
def test_a_stored_request_is_read_back_with_the_same_key(
    url: str, args: list[str], headers: dict[str, str]
) -> None:
    stored = Convert.model_validate({"url": url, "args": args, "headers": headers}).normalised()
    assert Convert.restore(stored).normalised() == stored


def test_a_text_that_was_meant_to_look_escaped_is_repaired_once() -> None:
    twice = as_the_game_writes(as_the_game_writes("é"))
    request = Convert.model_validate({"url": twice})
    assert request.url == Convert.restore(request.normalised()).url == as_the_game_writes("é")
