"""Where an output goes: names, refusal to overwrite, whole or not at all."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gmapi.terminal.delivery import DeliveryError, default_name, deliver_file, new_file, target_path


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("http://example.org/a/song.mp3?x=1#t", "song.dfpwm"),
        ("http://example.org/%E6%AD%8C%20one.mp3", "歌 one.dfpwm"),
        ("https://example.org/", "output.dfpwm"),
        ("https://example.org", "output.dfpwm"),
        ("http://example.org/..%2F..%2Fetc%2Fpasswd", "passwd.dfpwm"),
        ("http://example.org/.hidden", "hidden.dfpwm"),
        ("/music/song.live.flac", "song.live.dfpwm"),
        ("song", "song.dfpwm"),
        ("http://[broken/song.mp3", "output.dfpwm"),
        ("http://example.org/" + "歌" * 300, "歌" * 66 + ".dfpwm"),
    ],
)
def test_default_names(source: str, name: str) -> None:
    assert default_name(source, "dfpwm") == name


@pytest.mark.parametrize(
    ("last", "name"),
    [
        ("CON.mp3", "_CON.ogg"),
        ("nul", "_nul.ogg"),
        ("Com1.tar.gz", "_Com1.tar.ogg"),
        ("aux .mp3", "_aux.ogg"),
        ("LPT\u00b3.mp3", "_LPT\u00b3.ogg"),
        ("conout$.mp3", "_conout$.ogg"),
        ("console.mp3", "console.ogg"),
        ("com10.mp3", "com10.ogg"),
        ("my.con.mp3", "my.con.ogg"),
    ],
)
def test_no_name_is_that_of_a_device_on_windows(last: str, name: str) -> None:
    assert default_name(f"http://example.org/{quote(last)}", "ogg") == name
    assert default_name(f"/music/{last}", "ogg") == name


def test_what_comes_by_standard_input_has_no_name() -> None:
    assert default_name("-", "ogg") == "output.ogg"


@given(st.text(max_size=400))
def test_a_default_name_stays_in_its_folder(text: str) -> None:
    name = default_name(f"http://example.org/{text}", "mp3")
    assert Path(name).name == name
    assert name.endswith(".mp3")
    assert not name.startswith(".")
    assert len(name.encode()) < 220
    assert not any(ord(char) < 0x20 for char in name)


def test_a_folder_gets_the_default_name(tmp_path: Path) -> None:
    target = target_path(str(tmp_path), "a/song.mp3", "dfpwm", force=False)
    assert target == tmp_path / "song.dfpwm"


def test_a_folder_with_a_slash_is_made_when_there_is_something_to_put_in(tmp_path: Path) -> None:
    target = target_path(f"{tmp_path}/new/deep/", "a/song.mp3", "dfpwm", force=False)
    assert target == tmp_path / "new" / "deep" / "song.dfpwm"
    assert list(tmp_path.iterdir()) == []
    with new_file(target, force=False) as part:
        part.write_bytes(b"made")
    assert target.read_bytes() == b"made"
    again = target_path(f"{tmp_path}/new/deep/", "other.mp3", "dfpwm", force=False)
    assert again == tmp_path / "new" / "deep" / "other.dfpwm"


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "song.mp3").touch()
    with pytest.raises(DeliveryError, match="is a file, not a folder"):
        target_path(f"{tmp_path}/song.mp3/", "a.mp3", "mp3", force=True)
    with pytest.raises(DeliveryError, match=r"cannot be made: .*song\.mp3 is no folder"):
        target_path(f"{tmp_path}/song.mp3/below/", "a.mp3", "mp3", force=True)


def test_what_exists_is_refused(tmp_path: Path) -> None:
    (tmp_path / "song.dfpwm").write_bytes(b"old")
    with pytest.raises(DeliveryError, match="--force"):
        target_path(str(tmp_path), "song.mp3", "dfpwm", force=False)
    assert target_path(str(tmp_path), "song.mp3", "dfpwm", force=True).exists()


def test_a_dangling_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(DeliveryError, match="exists"):
        target_path(str(tmp_path / "out"), "song.mp3", "dfpwm", force=False)


def test_devices_are_never_replaced() -> None:
    with pytest.raises(DeliveryError, match="not a file"):
        target_path("/dev/null", "song.mp3", "dfpwm", force=True)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="no folder"):
        target_path(str(tmp_path / "none" / "out"), "song.mp3", "dfpwm", force=False)


@pytest.mark.parametrize("force", [False, True])
def test_a_new_file_appears_whole(tmp_path: Path, force: bool) -> None:
    target = tmp_path / "out"
    with new_file(target, force=force) as part:
        part.write_bytes(b"half")
        assert not target.exists()
    assert target.read_bytes() == b"half"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    def write() -> None:
        with new_file(tmp_path / "out", force=False) as part:
            part.write_bytes(b"half")
            raise error

    with pytest.raises(error):
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_came_meanwhile_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "out"

    def write() -> None:
        with new_file(target, force=False) as part:
            part.write_bytes(b"new")
            target.write_bytes(b"somebody else's")

    with pytest.raises(DeliveryError, match="exists"):
        write()
    assert target.read_bytes() == b"somebody else's"
    assert list(tmp_path.iterdir()) == [target]


def test_force_replaces(tmp_path: Path) -> None:
    target, source = tmp_path / "out", tmp_path / "made"
    target.write_bytes(b"old")
    source.write_bytes(b"new")
    deliver_file(source, target, force=True)
    assert target.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [target]
