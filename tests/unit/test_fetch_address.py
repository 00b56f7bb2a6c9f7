"""Which addresses may be fetched: URLs, allow entries, and what names resolve to."""

from __future__ import annotations

import socket
from ipaddress import ip_address
from urllib.parse import urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gmapi.errors import RequestError, SourceError
from gmapi.fetch.address import (
    MAX_URL_LENGTH,
    SourceUrl,
    check_url,
    is_public,
    resolve,
    trim_address,
)
from gmapi.hosts import parse_allow
from support.cost import cpu_below


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://example.org", SourceUrl("http://example.org/", "http", "example.org", 80, "/")),
        (
            "HTTPS://Example.ORG:443/a.mp3?sig=a%2Fb&x=1#part",
            SourceUrl(
                "https://example.org/a.mp3?sig=a%2Fb&x=1",
                "https",
                "example.org",
                443,
                "/a.mp3?sig=a%2Fb&x=1",
            ),
        ),
        (
            "http://[2001:DB8:0::1]:8080/x",
            SourceUrl("http://[2001:db8::1]:8080/x", "http", "2001:db8::1", 8080, "/x"),
        ),
        ("http://192.0.2.1:9/", SourceUrl("http://192.0.2.1:9/", "http", "192.0.2.1", 9, "/")),
    ],
)
def test_good_addresses_are_normalised(url: str, expected: SourceUrl) -> None:
    assert check_url(url) == expected


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("http://a.example/日本 語.mp3".replace(" ", ""), "/%E6%97%A5%E6%9C%AC%E8%AA%9E.mp3"),
        ("http://a.example/ü?q=é", "/%C3%BC?q=%C3%A9"),
        ("http://a.example/%E6%97%A5?a=%20", "/%E6%97%A5?a=%20"),
        ("http://a.example?x=1", "/?x=1"),
        ('http://a.example/"x"<y>', "/%22x%22%3Cy%3E"),
    ],
)
def test_path_and_query_become_ascii(url: str, target: str) -> None:
    source = check_url(url)
    assert source.target == target
    assert source.url == "http://a.example" + target


def test_an_international_host_becomes_idna() -> None:
    assert check_url("https://bücher.example/x").host == "xn--bcher-kva.example"


def test_a_trailing_dot_of_the_host_is_dropped() -> None:
    assert check_url("http://example.org./x").url == "http://example.org/x"


HOSTILE = [
    "", "song.mp3", "//example.org/x", "http:example.org", "http:/example.org/x", "http://",
    "http:///x", "http://?x", "http://#x", "http://:80/x",
    # schemes
    "ftp://example.org/x", "file:///etc/passwd", "gopher://example.org/", "data:text/plain,x",
    "concat:http://a/x|http://b/x", "hls+http://example.org/x", "http+unix://x/y", "http\t://a/",
    # userinfo and text that parsers read differently
    "http://user:pass@example.org/", "http://user@example.org/", "http://@example.org/",
    "http://example.org@127.0.0.1/", "http://127.0.0.1\\@example.org/",
    "http://example.org\\.evil.example/", "http://example.org:80@127.0.0.1:90/",
    "http://a.example:80:90/", "http://[::1]x/", "http://[::1", "http://::1/", "http://[]/",
    "http://a[::1]/", "http://[v1.x]/", "http://[fe80::1%25eth0]/", "http://[fe80::1%eth0]/",
    # white space and control characters
    " http://example.org/", "http://example.org/ ", "http://example.org/a b",
    "http://example.org/\r\nX: y", "http://example.org/\x00", "http://example.org/\x7f",
    "http://exa\tmple.org/", "http://example.org/\u00a0", "http://example.org/\u2028",
    "http://example.org/\x85", "http://example.org/\ud800",
    # numeric hosts that are not canonical
    "http://2130706433/", "http://0x7f000001/", "http://0x7f.1/", "http://127.1/",
    "http://0177.0.0.1/", "http://127.0.0.01/", "http://127.0.0.1./", "http://127.0.0.0x1/",
    "http://1.2.3.4.5/", "http://256.1.1.1/", "http://017700000001/", "http://0/",
    "http://example.0x7f/", "http://example.123/", "http://x.0x/",
    # unicode digits, dots and separators
    "http://１２７.1/", "http://127。1/", "http://a.example:８０/", "http://a.example:٣/",
    "http://a.example／@b.example/", "http://a℀b.example/", "http://exam﹟ple.org/",
    # hosts and ports out of the rules
    "http://a..example/", "http://.example/", "http://-a.example/", "http://a%2eexample/",
    "http://a.example:0/", "http://a.example:65536/", "http://a.example:-1/",
    "http://a.example:80a/", "http://a.example:123456/", "http://a!b.example/", "http://*.example/",
    "http://" + "a" * 64 + ".example/", "http://" + "a." * 130 + "example/",
    "http://example.org/" + "a" * MAX_URL_LENGTH,
]  # fmt: skip


@pytest.mark.parametrize("url", HOSTILE)
def test_hostile_addresses_are_refused_with_the_name_of_the_field(url: str) -> None:
    with pytest.raises(RequestError) as caught:
        check_url(url, "input_url")
    assert caught.value.field == "input_url"
    assert caught.value.message.startswith("input_url ")
    assert caught.value.message.endswith(".")


def test_the_named_field_is_the_one_of_the_caller() -> None:
    with pytest.raises(RequestError, match=r"^subtitles must begin with http"):
        check_url("ftp://x", "subtitles")


@given(
    st.one_of(
        st.text(max_size=60),
        st.text(alphabet="ah:/@[]%.?#\\127x０。\u00ad\t -", max_size=40).map("http://".__add__),
    )
)
@example("http://１２７.０.０.１/")
@example("http://a\u00adb.example/")
def test_whatever_passes_is_plain_and_means_the_same_to_any_parser(text: str) -> None:
    try:
        source = check_url(text)
    except RequestError:
        return
    assert source.url.isascii()
    assert source.url.isprintable()
    assert not set(source.url) & set(" \\#@") - set(source.target)
    parts = urlsplit(source.url)
    assert (parts.scheme, parts.hostname, parts.port or 80) == source.origin or (
        source.scheme == "https" and parts.port in (None, source.port)
    )
    assert parts.username is None
    assert check_url(source.url) == source


@pytest.mark.parametrize(
    ("entry", "url", "address", "admitted"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8000/", "127.0.0.1", True),
        ("127.0.0.1:8000", "http://127.0.0.1:8001/", "127.0.0.1", False),
        ("127.0.0.1:8000", "http://local.example:8000/", "127.0.0.1", True),
        ("127.0.0.1", "http://127.0.0.1:8001/", "127.0.0.1", True),
        ("127.0.0.1", "http://[::ffff:127.0.0.1]/", "::ffff:127.0.0.1", False),
        ("10.0.0.0/8", "http://10.9.8.7/", "10.9.8.7", True),
        ("10.0.0.0/8:81", "http://10.9.8.7/", "10.9.8.7", False),
        ("10.0.0.0/8", "http://11.0.0.1/", "11.0.0.1", False),
        ("nas.lan", "http://NAS.lan:99/", "192.168.0.9", True),
        ("NAS.lan:99", "http://nas.lan:99/", "192.168.0.9", True),
        ("nas.lan:99", "http://nas.lan/", "192.168.0.9", False),
        ("nas.lan", "http://evil.nas.lan/", "192.168.0.9", False),
        ("::1", "http://[::1]:5/", "::1", True),
        ("[::1]", "http://[::1]:5/", "::1", True),
        ("[::1]:5", "http://[::1]:5/", "::1", True),
        ("[::1]:5", "http://[::1]:6/", "::1", False),
        ("fd00::/8", "http://[fd12::1]/", "fd12::1", True),
        ("[fd00::/8]:8000", "http://[fd12::1]:8000/", "fd12::1", True),
    ],
)
def test_an_allow_entry_widens_only_what_it_names(
    entry: str, url: str, address: str, admitted: bool
) -> None:
    (allowed,) = parse_allow([entry])
    source = check_url(url)
    assert allowed.admits(source.host, source.port, ip_address(address)) is admitted


@pytest.mark.parametrize(
    "entry",
    ["", "*", "*.lan", "http://nas.lan", "nas.lan:0", "nas.lan:70000", "nas.lan:x", "10.0.0.1/8",
     "10.0.0.0/33", "[10.0.0.1]:80", "[::1", "::1/0/0", "127.1", "0x7f.0.0.1", "a b", "[::1]x"],
)  # fmt: skip
def test_a_bad_allow_entry_is_named(entry: str) -> None:
    with pytest.raises(ValueError, match="is not a host, an address or a network") as caught:
        parse_allow(["good.example", entry])
    assert repr(entry) in str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0", "0.1.2.3", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.9.9.9",
     "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1", "192.88.99.1",
     "192.168.1.1", "198.18.0.1", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.1.1.1",
     "240.0.0.1", "255.255.255.255", "168.63.129.16",
     "::", "::1", "::7f00:1", "::8.8.8.8", "::ffff:127.0.0.1", "::ffff:8.8.8.8",
     "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::1", "100::1", "2001::1", "2001:2::1",
     "2001:db8::1", "2002:7f00:1::", "2002:808:808::", "3fff::1", "5f00::1", "fc00::1",
     "fd00:ec2::254", "fe80::1", "fe80::1%1", "fec0::1", "ff02::1"],
)  # fmt: skip
def test_special_addresses_are_not_public(address: str) -> None:
    assert not is_public(ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111"])
def test_ordinary_addresses_are_public(address: str) -> None:
    assert is_public(ip_address(address))


def _answers(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Let the system's resolver answer so; returns the names asked for."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, **_: object) -> list[tuple[object, ...]]:
        asked.append(host)
        return [(0, 0, 0, "", (address, port)) for address in addresses]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return asked


def test_one_look_up_gives_all_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _answers(monkeypatch, "8.8.8.8", "2606:4700::1111", "8.8.8.8")
    found = resolve(check_url("http://name.example/"), ())
    assert [str(address) for address in found] == ["8.8.8.8", "2606:4700::1111"]
    assert asked == ["name.example"]


def test_one_private_answer_spoils_the_name(monkeypatch: pytest.MonkeyPatch) -> None:
    _answers(monkeypatch, "8.8.8.8", "10.0.0.1")
    source = check_url("http://name.example:8000/")
    with pytest.raises(SourceError) as caught:
        resolve(source, parse_allow(["10.0.0.1:80"]))
    assert caught.value.code == "source_refused"
    assert "private" in caught.value.message
    assert "GMAPI_FETCH_ALLOW=name.example:8000" in caught.value.message
    assert "10.0.0.1" not in caught.value.message
    assert len(resolve(source, parse_allow(["10.0.0.1:8000"]))) == 2
    assert len(resolve(source, parse_allow(["name.example:8000"]))) == 2


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/", "http://[::1]:8000/", "http://[::ffff:127.0.0.1]:8000/"]
)
def test_the_refusal_names_the_value_that_would_allow_it(url: str) -> None:
    source = check_url(url)
    with pytest.raises(SourceError) as caught:
        resolve(source, ())
    value = caught.value.message.split("GMAPI_FETCH_ALLOW=")[1].removesuffix(".")
    assert resolve(source, parse_allow([value])) == [ip_address(source.host)]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1/", "http://１２７.０.０.１/", "http://localhost/"]
)
def test_spellings_of_loopback_are_refused(url: str) -> None:
    with pytest.raises(SourceError) as caught:
        resolve(check_url(url), parse_allow(["127.0.0.1:1"]))
    assert caught.value.code == "source_refused"


def test_an_unknown_host_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with pytest.raises(SourceError, match=r"nowhere\.example") as caught:
        resolve(check_url("http://nowhere.example/"), ())
    assert caught.value.code == "source_unreachable"


@pytest.mark.parametrize(
    "host",
    ["".join(chr(0x4E00 + n) for n in range(8000)), "a" + "\u0315\u0300" * 4000, "é." * 4000,
     "1" * 8000, "a." * 4000, ":" * 8000, "[" + "0:" * 4000 + "]", "x@" + "\u0315\u0300" * 4000],
    ids=["chinese", "accents", "labels", "digits", "dots", "ports", "brackets", "user"],
)  # fmt: skip
@pytest.mark.parametrize("rest", ["/", "", "?x", "#x"])
def test_a_long_host_is_refused_before_it_is_looked_into(host: str, rest: str) -> None:
    """To make eight thousand letters ASCII takes seven seconds, in the web process."""
    with cpu_below(1), pytest.raises(RequestError):
        check_url(f"http://{host}{rest}")


@pytest.mark.parametrize(("character", "sent"), [("a", 1), ("\xfc", 6), ("\u6f22", 9), ("😀", 12)])
@pytest.mark.parametrize("before", ["http://h/", "http://h/?"])
def test_the_length_of_an_address_is_that_of_what_is_sent(
    before: str, character: str, sent: int
) -> None:
    """Eight addresses of 8,000 letters each kept the web process busy for a tenth of a second."""
    most = (MAX_URL_LENGTH - len(before)) // sent
    assert len(check_url(before + character * most).url) <= MAX_URL_LENGTH + 1
    with pytest.raises(RequestError, match="is longer than 8192 characters as it is sent"):
        check_url(before + character * (most + 1))
    # What no text can be is refused, too.
    with pytest.raises(RequestError):
        check_url(before + "\ud800")


def test_the_longest_host_with_a_port_is_read() -> None:
    name = ".".join(["a" * 63] * 3 + ["b" * 61])
    assert check_url(f"http://{name}.:65535/x").host == name
    with pytest.raises(RequestError):
        check_url(f"http://{name}b/x")


@pytest.mark.parametrize(
    "text",
    ['"{}"', "'{}'", "`{}`", "<{}>", " {} ", "{}\n", "\t{}\r\n", '"<{}>"', "\u201c{}\u201d",
     "\u201e{}\u201c", "\u00ab{}\u00bb", "\u2018{}\u2019", ' " {} " ', "\ufeff{}", "{}\u200b",
     "\u00a0{}\u3000", "{}\0", "\u300c{}\u300d", "`{}'"],
)  # fmt: skip
def test_what_stands_around_an_address_is_no_part_of_it(text: str) -> None:
    for url in ("http://a.example/x", "https://a.example/it's", "http://a.example/?a='b'"):
        assert trim_address(text.format(url)) == url


@pytest.mark.parametrize(
    "text",
    ["http://a.example/'", 'http://a.example/"', "http://a.example/x>", "\"http://a.example/",
     "<http://a.example/", "'http://a.example/\"", "", "x"],
)  # fmt: skip
def test_single_marks_stay(text: str) -> None:
    assert trim_address(text) == text


@given(st.text(alphabet=" \n\"'`<>\u201c\u201dab:/\u200b", max_size=40))
def test_trimming_again_changes_nothing(text: str) -> None:
    once = trim_address(text)
    assert trim_address(once) == once
    assert once in text


def test_many_marks_are_trimmed_in_linear_time() -> None:
    with cpu_below(2.0):
        assert trim_address('"' * 500_000 + "x" + '"' * 500_000) == "x"
        assert trim_address(" " * 1_000_000) == ""
