"""Settings from flags, environment (`GMAPI_*`) and `gmapi.toml`, in this order of precedence.

All mistakes are found at once and each names its setting (`SettingsError`).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import AfterValidator, ByteSize, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from gmapi.access import (
    ANONYMOUS_RATE,
    Mode,
    Rate,
    describe_access,
    parse_rate,
)
from gmapi.errors import SettingsError
from gmapi.hosts import is_loopback
from gmapi.setting_values import (
    NO_TOKENS,
    AllowEntries,
    Host,
    HostNames,
    Networks,
    PublicUrl,
    RateText,
    SqliteUrl,
    Tokens,
    Unused,
)
from gmapi.settings_file import read_found, read_named
from gmapi.validation import words_of

ENV_PREFIX = "GMAPI_"
VALUE_MAX = 80
"""Characters that are shown of a wrong value."""
CONFIG_VARIABLE = "GMAPI_CONFIG"
CLIENT_TOKEN_VARIABLE = "GMAPI_TOKEN"
"""The token that the command line sends to a server: no setting, but no mistake either."""

# Names of the older documents that mean the same settings.
ENV_ALIASES = {"CLEANUP_INTERVAL": "cleanup_interval", "FILE_EXPIRY": "file_expiry"}


def _sites(value: str) -> str:
    if value == "on" and find_spec("yt_dlp") is None:
        raise ValueError("this needs the extra gmapi[sites]; install it, or leave this off")
    return value


class Settings(BaseSettings):
    """Everything an operator can set. Sizes are bytes, times are seconds."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        env_ignore_empty=True,
        frozen=True,
        extra="forbid",
        validate_default=True,
    )

    host: Host = Field("127.0.0.1", description="Address to listen on.")
    port: int = Field(5000, ge=0, le=65535, description="Port to listen on; 0 takes a free one.")
    public_url: PublicUrl = Field(
        None, description="Address of this server in answers; default: the request's Host."
    )
    allowed_hosts: HostNames = Field(
        (),
        description="Names this server answers to, and whose web pages may use it, separated by "
        "commas; addresses and localhost always count; default: these alone on a loopback address, "
        "else any name.",
    )
    data_dir: Path = Field(
        default_factory=lambda: Path(platformdirs.user_data_dir("gmapi", appauthor=False)),
        description="Folder for the database, sources, outputs and frames.",
    )
    database_url: SqliteUrl = Field(
        None, description="Database; default: a SQLite file in the data folder."
    )
    queue_url: Unused = Field(
        None, description="Job queue; default: a SQLite file in the data folder."
    )
    storage_url: Unused = Field(None, description="Storage; default: the data folder.")
    workers: int = Field(
        default_factory=lambda: os.cpu_count() or 2,
        ge=1,
        le=256,
        description="Jobs run at the same time; default: the number of cores.",
    )
    worker_memory: ByteSize = Field(
        ByteSize(2 * 1024**3),
        ge=0,
        description="Most memory of a worker itself on Linux, beside its ffmpeg's and 256 MiB for "
        "each core; 0: no limit.",
    )
    lease_seconds: float = Field(
        30, ge=1, le=3600, description="A job whose worker is silent this long is run again."
    )
    job_timeout: float = Field(3600, gt=0, description="Longest run of one job.")
    output_max_bytes: ByteSize = Field(
        ByteSize(4 * 1024**3), gt=0, description="Largest output of one job."
    )
    fetch_allow: AllowEntries = Field(
        (),
        description="Private hosts, addresses or networks that may be fetched, each with "
        "an optional :port, separated by commas.",
    )
    fetch_max_bytes: ByteSize = Field(
        ByteSize(2 * 1024**3), gt=0, description="Largest source that is fetched."
    )
    fetch_deadline: float = Field(900, gt=0, description="Longest download of one source.")
    fetch_stall: float = Field(20, gt=0, description="Longest silence of a source.")
    sites: Annotated[Literal["off", "on"], AfterValidator(_sites)] = Field(
        "off", description="Look for the media in web pages; needs the extra gmapi[sites]."
    )
    file_expiry: float = Field(
        7200, gt=0, description="Outputs live this long after completion or last access."
    )
    result_max_age: float = Field(
        600,
        ge=0,
        description="Equal requests share a result for so long after it was finished; then they "
        "run anew.",
    )
    cleanup_interval: float = Field(60, gt=0, description="Time between two clean-ups.")
    disk_budget: ByteSize = Field(
        ByteSize(0),
        ge=0,
        description="Most disk space for sources, outputs and the database; 0: only the disk's "
        "own size.",
    )
    queue_max: int = Field(1000, ge=1, description="Most waiting jobs.")
    queue_max_per_client: int = Field(50, ge=1, description="Most waiting jobs of one client.")
    running_max_per_client: int = Field(
        0, ge=0, description="Most running jobs of one client; 0: no limit but the workers."
    )
    radio_max: int = Field(
        4, ge=0, description="Most stations played at once by /api/radio; 0: none."
    )
    rate_limit: RateText = Field(
        None,
        description="Most submissions of one client: off, or like 30/min; default: 60/min for "
        "callers from elsewhere without a token, otherwise off.",
    )
    tokens: Tokens = Field(
        (),
        description="Access tokens, each name:secret with a secret of at least 16 characters, "
        "separated by commas.",
    )
    trusted_proxies: Networks = Field(
        (),
        description="Addresses or networks of proxies, whose X-Forwarded-* headers are believed; "
        "none of their callers counts as being at this machine.",
    )
    connections_per_address: int = Field(
        2000,
        ge=1,
        description="Most open connections of one address; those of trusted proxies do not count.",
    )
    header_timeout: float = Field(
        15, gt=0, description="Longest time for a request's line and headers to come."
    )
    body_timeout: float = Field(
        30, gt=0, description="Longest time for a request's body, and a second more per 8 KiB."
    )
    idle_timeout: float = Field(
        75, gt=0, description="Longest silence between two requests on one connection."
    )
    sandbox: Literal["auto", "require", "off"] = Field(
        "auto", description="auto, require (do not start without all of it) or off."
    )
    ffmpeg: str | None = Field(None, description="Path of the ffmpeg program to use.")
    kernels: Literal["auto", "native", "numpy"] = Field(
        "auto",
        description="What converts pictures for ComputerCraft: native code where it was built, "
        "or numpy.",
    )
    log_format: Literal["text", "json"] = Field("text", description="text or json.")
    body_max_bytes: ByteSize = Field(ByteSize(1024**2), gt=0, description="Largest request body.")
    picture_max_pixels: int = Field(
        70_000_000, gt=0, description="Largest picture ffmpeg may decode, in pixels."
    )
    log_max_lines: int = Field(2000, ge=10, description="Log lines kept per job.")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings

    @property
    def database_path(self) -> Path:
        """The SQLite file that holds the jobs."""
        if self.database_url is None:
            return self.data_dir / "gmapi.db"
        return Path(self.database_url.removeprefix("sqlite:///"))

    @property
    def queue_path(self) -> Path:
        """The SQLite file that holds the queue of job ids."""
        return self.data_dir / "queue.db"

    @property
    def files_dir(self) -> Path:
        """Published outputs, one folder per file id."""
        return self.data_dir / "files"

    @property
    def sources_dir(self) -> Path:
        """Cached sources."""
        return self.data_dir / "sources"

    @property
    def attempts_dir(self) -> Path:
        """Work folders of running attempts."""
        return self.data_dir / "attempts"

    @property
    def run_dir(self) -> Path:
        """Sockets by which the processes of one server wake each other."""
        return self.data_dir / "run"

    @property
    def output_limit(self) -> int:
        """Bytes that the output of one job may have; one beyond the budget could not be kept."""
        largest, budget = int(self.output_max_bytes), int(self.disk_budget)
        return min(largest, budget) if budget else largest

    @property
    def listens_locally(self) -> bool:
        """Whether only this machine reaches the server, itself or by a proxy on it."""
        return is_loopback(self.host)

    @property
    def access_mode(self) -> Mode:
        """Whom this server lets in. Behind a proxy it has callers from elsewhere."""
        if self.tokens:
            return Mode.TOKENS
        if self.listens_locally and not self.trusted_proxies:
            return Mode.OPEN
        return Mode.ANONYMOUS

    def submission_rate(self, *, anonymous: bool) -> Rate | None:
        """How often one client may submit; `anonymous` is a caller from elsewhere without a
        token."""
        if self.rate_limit is not None:
            return parse_rate(self.rate_limit)
        return parse_rate(ANONYMOUS_RATE) if anonymous else None

    @property
    def access_text(self) -> str:
        """One sentence that tells the operator whom this server lets in."""
        rate = self.rate_limit or ANONYMOUS_RATE
        return describe_access(self.access_mode, self.tokens, None if rate == "off" else rate)


def load_settings(flags: Mapping[str, Any] | None = None, *, found_file: bool = True) -> Settings:
    """Read all sources; flags that are None count as not given, and what is empty as not set.

    Without `found_file` the `gmapi.toml` of the current folder does not count: that is for those
    who run a server there. Raises SettingsError with one sentence per mistake.
    """
    problems = _unknown_variables()
    values = {key: value for key, value in (flags or {}).items() if _is_given(key, value)}
    spelling = {key: "--" + key.replace("_", "-") for key in values}
    for alias, field in ENV_ALIASES.items():
        if os.environ.get(alias) and not os.environ.get(ENV_PREFIX + alias):
            values.setdefault(field, os.environ[alias])
            spelling.setdefault(field, alias)
    if "tokens" not in values:
        problems += [f"{name}: {NO_TOKENS}" for name in _empty(ENV_PREFIX + "TOKENS")]
    settings: Settings | None = None
    try:
        from_file = _read_file(found_file)
    except SettingsError as error:
        problems += error.problems
        from_file = {}
    set_otherwise = {name.upper() for name, text in os.environ.items() if text}
    from_file = {
        key: value
        for key, value in from_file.items()
        if _is_given(key, value) and ENV_PREFIX + key.upper() not in set_otherwise
    }
    try:
        settings = Settings(**(from_file | values))
    except ValidationError as error:
        for item in error.errors():
            name = str(item["loc"][0]) if item["loc"] else "gmapi.toml"
            problems.append(f"{_spelling(name, spelling)}: {_explain(name, item)}")
    if problems:
        raise SettingsError(problems)
    assert settings is not None
    return settings.model_copy(update={"data_dir": settings.data_dir.expanduser().absolute()})


def _empty(variable: str) -> list[str]:
    """The names, in whatever case, under which a variable is set to nothing."""
    return [name for name, text in os.environ.items() if name.upper() == variable and not text]


def _unknown_variables() -> list[str]:
    problems = []
    known = {ENV_PREFIX + name.upper() for name in Settings.model_fields}
    known |= {CONFIG_VARIABLE, CLIENT_TOKEN_VARIABLE}
    for name in sorted(os.environ):
        if name.upper().startswith(ENV_PREFIX) and name.upper() not in known:
            close = get_close_matches(name.upper(), known, 1)
            hint = f"; did you mean {close[0]}?" if close else ""
            problems.append(f"{name}: there is no such setting{hint}")
    return problems


def _is_given(key: str, value: Any) -> bool:
    """Empty is not set, but for tokens: nobody is to be let in because a variable was not set."""
    return value is not None and (value != "" or key == "tokens")


def _read_file(found_file: bool) -> dict[str, Any]:
    named = os.environ.get(CONFIG_VARIABLE)
    if not named:
        return read_found() if found_file else {}
    if not Path(named).is_file():
        raise SettingsError([f"{CONFIG_VARIABLE}: there is no file {named}"])
    return read_named(Path(named))


def _spelling(name: str, others: Mapping[str, str]) -> str:
    if name not in Settings.model_fields:
        return f"gmapi.toml: {name}"
    return others.get(name, ENV_PREFIX + name.upper())


def _explain(name: str, item: Any) -> str:
    if name not in Settings.model_fields:
        close = get_close_matches(name, Settings.model_fields, 1)
        return "there is no such setting" + (f"; did you mean {close[0]}?" if close else "")
    text = words_of(item)
    if name == "tokens":  # what was given holds secrets
        return f"{text}. {Settings.model_fields[name].description}"
    given = repr(item["input"])
    if len(given) > VALUE_MAX:
        given = given[:VALUE_MAX] + "..."
    return f"{text} (got {given}). {Settings.model_fields[name].description}"
