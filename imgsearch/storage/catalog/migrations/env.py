"""Alembic's entry point. It is run only by imgsearch.storage.catalog.database, which hands over an open connection."""

from __future__ import annotations

from alembic import context

context.configure(connection=context.config.attributes["connection"])
with context.begin_transaction():
    context.run_migrations()
