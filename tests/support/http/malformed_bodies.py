"""Request bodies that no route may take: each is the client's fault, and no more than that."""

from __future__ import annotations

import gzip
import json
from typing import Any


def _object(name: str, value: str) -> bytes:
    return f'{{"{name}": {value}}}'.encode()


def _nested(opening: str, closing: str, depth: int) -> bytes:
    return _object("urls", opening * depth + closing * depth)


BODIES: dict[str, bytes] = {
    # nothing, or not an object
    "nothing": b"",
    "blanks": b" \t\r\n ",
    "null": b"null",
    "true": b"true",
    "number": b"7",
    "text": b'"input_url"',
    "empty list": b"[]",
    "list of pairs": b'[["input_url", "http://127.0.0.1:1/x"]]',
    "list of objects": b'[{"input_url": "http://127.0.0.1:1/x"}]',
    "a text that is an object": json.dumps('{"input_url": "x"}').encode(),
    # broken off
    "brace": b"{",
    "half a name": b'{"input_u',
    "name alone": b'{"input_url"',
    "no value": b'{"input_url":',
    "half a text": b'{"input_url": "http://',
    "half an escape": b'{"input_url": "\\u00',
    "half a pair": b'{"input_url": "x",',
    "half a list": b'{"urls": ["a", ',
    "half a number": b'{"w": 1.',
    "half a word": b'{"no_cache": tru',
    # not JSON
    "words": b"hello there",
    "closing brace": b"}",
    "two objects": b"{}{}",
    "objects by line": b"{}\n{}\n",
    "text behind": b"{} # end",
    "comma at the end": b'{"w": 1,}',
    "comma in front": b'{,"w": 1}',
    "two commas": b'{"w": 1,,"h": 2}',
    "single quotes": b"{'input_url': 'x'}",
    "no quotes": b"{input_url: 1}",
    "equals": b'{"input_url" = "x"}',
    "comment": b'{"w": 1 /* wide */}',
    "line comment": b'{"w": 1 // wide\n}',
    "Lua table": b'{ input_url = "x" }',
    "Python": b"{'w': None}",
    "undefined": b'{"w": undefined}',
    "function": b'{"w": alert(1)}',
    "number as name": b"{1: 2}",
    "null as name": b"{null: 2}",
    "form": b"input_url=http%3A%2F%2F127.0.0.1%3A1%2Fx&output_format=mp3",
    "multipart": b'--x\r\nContent-Disposition: form-data; name="input_url"\r\n\r\nx\r\n--x--\r\n',
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><a>&b;</a>',
    "YAML": b"input_url: http://127.0.0.1:1/x\noutput_format: mp3\n",
    "pickle": b"\x80\x04\x95\x05\x00\x00\x00\x00\x00\x00\x00}\x94.",
    "MessagePack": b"\x81\xa9input_url\xa1x",
    "gzip": gzip.compress(b'{"input_url": "x"}', mtime=0),
    "HTML": b"<script>alert(1)</script>",
    "another request": b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n",
    # numbers
    "NaN": b'{"w": NaN}',
    "nan of Lua": b'{"w": nan}',
    "minus nan": b'{"w": -nan(ind)}',
    "Infinity": b'{"w": Infinity}',
    "inf of Lua": b'{"w": inf}',
    "minus Infinity": b'{"w": -Infinity}',
    "NaN deep inside": b'{"urls": [{"a": [NaN]}]}',
    "5,000 digits": _object("w", "1" * 5000),
    "minus 5,000 digits": _object("w", "-" + "9" * 5000),
    "leading zero": b'{"w": 01}',
    "plus": b'{"w": +1}',
    "point alone": b'{"w": .5}',
    "point at the end": b'{"w": 5.}',
    "hexadecimal": b'{"w": 0x10}',
    "underscore": b'{"w": 1_000}',
    "two points": b'{"w": 1.2.3}',
    "two signs": b'{"w": --1}',
    "exponent alone": b'{"w": 1e}',
    # depth
    "33 lists": _nested("[", "]", 33),
    "900 lists": _nested("[", "]", 900),
    "5,000 lists": _nested("[", "]", 5000),
    "900 objects": b'{"a":' * 900 + b"1" + b"}" * 900,
    "3,000 objects that do not end": b'{"a":' * 3000,
    "15,000 lists that do not end": b"[" * 15_000,
    "lists and objects": b'{"a":[' * 800 + b"]}" * 800,
    # characters
    "lone high surrogate": b'{"input_url": "\\ud800"}',
    "lone low surrogate": b'{"input_url": "\\udfff"}',
    "surrogates the wrong way round": b'{"input_url": "\\udc00\\ud800"}',
    "surrogate in a name": b'{"\\ud800": 1}',
    "surrogate inside of a list": b'{"args": ["-metadata", "title=\\ud83d"]}',
    "raw surrogate": '{"input_url": "\ud800"}'.encode("utf-8", "surrogatepass"),
    "Latin-1": '{"input_url": "\u00e9"}'.encode("latin-1"),
    "UTF-16": '{"w": 1}'.encode("utf-16"),
    "UTF-16, no mark": '{"w": 1}'.encode("utf-16-le"),
    "UTF-32": '{"w": 1}'.encode("utf-32"),
    "UTF-7": b"+AHsAIg-w+ACI-: 1+AH0-",
    "Shift JIS": '{"input_url": "\u97f3"}'.encode("shift_jis"),
    "GBK": '{"input_url": "\u97f3\u4e50"}'.encode("gbk"),
    "overlong slash": b'{"input_url": "\xc0\xaf"}',
    "overlong NUL": b'{"input_url": "\xc0\x80"}',
    "beyond Unicode": b'{"input_url": "\xf5\x80\x80\x80"}',
    "half a character": b'{"input_url": "\xe9\x9f',
    "continuation alone": b'{"input_url": "\x80"}',
    "two byte order marks": b'\xef\xbb\xbf\xef\xbb\xbf{"w": 1}',
    "mark inside": b'{\xef\xbb\xbf"w": 1}',
    "NUL": b"\0",
    "NUL behind": b'{"w": 1}\0',
    "NUL in front": b'\0{"w": 1}',
    "raw NUL in a text": b'{"input_url": "a\0b"}',
    "raw line break in a text": b'{"input_url": "a\nb"}',
    "raw escape in a text": b'{"input_url": "\x1b[2J"}',
    "unknown escape": b'{"input_url": "\\x41"}',
    "escape of nothing": b'{"input_url": "\\u"}',
    "escape of words": b'{"input_url": "\\uzzzz"}',
    "non-breaking space": b'{\xc2\xa0"w": 1}',
    "full-width brace": "\uff5b\"w\": 1\uff5d".encode(),
    # doubled names
    "url twice": b'{"input_url": "http://127.0.0.1:1/a", "input_url": "http://127.0.0.1:1/b"}',
    "the same twice": b'{"w": 1, "w": 1}',
    "twice in other spelling": b'{"w": 1, "\\u0077": 2}',
    "twice deep inside": b'{"headers": {"Referer": "a", "Referer": "b"}}',
    "many times": b'{"a": 1' + b',"a": 1' * 2000 + b"}",
    # size: the server takes 20,000 bytes
    "too large": b'{"a": "' + b"x" * 20_000 + b'"}',
    "too many blanks": b"{}" + b" " * 20_000,
}  # fmt: skip
"""Of these each POST route says 4xx; the last ones are 413, all others 400."""

TOO_LARGE = {"too large", "too many blanks"}

WRONG_VALUES: list[Any] = [
    None, True, 7, -1.5, 1e300, "", "\0", "a\nb", [], [[]], [None], [7], {}, {"a": 1}, {"1": None},
    10**30,
]  # fmt: skip
"""Values of every type, of which a field takes few."""
