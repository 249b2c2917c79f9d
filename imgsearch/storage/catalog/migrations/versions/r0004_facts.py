"""For facts: where dates and places come from, ratings, what sidecars say, words people wrote and an index of them."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"

_STATEMENTS = (
    # What told the date, the place and the rating; NULL beside a date or a place of an older program: EXIF.
    "ALTER TABLE images ADD COLUMN taken_source TEXT",
    "ALTER TABLE images ADD COLUMN place_source TEXT",
    "ALTER TABLE images ADD COLUMN rating INTEGER",
    "ALTER TABLE images ADD COLUMN rating_source TEXT",
    "ALTER TABLE images ADD COLUMN facts_recipe INTEGER DEFAULT 0 NOT NULL",
    # Of a file: the date that its sidecar, its name or its time tell, and a digest of the sidecars it was read with.
    "ALTER TABLE files ADD COLUMN dated_at TEXT",
    "ALTER TABLE files ADD COLUMN dated_source TEXT",
    "ALTER TABLE files ADD COLUMN sidecars BIGINT DEFAULT 0 NOT NULL",
    "CREATE INDEX ix_files_sidecars ON files (root_id) WHERE sidecars <> 0",
    """CREATE TABLE sidecar_facts (
        file_id INTEGER NOT NULL PRIMARY KEY REFERENCES files (file_id) ON DELETE CASCADE,
        latitude FLOAT,
        longitude FLOAT,
        place_source TEXT,
        rating INTEGER,
        rating_source TEXT)""",
    """CREATE TABLE image_words (
        word_id INTEGER NOT NULL PRIMARY KEY,
        image_id INTEGER NOT NULL REFERENCES images (image_id) ON DELETE CASCADE,
        file_id INTEGER REFERENCES files (file_id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        text TEXT NOT NULL,
        source TEXT NOT NULL)""",
    "CREATE INDEX ix_image_words_image_id ON image_words (image_id)",
    "CREATE INDEX ix_image_words_file_id ON image_words (file_id)",
    # Its rows, by image id, are words in the program's own form (imgsearch.wordforms): "ascii" splits at spaces only.
    "CREATE VIRTUAL TABLE word_search USING fts5 (tags, texts, tokenize = 'ascii')",
    # A file that is placed anew holds something else, perhaps: what its sidecars said is read again.
    """CREATE TRIGGER sidecars_gone AFTER UPDATE OF sidecars ON files WHEN NEW.sidecars = 0 AND OLD.sidecars <> 0
        BEGIN DELETE FROM sidecar_facts WHERE file_id = OLD.file_id;
        DELETE FROM image_words WHERE file_id = OLD.file_id; END""",
    "CREATE TRIGGER word_search_removed AFTER DELETE ON images BEGIN "
    "DELETE FROM word_search WHERE rowid = OLD.image_id; END",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
