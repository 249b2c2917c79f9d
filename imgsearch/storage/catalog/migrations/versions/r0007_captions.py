"""For captions that a generator wrote: one an image, and an index of the words of those that may be searched."""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"

_STATEMENTS = (
    """CREATE TABLE captions (
        image_id INTEGER NOT NULL PRIMARY KEY REFERENCES images (image_id) ON DELETE CASCADE,
        text TEXT NOT NULL,
        probability FLOAT,
        sure BOOLEAN NOT NULL,
        generator TEXT NOT NULL,
        fingerprint TEXT NOT NULL,
        dtype TEXT NOT NULL,
        prompt TEXT NOT NULL,
        settings TEXT NOT NULL,
        made_at TEXT NOT NULL)""",
    # Rows by image id, of sure captions alone; words in the program's own form, as in word_search.
    "CREATE VIRTUAL TABLE caption_search USING fts5 (text, tokenize = 'ascii')",
    "CREATE TRIGGER captions_removed AFTER DELETE ON captions BEGIN "
    "DELETE FROM caption_search WHERE rowid = OLD.image_id; END",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
