"""Databases as older versions left them."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy.engine import Engine

from gmapi.jobs import schema
from gmapi.jobs.database import write

FIRST = "0001"


def migrate(engine: Engine, revision: str) -> None:
    """Run the migrations up to `revision`."""
    config = Config()
    config.set_main_option("script_location", str(Path(schema.__file__).parent / "migrations"))
    with write(engine) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
