"""The first tables. Written as SQL so that it never changes when schema.py does."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

_NOW = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now')"

_STATEMENTS = (
    """CREATE TABLE library (
        id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
        format_version INTEGER NOT NULL,
        created_at TEXT NOT NULL,
        model_name TEXT NOT NULL,
        model_fingerprint TEXT NOT NULL,
        model_recipe TEXT NOT NULL,
        model_dtype TEXT NOT NULL,
        query_tokens INTEGER NOT NULL,
        dims INTEGER NOT NULL,
        vector_dtype TEXT NOT NULL,
        next_slot BIGINT NOT NULL,
        generation BIGINT NOT NULL)""",
    """CREATE TABLE roots (
        root_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        path BLOB NOT NULL UNIQUE,
        relative_path BLOB NOT NULL,
        offline BOOLEAN NOT NULL,
        added_at TEXT NOT NULL)""",
    """CREATE TABLE images (
        image_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        content_hash BLOB NOT NULL UNIQUE,
        slot BIGINT NOT NULL UNIQUE,
        perceptual_hash BIGINT NOT NULL,
        width INTEGER NOT NULL,
        height INTEGER NOT NULL,
        format TEXT NOT NULL,
        size_bytes BIGINT NOT NULL,
        taken_at TEXT,
        camera TEXT,
        latitude FLOAT,
        longitude FLOAT,
        orientation INTEGER NOT NULL)""",
    """CREATE TABLE files (
        file_id INTEGER NOT NULL PRIMARY KEY,
        root_id INTEGER NOT NULL REFERENCES roots (root_id),
        relative_path BLOB NOT NULL,
        size_bytes BIGINT NOT NULL,
        mtime_ns BIGINT NOT NULL,
        image_id INTEGER NOT NULL REFERENCES images (image_id),
        UNIQUE (root_id, relative_path))""",
    "CREATE INDEX ix_files_image_id ON files (image_id)",
    """CREATE TABLE deletions (
        image_id INTEGER NOT NULL PRIMARY KEY REFERENCES images (image_id),
        deleted_at TEXT NOT NULL)""",
    """CREATE TABLE failures (
        failure_id INTEGER NOT NULL PRIMARY KEY,
        root_id INTEGER NOT NULL REFERENCES roots (root_id),
        relative_path BLOB NOT NULL,
        stage TEXT NOT NULL,
        reason TEXT NOT NULL,
        transient BOOLEAN NOT NULL,
        size_bytes BIGINT NOT NULL,
        mtime_ns BIGINT NOT NULL,
        failed_at TEXT NOT NULL,
        UNIQUE (root_id, relative_path))""",
    """CREATE TABLE segments (
        segment_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        file_name TEXT NOT NULL UNIQUE,
        first_slot BIGINT NOT NULL UNIQUE,
        scale FLOAT NOT NULL)""",
    """CREATE TABLE batches (
        batch_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        segment_id INTEGER NOT NULL REFERENCES segments (segment_id),
        first_slot BIGINT NOT NULL UNIQUE,
        count INTEGER NOT NULL,
        checksum BIGINT NOT NULL,
        committed_at TEXT NOT NULL)""",
    "CREATE INDEX ix_batches_segment_id ON batches (segment_id)",
    """CREATE TABLE events (
        event_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        kind TEXT NOT NULL,
        data TEXT NOT NULL)""",
    # An image is deleted exactly while no file holds it; the catalog itself sees to that, whoever writes.
    f"""CREATE TRIGGER files_removed AFTER DELETE ON files
        WHEN NOT EXISTS (SELECT 1 FROM files WHERE image_id = OLD.image_id)
        BEGIN INSERT OR IGNORE INTO deletions VALUES (OLD.image_id, {_NOW}); END""",
    """CREATE TRIGGER files_added AFTER INSERT ON files
        BEGIN DELETE FROM deletions WHERE image_id = NEW.image_id; END""",
    """CREATE TRIGGER files_given AFTER UPDATE OF image_id ON files
        BEGIN DELETE FROM deletions WHERE image_id = NEW.image_id; END""",
    f"""CREATE TRIGGER files_taken AFTER UPDATE OF image_id ON files
        WHEN NOT EXISTS (SELECT 1 FROM files WHERE image_id = OLD.image_id)
        BEGIN INSERT OR IGNORE INTO deletions VALUES (OLD.image_id, {_NOW}); END""",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
