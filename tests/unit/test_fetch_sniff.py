"""Telling web pages, playlists and data from media and subtitles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.errors import SourceError
from gmapi.fetch.sniff import check_first_bytes

NOT_MEDIA = [
    (b"<!DOCTYPE html><html>", "web page"),
    (b"\n\n  <HTML lang=en>", "web page"),
    (b"\xef\xbb\xbf<!doctype HTML PUBLIC '-//W3C//DTD HTML 4.01//EN'>", "web page"),
    ("<html><body>x".encode("utf-16"), "web page"),
    (b"<!-- made by x --><!-- more -->\n<html>", "web page"),
    (b"<?xml version='1.0'?><!DOCTYPE html><html xmlns='x'>", "web page"),
    (b"<head><title>Not found</title>", "web page"),
    (b"<svg xmlns='http://www.w3.org/2000/svg'>", "SVG"),
    (b"<?xml version='1.0'?>\n<!-- x -->\n<!DOCTYPE svg PUBLIC 'x' 'y'><svg>", "SVG"),
    (b"<?xml version='1.0'?><svg:svg>", "SVG"),
    (b"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'>", "DASH"),
    (b"<MPD>", "DASH"),
    (b"<?xml version='1.0'?><playlist version='1'>", "playlist"),
    (b"<asx version='3'>", "playlist"),
    (b"<rss version='2.0'>", "feed"),
    (b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>", "XML"),
    (b"<?xml version='1.0'?>" + b" " * 50, "XML"),
    (b'{"error": "no such song"}', "JSON"),
    (b"{}", "JSON"),
    (b'[\n {"a": 1}]', "JSON"),
    (b"[1, 2, 3]", "JSON"),
    (b"#EXTM3U\n#EXT-X-VERSION:3\n", "M3U"),
    (b"\xef\xbb\xbf#extm3u\n", "M3U"),
    (b"# my songs\n\nhttp://a.example/1.mp3\n", "M3U"),
    (b"ffconcat version 1.0\nfile a.mp4\n", "ffconcat"),
    (b"file '/etc/passwd'\n", "ffconcat"),
    (b'FILE "a.wav" WAVE\r\n  TRACK 01 AUDIO\r\n', "cue sheet"),
    (b'REM DATE 1999\nTITLE "b"\nFILE c.bin BINARY\n  TRACK 01 MODE1/2352\n', "cue sheet"),
    (b"[playlist]\nFile1=http://a.example/\n", "playlist"),
    (b"[Reference]\nRef1=http://a.example/\n", "playlist"),
    (b"https://a.example/1.mp3\nhttps://a.example/2.mp3\n", "playlist"),
    (b"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n", "SDP"),
]


@pytest.mark.parametrize(("head", "kind"), NOT_MEDIA)
def test_text_that_is_no_media_is_named(head: bytes, kind: str) -> None:
    with pytest.raises(SourceError) as caught:
        check_first_bytes(head, None)
    assert caught.value.code == "source_not_media"
    assert kind in caught.value.message
    assert "not a media file; " in caught.value.message


def test_a_web_page_is_answered_with_the_remedy() -> None:
    with pytest.raises(SourceError, match="web page, not a media file; give the direct address"):
        check_first_bytes(b"<html>", "text/html")


@pytest.mark.parametrize(
    ("head", "content_type", "kind"),
    [
        (b"Please log in.", "text/html; charset=utf-8", "web page"),
        (b"songs/a.mp3\nsongs/b.mp3\n", "audio/x-mpegurl", "playlist"),
    ],
)
def test_the_type_decides_about_plain_text(head: bytes, content_type: str, kind: str) -> None:
    check_first_bytes(head, "text/plain")
    with pytest.raises(SourceError, match=kind):
        check_first_bytes(head, content_type)


MEDIA = [
    b"",
    b"ID3\x04\x00\x00\x00\x00\x00\x00<html>",
    b"\xff\xfb\x90\x64" + bytes(100),
    b"\xff\xfe\x90\x64" + bytes(100),
    b"RIFF\x24\x08\x00\x00WAVEfmt \x10\x00\x00\x00",
    b"OggS\x00\x02" + bytes(20) + b"\x01vorbis",
    b"fLaC\x00\x00\x00\x22",
    b"\x00\x00\x00\x20ftypisom\x00\x00\x02\x00",
    b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01",
    b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
    b"GIF89a\x01\x00\x01\x00",
    b"FLV\x01\x05\x00\x00\x00\x09",
    b"#!AMR\n\x3c\x91\x17",
    b"P6\n640 480\n255\n",
    b"\x55\xaa" * 40,  # DFPWM silence, which has no header
    b"U" * 100,
    b"<html\x00\x01\x02 raw samples",
    b"\x47\x40\x00\x10\x00\x00\xb0\x0d",
    # subtitles
    b"1\r\n00:00:01,000 --> 00:00:02,000\r\nHi\r\n",
    b"\xef\xbb\xbf1\n00:00:01,000 --> 00:00:02,000\n<i>Hi</i>\n",
    b"WEBVTT\n\n00:01.000 --> 00:02.000\n<v Bob>http://a.example\n",
    b"[Script Info]\n; a comment\nTitle: x\n",
    "\ufeff[Script Info]\nTitle: ü\n".encode("utf-16-le"),
    b"{0}{25}Hello\n",
    b"[10][20]Hello\n",
    b"[00:12.00]La la\n",
    b"<SAMI><HEAD><TITLE>x</TITLE>",
]


@pytest.mark.parametrize("head", MEDIA)
@pytest.mark.parametrize("content_type", [None, "application/octet-stream", "audio/mpeg"])
def test_media_and_subtitles_pass(head: bytes, content_type: str | None) -> None:
    check_first_bytes(head, content_type)


@pytest.mark.parametrize("head", [head for head in MEDIA if b"\x00\x00" in head])
def test_binary_media_pass_with_a_wrong_type(head: bytes) -> None:
    check_first_bytes(head, "text/html")


@given(st.binary(min_size=1, max_size=200).map(lambda tail: b"\x00" + tail))
def test_binary_data_is_never_refused(head: bytes) -> None:
    check_first_bytes(head, "text/html")
