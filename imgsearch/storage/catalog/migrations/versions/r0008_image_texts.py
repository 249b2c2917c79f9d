"""For words that were read in images: one row an image that was read, and an index of the words of those with any."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"

_STATEMENTS = (
    """CREATE TABLE image_texts (
        image_id INTEGER NOT NULL PRIMARY KEY REFERENCES images (image_id) ON DELETE CASCADE,
        lines TEXT NOT NULL,
        engine TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        made_at TEXT NOT NULL)""",
    # Rows by image id, of images with words alone; words in the program's own form, as in word_search.
    "CREATE VIRTUAL TABLE text_search USING fts5 (text, tokenize = 'ascii')",
    "CREATE TRIGGER image_texts_removed AFTER DELETE ON image_texts BEGIN "
    "DELETE FROM text_search WHERE rowid = OLD.image_id; END",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
