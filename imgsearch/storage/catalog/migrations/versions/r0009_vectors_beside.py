"""For vectors of a second model beside the library's own: whose they are, which image's lie in which slot, and which
segments and snapshots are theirs."""

from __future__ import annotations

from alembic import op

revision = "0009"
down_revision = "0008"

_STATEMENTS = (
    """CREATE TABLE beside (
        id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
        made_at TEXT NOT NULL,
        former INTEGER NOT NULL,
        model_name TEXT NOT NULL,
        model_fingerprint TEXT NOT NULL,
        model_recipe TEXT NOT NULL,
        model_dtype TEXT NOT NULL,
        query_tokens INTEGER NOT NULL,
        dims INTEGER NOT NULL,
        vector_dtype TEXT NOT NULL,
        generation BIGINT NOT NULL,
        calibration TEXT,
        calibrated_at TEXT)""",
    """CREATE TABLE beside_slots (
        image_id INTEGER NOT NULL PRIMARY KEY REFERENCES images (image_id) ON DELETE CASCADE,
        slot BIGINT NOT NULL UNIQUE)""",
    "ALTER TABLE segments ADD COLUMN beside INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE snapshots ADD COLUMN beside INTEGER NOT NULL DEFAULT 0",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
