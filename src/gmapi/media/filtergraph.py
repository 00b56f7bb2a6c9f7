"""Filter graphs: read as libavfilter reads them, checked, and written anew.

A graph is text of two levels of quoting. On the first, `[labels]`, `,` and `;` separate filters
(libavfilter/graphparser.c); what remains of a filter's arguments is, on the second, a list of
values and `name=value` separated by `:` (av_opt_get_key_value in libavutil/opt.c). Both use the
rules of av_get_token (libavutil/avstring.c), which `_token` follows to the letter. ffmpeg is given
the graph that was checked in our own writing, so that a doubt in the reading cannot pass.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches

from gmapi.errors import RefusedError, RequestError
from gmapi.media import filter_table as table
from gmapi.media.filter_values import (
    LOOPS,
    RATE_MAX,
    TILES_MAX,
    bare,
    has_loop,
    is_huge,
    is_layout,
    is_rate,
)

FILTERS_MAX = 64
OPTIONS_MAX = 64
"""Most options of one filter; to check one takes longer than to read it."""

_SPACES = " \n\t\r"
_KEY = re.compile(r"[A-Za-z0-9_/.-]*")
_PLAIN_KEY = re.compile(r"[A-Za-z0-9_-]+")
_NAME = re.compile(r"[a-z0-9_]+")
_INSTANCE = re.compile(r"[A-Za-z0-9_]+")
_SCALER_FLAGS_KEY = "sws_flags="
_SCALER_FLAGS = re.compile(r"[a-z0-9_+|-]+")
# A link's name of its own, or a stream of an input as in "0:a:1".
_LABEL = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(?::[A-Za-z0-9_#.-]+)*")
_INPUT = re.compile(r"([0-9]+)(?::|$)")
_FONT = re.compile(r"(?i:(?!.*file)[a-z0-9 _,.-]+(?::[a-z]+(?:=[a-z0-9 .]+)?)*)")


@dataclass(frozen=True)
class Place:
    """Where in a request a word stands: the field, the option, how many inputs there are."""

    field: str
    option: str
    inputs: int = 1

    def wrong(self, text: str) -> RequestError:
        """The error for a word that is malformed or out of range (400)."""
        return RequestError(f"{self.field}: {self.option} {text}", field=self.field)

    def refused(self, text: str) -> RefusedError:
        """The error for a word that is not allowed (403)."""
        return RefusedError(f"{self.field}: {self.option} {text}", field=self.field)

    def check_input(self, number: int) -> None:
        """Raise RequestError unless there is an input of this number."""
        if number >= self.inputs:
            have = "is only input 0" if self.inputs == 1 else f"are inputs 0 to {self.inputs - 1}"
            raise self.wrong(f"names input {number}, but there {have}")


def shown(word: str) -> str:
    """A caller's word as it may stand in a message: printable ASCII, at most 60 characters."""
    text = "".join(c if " " <= c <= "~" else "?" for c in word[:61])
    return text if len(word) <= 60 else text[:57] + "..."


class GraphSyntaxError(ValueError):
    """The text is not a filter graph; the message says why, without saying where."""


@dataclass(frozen=True)
class Filter:
    """One filter of a graph. `arguments` has lost its first level of quoting; None: no "="."""

    name: str
    instance: str | None
    arguments: str | None
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Graph:
    """Chains of filters; `scaler_flags` is the value of a leading `sws_flags=`."""

    scaler_flags: str | None
    chains: tuple[tuple[Filter, ...], ...]

    @property
    def filters(self) -> Iterator[Filter]:
        return (each for chain in self.chains for each in chain)


def _spaces(text: str, at: int) -> int:
    while at < len(text) and text[at] in _SPACES:
        at += 1
    return at


def _token(text: str, at: int, stops: str) -> tuple[str, int, bool]:
    """The next token without its quoting, where it ends, and whether all its quotes are closed."""
    found: list[str] = []
    protected = 0  # what was quoted keeps its trailing spaces
    closed = True
    at = _spaces(text, at)
    while at < len(text) and text[at] not in stops:
        character = text[at]
        at += 1
        if character == "\\" and at < len(text):
            found.append(text[at])
            at += 1
            protected = len(found)
        elif character == "'":
            end = text.find("'", at)
            closed = end >= 0
            end = end if closed else len(text)
            found.extend(text[at:end])
            at = end
            if closed:
                at += 1
                protected = len(found)
        else:
            found.append(character)
    while len(found) > protected and found[-1] in _SPACES:
        found.pop()
    return "".join(found), at, closed


def _closed(text: str, at: int, stops: str) -> tuple[str, int]:
    value, at, closed = _token(text, at, stops)
    if not closed:
        raise GraphSyntaxError("has a quote ' that is not closed")
    return value, at


def _labels(text: str, at: int) -> tuple[tuple[str, ...], int]:
    labels: list[str] = []
    while at < len(text) and text[at] == "[":
        label, at = _closed(text, at + 1, "]")
        if at >= len(text):
            raise GraphSyntaxError("has a [ without its ]")
        if not label:
            raise GraphSyntaxError("has an empty label []")
        labels.append(label)
        at = _spaces(text, at + 1)
    return tuple(labels), at


def parse(text: str) -> Graph:
    """Read a graph as libavfilter does. Raises GraphSyntaxError.

    Stricter than ffmpeg in one thing: a quote that is not closed on the first level is an error.
    """
    at = _spaces(text, 0)
    scaler_flags = None
    if text.startswith(_SCALER_FLAGS_KEY, at):
        end = text.find(";", at)
        if end < 0:
            raise GraphSyntaxError("has sws_flags without a ; after them")
        scaler_flags = text[at + len(_SCALER_FLAGS_KEY) : end]
        at = _spaces(text, end + 1)
    chains: list[tuple[Filter, ...]] = []
    chain: list[Filter] = []
    while True:
        inputs, at = _labels(text, _spaces(text, at))
        name, at = _closed(text, at, "=,;[")
        arguments = None
        if at < len(text) and text[at] == "=":
            arguments, at = _closed(text, at + 1, "[],;")
        if not name:
            raise GraphSyntaxError("lacks a filter's name, perhaps because of a , or ; too many")
        outputs, at = _labels(text, at)
        at = _spaces(text, at)
        name, divider, instance = name.partition("@")
        chain.append(Filter(name, instance if divider else None, arguments, inputs, outputs))
        if at == len(text) or text[at] == ";":
            chains.append(tuple(chain))
            chain = []
        elif text[at] != ",":
            raise GraphSyntaxError(f"has {shown(text[at : at + 20])} where , or ; should be")
        if at == len(text):
            return Graph(scaler_flags, tuple(chains))
        at += 1


def _quoted(text: str, special: str) -> str:
    """`text` so that a token with these stop characters reads it back."""
    written = [f"\\{c}" if c == "\\" or c == "'" or c in special else c for c in text]
    for edge in (0, -1):
        if written and written[edge] in _SPACES:
            written[edge] = "\\" + written[edge]
    return "".join(written)


def write(graph: Graph) -> str:
    """The text of a graph; `parse` reads the same graph back."""
    chains = []
    for chain in graph.chains:
        parts = []
        for each in chain:
            name = each.name if each.instance is None else f"{each.name}@{each.instance}"
            word = "".join(f"[{_quoted(label, ']')}]" for label in each.inputs)
            word += _quoted(name, "=,;[")
            if each.arguments is not None:
                word += "=" + _quoted(each.arguments, "[],;")
            parts.append(word + "".join(f"[{_quoted(label, ']')}]" for label in each.outputs))
        chains.append(",".join(parts))
    text = ";".join(chains)
    if graph.scaler_flags is not None:
        return f"{_SCALER_FLAGS_KEY}{graph.scaler_flags};{text}"
    # A filter of that name is none that there is, but must not turn into flags.
    return f"\\{text}" if text.startswith(_SCALER_FLAGS_KEY) else text


def options(arguments: str) -> list[tuple[str | None, str]]:
    """A filter's arguments as (name, value); the name of a value given by position is None.

    Raises GraphSyntaxError for more than `OPTIONS_MAX`.
    """
    found: list[tuple[str | None, str]] = []
    at = 0
    while at < len(arguments):
        if len(found) == OPTIONS_MAX:
            raise GraphSyntaxError(f"gives one filter more than {OPTIONS_MAX} options")
        start = _spaces(arguments, at)
        match = _KEY.match(arguments, start)
        end = match.end() if match else start
        equals = _spaces(arguments, end)
        key = None
        if arguments.startswith("=", equals):
            key, at = arguments[start:end], equals + 1
        value, at, _ = _token(arguments, at, ":")
        found.append((key, value))
        at += 1
    return found


def check(text: str, place: Place, limit: int = FILTERS_MAX) -> Graph:
    """The graph, when all of it is allowed.

    Raises RefusedError for a filter or an option that is not allowed, RequestError for text that is
    no graph, numbers out of range, and more than `limit` filters.
    """
    try:
        graph = parse(text)
    except GraphSyntaxError as error:
        raise place.wrong(f"{error}") from None
    filters = list(graph.filters)
    if len(filters) > limit:
        raise place.wrong(f"has too many filters; all graphs together may have {FILTERS_MAX}")
    if graph.scaler_flags is not None and not _SCALER_FLAGS.fullmatch(graph.scaler_flags):
        raise place.refused("has sws_flags that are not plain words; use the option -sws_flags")
    made = {label for each in filters for label in each.outputs}
    for each in filters:
        _check_filter(each, place)
        for label in (*each.inputs, *each.outputs):
            if not _LABEL.fullmatch(label):
                raise place.refused(
                    f"has the label [{shown(label)}]; use letters, digits and _ or an input's "
                    "stream such as [0:v]"
                )
        for label in each.inputs:
            number = _INPUT.match(label)
            if number and label not in made:
                place.check_input(int(number[1][:9]))
    return graph


def _check_filter(each: Filter, place: Place) -> None:
    name = each.name
    if not _NAME.fullmatch(name) or name not in table.ALLOWED:
        raise place.refused(f"uses the filter {shown(name)}, which is not allowed{_remedy(name)}")
    if each.instance is not None and not _INSTANCE.fullmatch(each.instance):
        raise place.refused(f"has an odd name after {name}@; use letters, digits and _")
    rule = table.RULES.get(name, table.FilterRule())
    try:
        pairs = options(each.arguments or "")
    except GraphSyntaxError as error:
        raise place.wrong(f"{error}") from None
    if _runs_loop(name, each.arguments or "", pairs):
        raise place.refused(f"gives the filter {name} {LOOPS}")
    named = False
    for position, (key, value) in enumerate(pairs):
        if key is None:
            if named:
                raise place.wrong(
                    f"gives {shown(value)} to the filter {name} after a name=value; "
                    "give this one by name too"
                )
            if rule.order is None:
                continue
            if position >= len(rule.order):
                raise place.refused(
                    f"gives {shown(value)} to the filter {name} without saying which option it is; "
                    "write it as name=value"
                )
            key = rule.order[position]
        else:
            named = True
        _check_option(name, key, value, rule, place)


def _check_option(name: str, key: str, value: str, rule: table.FilterRule, place: Place) -> None:
    if not _PLAIN_KEY.fullmatch(key):
        raise place.refused(
            f"gives the filter {name} an option called {shown(key) or 'nothing'}; names have "
            "letters, digits, - and _ only, and no value is read from a file"
        )
    risky = key not in table.HARMLESS and any(p in key.lower() for p in table.FORBIDDEN_PARTS)
    if risky or key in rule.forbidden:
        remedy = {"textfile": "give the text as text=...", "fontfile": "use font=NAME"}
        raise place.refused(
            f"sets {shown(key)} of the filter {name}, which is not allowed: filters here cannot "
            f"open or write files; {remedy.get(key, 'leave it out')}"
        )
    if key in table.THREADS:
        _check_count(name, key, value, 16, place)
    bound = rule.bounds.get(key)
    if isinstance(bound, int):
        _check_count(name, key, value, bound, place)
    elif bound == table.SIZE and is_huge(value):
        raise place.wrong(
            f"sets {key} of the filter {name} to {shown(value)}; whole numbers up to 9999 are "
            "allowed, without exponents or unit letters"
        )
    elif bound == table.TILES and not is_layout(value):
        raise place.wrong(
            f"sets {key} of the filter {name} to {shown(value)}; at most {TILES_MAX} pictures are "
            "allowed, such as 4x3"
        )
    elif bound == table.RATE and not is_rate(value):
        raise place.wrong(
            f"sets {key} of the filter {name} to {shown(value)}; rates up to {RATE_MAX} a second "
            "are allowed, such as 25 or 30000/1001"
        )
    elif bound == table.FONT and not _FONT.fullmatch(value):
        raise place.refused(
            f"sets {key} of the filter {name} to {shown(value)}; give the plain name of a font, "
            "such as Sans or Sans:bold"
        )


def _check_count(name: str, key: str, value: str, most: int, place: Place) -> None:
    if key in table.THREADS and value == "auto":
        return
    if not re.fullmatch(r"[0-9]{1,4}", value) or int(value) > most:
        raise place.wrong(
            f"sets {key} of the filter {name} to {shown(value)}; whole numbers up to {most} are "
            "allowed"
        )


def _runs_loop(name: str, arguments: str, pairs: list[tuple[str | None, str]]) -> bool:
    if name != "drawtext":
        return has_loop(arguments)
    # What drawtext writes is text but for its %{...}.
    return any(has_loop(value) and (key != "text" or "%{" in bare(value)) for key, value in pairs)


def _remedy(name: str) -> str:
    hint = table.HINTS.get(name)
    if hint is None and re.search(r"_(opencl|vaapi|vulkan|cuda|qsv|npp|amf|videotoolbox)$", name):
        hint = "this server converts on the CPU; use the filter without that ending"
    if hint is not None:
        return f": {hint}"
    near = get_close_matches(name[:40], table.ALLOWED, 1, 0.75)
    return f"; did you mean {near[0]}?" if near else "; leave it out"
