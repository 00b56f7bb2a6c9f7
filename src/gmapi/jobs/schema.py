"""The tables, and how a database is brought to their newest form."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Engine

from gmapi.errors import SettingsError
from gmapi.jobs.database import read, write

metadata = sa.MetaData()

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(32), nullable=False, unique=True),
    sa.Column("tool", sa.String(32), nullable=False),
    sa.Column("request", sa.JSON, nullable=False),
    # The hash of tool and request while the job can be joined; unique, so two cannot run at once.
    sa.Column("key", sa.String(64), unique=True),
    sa.Column("client", sa.String(64), nullable=False),
    sa.Column("priority", sa.Integer, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("crashes", sa.Integer, nullable=False),
    sa.Column("owner", sa.String(80)),
    sa.Column("lease_until", sa.Float),
    sa.Column("file_id", sa.String(32), index=True),
    sa.Column("progress", sa.Float, nullable=False),
    sa.Column("eta", sa.Float),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("error", sa.Text),
    sa.Column("error_code", sa.String(40)),
    sa.Column("result", sa.JSON, nullable=False),
    sa.Column("created", sa.Float, nullable=False),
    sa.Column("run_after", sa.Float, nullable=False),
    sa.Column("started", sa.Float),
    sa.Column("finished", sa.Float),
    sa.Column("accessed", sa.Float),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Index("jobs_state", "state", "priority", "seq"),
    sa.Index("jobs_finished", "finished"),
)

# Who shares a job. `client` is what limits and turns go by, `caller` who may list and cancel it.
job_clients = sa.Table(
    "job_clients",
    metadata,
    # Grows with each request: the order in which a client has asked for its jobs.
    sa.Column("seq", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column(
        "job_id", sa.String(32), sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False
    ),
    sa.Column("caller", sa.String(64), nullable=False),
    sa.Column("client", sa.String(64), nullable=False),
    sa.Column("label", sa.String(200)),
    sa.Column("created", sa.Float, nullable=False),
    # When the caller took its request back, while others go on with theirs.
    sa.Column("withdrawn", sa.Float),
    # When the job ended that the caller had been waiting for.
    sa.Column("ended", sa.Float),
    sa.Index("job_clients_job", "job_id", "caller", unique=True),
    sa.Index("job_clients_caller", "caller", "job_id"),
    sa.Index("job_clients_client", "client", "ended"),
)

job_logs = sa.Table(
    "job_logs",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("job_id", sa.String(32), nullable=False),
    sa.Column("time", sa.Float, nullable=False),
    sa.Column("line", sa.Text, nullable=False),
    sa.Index("job_logs_job", "job_id", "id"),
    sqlite_autoincrement=True,
)

workers = sa.Table(
    "workers",
    metadata,
    sa.Column("id", sa.String(80), primary_key=True),
    sa.Column("pid", sa.Integer, nullable=False),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("started", sa.Float, nullable=False),
    sa.Column("seen", sa.Float, nullable=False),
    sa.Column("job_id", sa.String(32)),
    sa.Column("info", sa.JSON, nullable=False),
)

leaders = sa.Table(
    "leaders",
    metadata,
    sa.Column("name", sa.String(32), primary_key=True),
    sa.Column("owner", sa.String(80), nullable=False),
    sa.Column("until", sa.Float, nullable=False),
)

rate_buckets = sa.Table(
    "rate_buckets",
    metadata,
    sa.Column("client", sa.String(64), primary_key=True),
    # How many submissions were left to the client at the time `updated`.
    sa.Column("level", sa.Float, nullable=False),
    sa.Column("updated", sa.Float, nullable=False, index=True),
)

clocks = sa.Table(
    "clocks",
    metadata,
    # Which start of which machine: its steady clock counts from there.
    sa.Column("boot", sa.String(80), primary_key=True),
    # Seconds that the wall clock was ahead of the steady one when the times of jobs were right.
    sa.Column("ahead", sa.Float, nullable=False),
)

# Alembic's own, hence apart from the others.
alembic_version = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

HEAD = "0004"
"""The newest migration; a test compares it with the files in `migrations/versions`."""


def upgrade(engine: Engine) -> None:
    """Bring the database to `HEAD`. Cheap when it is there already.

    Several processes may do it at once: the others wait for the first. Either all of it is done
    or nothing. Raises SettingsError when the database is newer than this program, or is none.
    """
    try:
        if _revision(engine) is None:
            _create(engine)
        if _revision(engine) == HEAD:
            return
    except sa.exc.DatabaseError as error:
        raise SettingsError(
            [f"GMAPI_DATA_DIR: its database cannot be used: {error.orig}"]
        ) from error
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    # Alembic looks at the revision again inside the transaction, which holds the write lock.
    with write(engine) as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise SettingsError(
                [
                    "GMAPI_DATA_DIR: its database was made by a newer version of this program; "
                    "use that version or another data folder"
                ]
            ) from error


def _create(engine: Engine) -> None:
    """Make a new database as the migrations would, without Alembic, which is slow to load."""
    with write(engine) as connection:
        if not sa.inspect(connection).has_table(alembic_version.name):
            metadata.create_all(connection, checkfirst=False)
            alembic_version.create(connection)
            connection.execute(sa.insert(alembic_version).values(version_num=HEAD))


def _revision(engine: Engine) -> str | None:
    with read(engine) as connection:
        if not sa.inspect(connection).has_table(alembic_version.name):
            return None
        return connection.execute(sa.select(alembic_version.c.version_num)).scalar()
