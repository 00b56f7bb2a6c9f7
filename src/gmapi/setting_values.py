"""What the values of settings may be, each as a type; what is wrong is told by a ValueError."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator
from pydantic_settings import NoDecode

from gmapi.access import Token, parse_rate, parse_tokens
from gmapi.hosts import host_name, is_address, parse_allow

NO_TOKENS = "it is empty, which would let everyone in; give a token, or unset it to want that"


def _split_commas(value: Any) -> Any:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    return value


def _public_url(value: str | None) -> str | None:
    if value in (None, ""):
        return None
    assert value is not None
    if not value.startswith(("http://", "https://")) or any(c in value for c in " \t\r\n?#"):
        raise ValueError("give the address callers use, such as http://media.example.org:5000")
    return value.rstrip("/")


def _sqlite_url(value: str | None) -> str | None:
    if value and not value.startswith("sqlite:///"):
        raise ValueError("this version knows only sqlite:///PATH")
    return value or None


def _not_in_this_version(value: str | None) -> str | None:
    if value:
        raise ValueError("this version keeps everything in the data folder; leave it out")
    return None


def _rate(value: str | None) -> str | None:
    if not value:
        return None
    parse_rate(value)
    return value.strip().lower()


def _host(value: str) -> str:
    text = value.strip()
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        return bare if is_address(bare) else host_name(bare)
    except ValueError:
        raise ValueError(
            "give an address or name of this machine, such as 127.0.0.1, 0.0.0.0 or ::1"
        ) from None


def _tokens(value: Any) -> Any:
    entries = _split_commas(value)
    if not isinstance(entries, list | tuple):
        raise ValueError("give a list of name:secret")
    if not entries and value != ():  # which is the default
        raise ValueError(NO_TOKENS)
    if all(isinstance(entry, Token) for entry in entries):
        return tuple(entries)
    return parse_tokens(entries)


def _allow_entries(entries: tuple[str, ...]) -> tuple[str, ...]:
    parse_allow(entries)
    return entries


def _networks(entries: tuple[str, ...]) -> tuple[str, ...]:
    for entry in entries:
        try:
            ip_network(entry, strict=False)
        except ValueError:
            raise ValueError(
                f"{entry!r} is no IPv4 or IPv6 network or address, such as 10.0.0.0/8"
            ) from None
    return entries


def _host_names(names: tuple[str, ...]) -> tuple[str, ...]:
    try:
        return tuple(name if name == "*" else host_name(name) for name in names)
    except ValueError as error:
        raise ValueError(f"{error}; give names without a port, such as media.lan, or *") from None


_CommaList = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_commas)]
Host = Annotated[str, AfterValidator(_host)]
HostNames = Annotated[_CommaList, AfterValidator(_host_names)]
PublicUrl = Annotated[str | None, AfterValidator(_public_url)]
SqliteUrl = Annotated[str | None, AfterValidator(_sqlite_url)]
Unused = Annotated[str | None, AfterValidator(_not_in_this_version)]
AllowEntries = Annotated[_CommaList, AfterValidator(_allow_entries)]
Networks = Annotated[_CommaList, AfterValidator(_networks)]
RateText = Annotated[str | None, AfterValidator(_rate)]
Tokens = Annotated[tuple[Token, ...], NoDecode, BeforeValidator(_tokens)]
