"""Alembic runs inside the connection that `schema.upgrade` opened."""

from alembic import context

from gmapi.jobs.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
