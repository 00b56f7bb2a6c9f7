"""The policy for the ffmpeg arguments of a request.

The grammar is `-option` or `-option value`, nothing else: any word that is not the value of an
option before it is refused, and with it second outputs, further inputs and "--". What an option
takes is in `option_table`, what a filter graph may hold in `filtergraph` and `filter_table`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from gmapi.errors import RefusedError, RequestError
from gmapi.media import filtergraph
from gmapi.media.filter_values import LOOPS, has_loop
from gmapi.media.filtergraph import Place, shown
from gmapi.media.option_table import HINTS, INPUT_OPTIONS, OUTPUT_OPTIONS, Option
from gmapi.media.option_values import is_metadata_owner, is_specifier

ARGUMENTS_MAX = 128
ARGUMENT_BYTES_MAX = 8 * 1024


def check_arguments(args: Sequence[str], *, field: str = "args", inputs: int = 1) -> list[str]:
    """The output options of a request, normalised, when all of them are allowed.

    Every option gets its one spelling (`-vcodec` becomes `-c:v`), filter graphs are written anew
    with the same meaning, control characters in metadata become spaces, and options that the server
    decides (`-y`, `-loglevel`) are left out. `inputs` is how many sources the request has.

    Raises RefusedError for what is not allowed and RequestError for what is malformed or out of
    range; both carry `field`.
    """
    normal: list[str] = []
    filters = 0
    for word, option, value in _options(args, field, OUTPUT_OPTIONS):
        place = Place(field, word, inputs)
        if option.dropped:
            if option.read is not None:
                option.read(value, place)
            continue
        normal.append(_spelling(word, option))
        if option.graph:
            graph = filtergraph.check(value, place, filtergraph.FILTERS_MAX - filters)
            filters += sum(1 for _ in graph.filters)
            normal.append(filtergraph.write(graph))
        elif option.read is not None:
            # ffmpeg reads most values as expressions, but no text of metadata.
            if not option.metadata and has_loop(value):
                raise place.refused(f"has {LOOPS}")
            normal.append(option.read(value, place))
    return normal


def check_input_arguments(args: Sequence[str], *, field: str = "input_args") -> list[str]:
    """The options before the first input of a request, normalised, when all are allowed.

    Few make sense there: times, raw formats and their properties. Raises as `check_arguments`.
    """
    normal: list[str] = []
    names: set[str] = set()
    for word, option, value in _options(args, field, INPUT_OPTIONS):
        names.add(word[1:])
        normal.append(_spelling(word, option))
        if option.read is not None:
            normal.append(option.read(value, Place(field, word)))
    if "loop" in names and not names & {"t", "to"}:
        raise RequestError(
            f"{field}: -loop repeats a picture without an end; also give its length, such as -t 10",
            field=field,
        )
    return normal


def _spelling(word: str, option: Option) -> str:
    if option.becomes is None:
        return word
    _, colon, specifier = word.partition(":")
    return f"-{option.becomes}{colon}{specifier}"


def _options(
    args: Sequence[str], field: str, table: Mapping[str, Option]
) -> list[tuple[str, Option, str]]:
    """The words as (option as given, what it is, value or "")."""
    words = _words(args, field)
    found: list[tuple[str, Option, str]] = []
    at = 0
    while at < len(words):
        word = words[at]
        at += 1
        option = _option(word, field, table)
        value = ""
        if option.read is not None or option.graph:
            if at == len(words):
                raise RequestError(f"{field}: {shown(word)} lacks its value", field=field)
            value = words[at]
            at += 1
        found.append((word, option, value))
    return found


def _words(args: Sequence[str], field: str) -> list[str]:
    # The game's JSON writes an empty list as {}.
    if isinstance(args, Mapping) and not args:
        return []
    if not isinstance(args, (list, tuple)):
        raise RequestError(f"{field} must be a list of strings", field=field)
    if len(args) > ARGUMENTS_MAX:
        raise RequestError(
            f"{field} has {len(args)} entries; at most {ARGUMENTS_MAX} are allowed", field=field
        )
    for number, word in enumerate(args, 1):
        problem = _problem(word)
        if problem:
            raise RequestError(f"{field}: entry {number} {problem}", field=field)
    return list(args)


def _problem(word: object) -> str | None:
    if not isinstance(word, str):
        return "is not a string; put quotes around it"
    if "\0" in word:
        return "has a zero byte in it"
    try:
        size = len(word.encode())
    except UnicodeEncodeError:
        return "is not valid Unicode text"
    if size > ARGUMENT_BYTES_MAX:
        return f"is longer than {ARGUMENT_BYTES_MAX} bytes"
    return None


def _option(word: str, field: str, table: Mapping[str, Option]) -> Option:
    if not word.startswith("-") or len(word) < 2:
        raise RefusedError(
            f"{field}: {shown(word) or 'an empty string'} is not an option; an option begins with "
            "- and has at most one value, and output_format names the output",
            field=field,
        )
    name, colon, specifier = word[1:].partition(":")
    option = table.get(name)
    if option is None:
        raise RefusedError(f"{field}: {shown(word)} is not allowed{_remedy(name, table)}",
                           field=field)  # fmt: skip
    if colon:
        fits = (option.streams and is_specifier(specifier)) or (
            option.metadata and is_metadata_owner(specifier)
        )
        if not fits:
            allowed = option.streams or option.metadata
            remedy = "write it as in :v or :a:0" if allowed else f"write -{name} alone"
            raise RequestError(
                f"{field}: {shown(word)} does not name streams that -{name} takes; {remedy}",
                field=field,
            )
    return option


def _remedy(name: str, table: Mapping[str, Option]) -> str:
    if name.startswith("/"):
        return ": no value is read from a file; give the value itself"
    first = name.split(maxsplit=1)[0] if name.split() else ""
    if first != name and first.partition(":")[0] in table:
        return ": an option and its value are two strings"
    hint = HINTS.get(name)
    if hint is not None:
        return f": {hint}; leave -{name} out" if "-" not in hint else f": {hint}"
    near = get_close_matches(name[:40], table, 1, 0.75)
    return f"; did you mean -{near[0]}?" if near else "; leave it out"
