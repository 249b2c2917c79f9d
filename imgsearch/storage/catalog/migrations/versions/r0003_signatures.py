"""For dedup: a signature of each image, to compare two without reading their files again."""

from __future__ import annotations

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.execute(
        """CREATE TABLE signatures (
        image_id INTEGER NOT NULL PRIMARY KEY REFERENCES images (image_id) ON DELETE CASCADE,
        recipe INTEGER NOT NULL,
        data BLOB NOT NULL)"""
    )
