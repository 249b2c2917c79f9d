"""For albums, favourites and hidden images. Their rows name contents, so that they outlive the rows of images."""

from __future__ import annotations

from alembic import op

revision = "0011"
down_revision = "0010"

_STATEMENTS = (
    """CREATE TABLE albums (
        album_id {text} NOT NULL PRIMARY KEY,
        name {text} NOT NULL,
        name_key {text} NOT NULL,
        name_folded {text} NOT NULL,
        made_at {text} NOT NULL,
        removed_at {text})""",
    "CREATE UNIQUE INDEX ix_albums_name_key ON albums (name_key) WHERE removed_at IS NULL",
    """CREATE TABLE album_images (
        album_id {text} NOT NULL REFERENCES albums (album_id) ON DELETE CASCADE,
        content_hash {bytes} NOT NULL,
        added_at {text} NOT NULL,
        handed_from {bytes},
        PRIMARY KEY (album_id, content_hash))""",
    "CREATE INDEX ix_album_images_content_hash ON album_images (content_hash)",
    """CREATE TABLE image_marks (
        mark {text} NOT NULL,
        content_hash {bytes} NOT NULL,
        made_at {text} NOT NULL,
        handed_from {bytes},
        PRIMARY KEY (mark, content_hash))""",
    "CREATE INDEX ix_image_marks_content_hash ON image_marks (content_hash)",
)
_TYPES = {"sqlite": {"text": "TEXT", "bytes": "BLOB"}, "postgresql": {"text": 'text COLLATE "C"', "bytes": "bytea"}}


def upgrade() -> None:
    types = _TYPES[op.get_bind().dialect.name]
    for statement in _STATEMENTS:
        op.execute(statement.format(**types))
