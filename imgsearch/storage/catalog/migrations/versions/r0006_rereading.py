"""For images that a newer program reads otherwise, orientations that sidecars tell, and names with apostrophes."""

from __future__ import annotations

import sqlite3

from alembic import op

from imgsearch.storage.catalog.facts import index_all_words
from imgsearch.storage.catalog.migrations.versions.r0005_words import NAME_WORDS, NEW_NAME_INDEX

revision = "0006"
down_revision = "0005"

_STATEMENTS = (
    # How the pixels were read, and what told the orientation: "file", "sidecar", NULL for nothing or not known yet.
    "ALTER TABLE images ADD COLUMN decode_recipe INTEGER DEFAULT 0 NOT NULL",
    "ALTER TABLE images ADD COLUMN orientation_source TEXT",
    "CREATE INDEX ix_images_turned ON images (image_id) WHERE orientation_source = 'sidecar'",
    "ALTER TABLE sidecar_facts ADD COLUMN orientation INTEGER",
    # A failure of an older program's reader is tried again once.
    "ALTER TABLE failures ADD COLUMN decode_recipe INTEGER DEFAULT 0 NOT NULL",
    # The form of words changed (see migration 0005): the index of names is made anew.
    "DROP TABLE file_words",
    NEW_NAME_INDEX,
    f"INSERT INTO file_words (rowid, folder, name) SELECT file_id, {NAME_WORDS} FROM files",
    "DELETE FROM word_search",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
    below = op.get_bind().connection.driver_connection
    assert isinstance(below, sqlite3.Connection)
    index_all_words(below)
