"""Naming what is no media, and what ffmpeg could not read, by the bytes."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.errors import MediaError, SourceError
from gmapi.fetch import kinds
from gmapi.fetch.sniff import check_first_bytes, kind_of
from gmapi.fetch.unread import unread
from support.media import odd_files
from support.media.odd_files import noise, zipped

_CONTENT_TYPES = ("[Content_Types].xml", b"<Types/>")
KINDS = [
    (zipped(("song.mp3", noise())), "a ZIP archive", "unpack it"),
    (zipped(_CONTENT_TYPES, ("word/document.xml", b"<w/>")), "an Office document", "export it"),
    (zipped(("mimetype", b"application/vnd.oasis.opendocument.text")), "an Office", "export"),
    (zipped(("mimetype", b"application/epub+zip")), "an electronic book", "export it"),
    (zipped(("mimetype", b"application/x-krita")), "a painting", "export it"),
    (zipped(("META-INF/MANIFEST.MF", b"a: b")), "a program (Java)", "give the address"),
    (zipped(("AndroidManifest.xml", b"\3\0")), "a program (Android)", "give the address"),
    (zipped(), "an empty ZIP archive", "unpack it"),
    (b"7z\xbc\xaf\x27\x1c\0\4" + noise(), "a 7z archive", "unpack it"),
    (b"Rar!\x1a\x07\x01\0" + noise(), "a RAR archive", "unpack it"),
    (b"Rar!\x1a\x07\0" + noise(), "a RAR archive", "unpack it"),
    (gzip.compress(noise()), "a gzip archive", "unpack it"),
    (gzip.compress(odd_files.tarred()), "a gzip archive", "unpack it"),
    (odd_files.svgz(), "an SVG drawing", "PNG"),
    (odd_files.tarred(), "a tar archive", "unpack it"),
    (b"BZh91AY&SY" + noise(), "a bzip2 archive", "unpack it"),
    (b"\xfd7zXZ\0\0\4" + noise(), "an XZ archive", "unpack it"),
    (b"\x28\xb5\x2f\xfd" + noise(), "a Zstandard archive", "unpack it"),
    (b"\x24\xd6-lh5-" + noise(), "an LHA archive", "unpack it"),
    (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n" + noise(), "a PDF document", "export it"),
    (b"%PDF-1.7\n1 0 obj\n", "a PDF document", "export it"),
    (b"%!PS-Adobe-3.0\nshowpage\n", "a PostScript document", "export it"),
    (b"\xc5\xd0\xd3\xc6\x1e\0\0\0" + noise(), "a PostScript document", "export it"),
    (b"{\\rtf1\\ansi Hello}", "a rich text document", "export it"),
    (odd_files.compound(), "a compound file", "export it"),
    (b"AT&TFORM\0\0\x10\0DJVUINFO" + noise(), "a DjVu document", "export it"),
    (b"gimp xcf v011\0" + noise(), "a GIMP picture", "export it"),
    (b"FWS\x09" + noise(), "a Flash film", "export it"),
    (b"II+\0\x08\0\0\0" + noise(), "a BigTIFF picture", "export it"),
    (odd_files.program(), "a program (Windows)", "give the address"),
    (b"\x7fELF\2\1\1" + noise(), "a program", "give the address"),
    (b"\xcf\xfa\xed\xfe\7\0\0\1" + noise(), "a program", "give the address"),
    (b"#!/bin/sh\necho hi\n", "a script", "give the address"),
    (odd_files.font(), "a font", "give the address"),
    (b"OTTO\0\x0c\0\x80" + noise(), "a font", "give the address"),
    (b"wOF2\0\1\0\0" + noise(), "a font", "give the address"),
    (b"\x80\1\xf4\5\0\0%!PS-AdobeFont-1.0: X" + noise(), "a font", "give the address"),
    (b"SQLite format 3\0" + noise(), "a database", "give the address"),
    (b"\0\0\0\x18ftypcrx \0\0\0\1" + noise(), "raw photo (CR3)", "JPEG"),
    (b"II*\0\x10\0\0\0CR\2\0" + noise(), "raw photo (CR2)", "JPEG"),
    (b"FUJIFILMCCD-RAW 0201" + noise(), "raw photo (RAF)", "JPEG"),
    (b"MThd\0\0\0\6\0\0\0\1\0\x60MTrk" + noise(), "a MIDI file", "MP3"),
    (b"RIFF\x40\0\0\0RMIDdata" + noise(), "a MIDI file", "MP3"),
    (b"NESM\x1a\1\1\1" + noise(), "music for a game console", "MP3"),
    (b"d8:announce35:udp://tracker.example:80134:info", "a torrent", "download"),
    (b"d13:creation datei1e4:infod6:pieces20:" + noise(20) + b"ee", "a torrent", "download"),
    (b"magnet:?xt=urn:btih:abc", "a magnet link", "download"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:a\n", "Git LFS", "repository"),
    (b"[InternetShortcut]\r\nURL=http://a.example/\r\n", "a playlist", "give"),
    (b"\0\0\0\x20ftypaax \0\0\0\1" + noise(), "audio book", "without protection"),
    (b"Salted__" + noise(), "an encrypted file", "without protection"),
    (b"# VobSub index file, v7\nsize: 720x480\n", "VobSub", "give the address"),
    (b"32VD\x33\0" + noise(), "a 32vid film", "what it was made of"),
]


@pytest.mark.parametrize(("head", "name", "remedy"), KINDS, ids=[name for _, name, _ in KINDS])
def test_a_kind_is_named_with_its_remedy(head: bytes, name: str, remedy: str) -> None:
    with pytest.raises(SourceError) as caught:
        check_first_bytes(head[:4096], None)
    assert caught.value.code == "source_not_media"
    assert caught.value.message.startswith("The source is ")
    assert name in caught.value.message
    assert remedy in caught.value.message.partition(";")[2]


def test_each_kind_has_a_sentence_of_its_own() -> None:
    for name, rest in kinds.REMEDIES.items():
        assert name.startswith(("a ", "an ", "music ")), name
        assert rest.startswith(("not a media file; ", "which this server ")), name


@pytest.mark.parametrize(
    "head",
    [
        b"MZ" + noise(),  # two letters make no program
        b"\0\1\0\0" + bytes(100),  # samples of 16 bits
        b"\x1f\x8b\x07" + noise(),
        b"FWS\xf0" + noise(),
        b"RIFF\x24\0\0\0WAVEfmt ",
        b"PARK1 is a text that begins with a mark\n",
        b"AC10 and BLENDER are words\n",
        bytes(4096),
        b"\xff" * 4096,
    ],
)
def test_what_may_be_media_passes(head: bytes) -> None:
    assert kind_of(head, None) is None


def test_an_archive_that_unpacks_to_gigabytes_costs_nothing() -> None:
    bomb = gzip.compress(bytes(1 << 24))
    assert kind_of(bomb[:4096], None) == kinds.GZIP
    assert len(kinds.inside_gzip(bomb[:4096])) <= 512


@given(st.binary(max_size=200), st.sampled_from([head for head, _, _ in KINDS]))
def test_a_cut_or_spoilt_beginning_is_no_trouble(tail: bytes, head: bytes) -> None:
    for data in (head[: len(tail)] + tail, head[: len(tail)]):
        kind = kind_of(data, None)
        assert kind is None or kind.strip()


# -- after ffmpeg has failed -----------------------------------------------------------------------

FAILED = MediaError("the source is not media that ffmpeg knows, or it is damaged", cause="log")


NOT_MEDIA = [
    (b"Not found\n", "is a text"),
    ("Grüße aus Köln\n".encode("latin-1") * 9, "is a text"),
    ("Hello there\r\n".encode("utf-16"), "is a text"),
    (bytes(1), "zero bytes"),
    (bytes(1 << 20), "zero bytes"),
    (bytes(32768) + b"\x01CD001\x01\0" + bytes(4000), "image of a disc"),
    (noise() + b"koly" + bytes(508), "image of a disc"),
]


@pytest.mark.parametrize(("data", "words"), NOT_MEDIA)
def test_what_was_no_media_is_named(data: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(data)
    found = unread(path, FAILED)
    assert found.code == "source_not_media"
    assert words in found.message
    assert "; " in found.message
    assert found.cause == "log"


DAMAGED = [
    (odd_files.tracker_module(), r"tracker music \(MOD\)"),
    (b"Extended Module: test" + noise(), r"tracker music \(XM\)"),
    (bytes(44) + b"SCRM" + noise(), r"tracker music \(S3M\)"),
    (b"IMPM" + noise(), r"tracker music \(IT\)"),
    (b"\x89PNG\r\n\x1a\n" + noise(), "a PNG picture, but it is damaged"),
    (b"\xff\xd8\xff\xe0" + noise(), "a JPEG picture"),
    (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + noise(), "a HEIC picture"),
    (b"OggS\0\2" + noise(), "kind Ogg, but it is damaged"),
    (b"\x1a\x45\xdf\xa3" + noise(), "kind Matroska or WebM"),
]


@pytest.mark.parametrize(("data", "words"), DAMAGED)
def test_what_was_damaged_is_named(data: bytes, words: str, tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(data)
    found = unread(path, FAILED)
    assert type(found) is MediaError
    assert found.code == "media_failed"
    with pytest.raises(MediaError, match=words):
        raise found


@pytest.mark.parametrize("data", [noise(), b"\xff" * 5000, b"\x55\xaa" * 900, b" " * 90])
def test_what_is_not_known_is_not_guessed(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(data)
    assert unread(path, FAILED) is FAILED
