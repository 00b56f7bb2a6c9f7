"""Settings from flags, environment and file, and what is said of wrong ones."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gmapi.errors import SettingsError
from gmapi.settings import load_settings
from gmapi.terminal.startup import prepare

Environment = Callable[..., None]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    """Sets variables, after all that could disturb are gone."""
    for name in list(os.environ):
        if name.startswith("GMAPI_") or name in ("CLEANUP_INTERVAL", "FILE_EXPIRY"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)

    def put(**variables: str) -> None:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return put


def test_flags_win_over_environment_over_file(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "gmapi.toml").write_text(
        'port = 1\nworkers = 1\nqueue_max = 1\nlog_format = "json"'
    )
    environment(GMAPI_PORT="2", GMAPI_WORKERS="2")
    settings = load_settings({"port": "3", "workers": None})
    assert (settings.port, settings.workers, settings.queue_max) == (3, 2, 1)
    assert settings.log_format == "json"


def test_another_file_can_be_named(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("port = 7")
    environment(GMAPI_CONFIG=str(tmp_path / "other.toml"))
    assert load_settings().port == 7
    environment(GMAPI_CONFIG=str(tmp_path / "missing.toml"))
    with pytest.raises(SettingsError, match=r"GMAPI_CONFIG: there is no file"):
        load_settings()


def test_all_mistakes_are_told_at_once_each_with_its_name(
    environment: Environment, tmp_path: Path
) -> None:
    (tmp_path / "gmapi.toml").write_text("wokers = 2")
    environment(
        GMAPI_PORT="99999",
        GMAPI_LOG_FORMT="json",
        GMAPI_SANDBOX="please",
        GMAPI_TOKENS="me:hunter2",
        GMAPI_QUEUE_URL="redis://127.0.0.1",
        GMAPI_DATABASE_URL="postgresql://127.0.0.1/gmapi",
        GMAPI_PUBLIC_URL="media.example.org",
        GMAPI_FETCH_ALLOW="nas.lan,http://127.0.0.1",
        GMAPI_TRUSTED_PROXIES="proxy.lan",
    )
    with pytest.raises(SettingsError) as caught:
        load_settings({"workers": "0"})
    found = {problem.split(": ")[0]: problem for problem in caught.value.problems}
    assert found.keys() == {
        "GMAPI_PORT",
        "GMAPI_LOG_FORMT",
        "GMAPI_SANDBOX",
        "GMAPI_TOKENS",
        "GMAPI_QUEUE_URL",
        "GMAPI_DATABASE_URL",
        "GMAPI_PUBLIC_URL",
        "GMAPI_FETCH_ALLOW",
        "GMAPI_TRUSTED_PROXIES",
        "--workers",
        "gmapi.toml",
    }
    assert "GMAPI_LOG_FORMAT" in found["GMAPI_LOG_FORMT"]
    assert "workers" in found["gmapi.toml"]
    assert "65535" in found["GMAPI_PORT"]
    assert "hunter2" not in found["GMAPI_TOKENS"]


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "gmapi.toml").write_text("port = ")
    with pytest.raises(SettingsError, match=r"^gmapi\.toml: "):
        load_settings()


def test_the_names_of_the_documents_are_the_same_settings(environment: Environment) -> None:
    environment(CLEANUP_INTERVAL="30", FILE_EXPIRY="600")
    settings = load_settings()
    assert (settings.cleanup_interval, settings.file_expiry) == (30, 600)
    environment(GMAPI_FILE_EXPIRY="700")
    assert load_settings().file_expiry == 700
    assert load_settings({"file_expiry": "800"}).file_expiry == 800


def test_sizes_lists_and_paths_are_read_as_people_write_them(environment: Environment) -> None:
    environment(
        GMAPI_DISK_BUDGET="20 GB",
        GMAPI_FETCH_MAX_BYTES="1GiB",
        GMAPI_FETCH_ALLOW="127.0.0.1:8000, media.lan ,",
        GMAPI_PUBLIC_URL="https://media.example.org/",
        GMAPI_DATA_DIR="data",
    )
    settings = load_settings()
    assert settings.disk_budget == 20_000_000_000
    assert settings.fetch_max_bytes == 2**30
    assert settings.fetch_allow == ("127.0.0.1:8000", "media.lan")
    assert settings.public_url == "https://media.example.org"
    assert settings.data_dir == Path.cwd() / "data"


EMPTY = ["HOST", "PORT", "DATA_DIR", "WORKERS", "SANDBOX", "RATE_LIMIT", "DISK_BUDGET", "FFMPEG",
         "ALLOWED_HOSTS", "PUBLIC_URL", "LOG_FORMAT", "DATABASE_URL"]  # fmt: skip


def test_empty_is_not_set(environment: Environment, tmp_path: Path) -> None:
    """As a compose file has it that passes on a variable which nobody has set."""
    usual = load_settings()
    environment(**{f"GMAPI_{name}": "" for name in EMPTY}, GMAPI_CONFIG="", FILE_EXPIRY="")
    assert load_settings() == usual
    assert load_settings().host == "127.0.0.1"
    assert load_settings({"host": "", "data_dir": ""}) == usual
    (tmp_path / "gmapi.toml").write_text('host = ""\nport = 7')
    assert (load_settings().host, load_settings().port) == ("127.0.0.1", 7)


@pytest.mark.parametrize("given", ["", ",", " , "])
def test_empty_tokens_let_nobody_in(environment: Environment, given: str, tmp_path: Path) -> None:
    def refused() -> None:
        with pytest.raises(SettingsError, match=r"GMAPI_TOKENS: it is empty.*unset it") as caught:
            load_settings()
        assert len(caught.value.problems) == 1

    environment(GMAPI_TOKENS=given)
    refused()
    environment(GMAPI_TOKENS="me:0123456789abcdef")
    assert load_settings().tokens
    with pytest.raises(SettingsError, match=r"^--tokens: it is empty"):
        load_settings({"tokens": ""})


def test_empty_tokens_are_told_however_they_are_spelt(environment: Environment) -> None:
    """The names of variables are read in any case, so they are refused in any."""
    environment(gmapi_Tokens="me:0123456789abcdef")
    assert load_settings().tokens
    environment(gmapi_Tokens="")
    with pytest.raises(SettingsError, match=r"^gmapi_Tokens: it is empty.*unset it"):
        load_settings()


def test_an_empty_list_of_tokens_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "gmapi.toml").write_text("tokens = []")
    with pytest.raises(SettingsError, match=r"GMAPI_TOKENS: it is empty"):
        load_settings()


def test_mistakes_are_told_in_the_words_of_the_api(environment: Environment) -> None:
    environment(
        GMAPI_PORT="many",
        GMAPI_WORKERS="0",
        GMAPI_LEASE_SECONDS="long",
        GMAPI_JOB_TIMEOUT="0",
        GMAPI_DISK_BUDGET="much",
        GMAPI_FETCH_MAX_BYTES="5 XB",
        GMAPI_SANDBOX="please",
        GMAPI_HOST="two words",
        GMAPI_TRUSTED_PROXIES="a.lan",
    )
    with pytest.raises(SettingsError) as caught:
        load_settings()
    found = dict(problem.split(": ", 1) for problem in caught.value.problems)
    assert found["GMAPI_PORT"].startswith("must be a whole number (got 'many').")
    assert found["GMAPI_WORKERS"].startswith("must be at least 1 (got '0').")
    assert found["GMAPI_LEASE_SECONDS"].startswith("must be a number (got 'long').")
    assert found["GMAPI_JOB_TIMEOUT"].startswith("must be more than 0")
    assert found["GMAPI_DISK_BUDGET"].startswith("must be a size such as 500MB or 2GiB")
    assert found["GMAPI_FETCH_MAX_BYTES"].startswith("must be a size such as 500MB or 2GiB")
    assert found["GMAPI_SANDBOX"].startswith("must be one of 'auto', 'require' or 'off'")
    assert found["GMAPI_HOST"].startswith("give an address or name of this machine")
    for text in found.values():
        assert "Input" not in text
        assert "parse" not in text


def test_a_long_mistake_is_not_shown_at_length(environment: Environment) -> None:
    environment(GMAPI_PORT="9" * 5000)
    with pytest.raises(SettingsError, match=r"GMAPI_PORT: must be a smaller number") as caught:
        load_settings()
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize(
    ("given", "host"),
    [("[::1]", "::1"), (" ::1 ", "::1"), ("[::]", "::"), ("LOCALHOST", "localhost")],
)
def test_addresses_to_listen_on(environment: Environment, given: str, host: str) -> None:
    environment(GMAPI_HOST=given)
    assert load_settings().host == host


@pytest.mark.parametrize("given", ["*", "[::1", "[media.lan", "127.0.0.1:5000", "::1]"])
def test_what_is_no_address_to_listen_on(environment: Environment, given: str) -> None:
    environment(GMAPI_HOST=given)
    with pytest.raises(SettingsError, match=r"^GMAPI_HOST: give an address or name"):
        load_settings()


def test_a_data_folder_that_is_none_is_named(environment: Environment, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    environment(GMAPI_DATA_DIR=str(tmp_path / "file"))
    with pytest.raises(SettingsError, match=r"^GMAPI_DATA_DIR: .* cannot be used"):
        prepare(load_settings())
