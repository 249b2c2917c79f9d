"""For search: a full-text index of file names, indexes for the filters, snapshots, the calibration."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

# The bytes of a path as text: FTS5 takes bytes that are not UTF-8 as they come, and finds the words around them.
_PATH = "CAST({row}.relative_path AS TEXT)"
# Up to the last "/": rtrim takes away every trailing character that is not one.
_FOLDER = "rtrim({path}, replace({path}, '/', ''))"


def _words(row: str) -> str:
    """Folder and name of a file row, as SQL."""
    path = _PATH.format(row=row)
    folder = _FOLDER.format(path=path)
    return f"{folder}, substr({path}, length({folder}) + 1)"


_ADD = f"INSERT INTO file_words (rowid, folder, name) VALUES (NEW.file_id, {_words('NEW')});"
_DROP = f"INSERT INTO file_words (file_words, rowid, folder, name) VALUES ('delete', OLD.file_id, {_words('OLD')});"

_STATEMENTS = (
    """CREATE TABLE snapshots (
        snapshot_id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
        file_name TEXT NOT NULL UNIQUE,
        kind TEXT NOT NULL,
        first_slot BIGINT NOT NULL,
        stop_slot BIGINT NOT NULL,
        images BIGINT NOT NULL,
        size_bytes BIGINT NOT NULL,
        checksum BIGINT NOT NULL,
        created_at TEXT NOT NULL)""",
    """CREATE TABLE calibration (
        id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
        data TEXT NOT NULL,
        created_at TEXT NOT NULL)""",
    "CREATE INDEX ix_images_taken_at ON images (taken_at)",
    "CREATE INDEX ix_images_latitude ON images (latitude)",
    """CREATE VIRTUAL TABLE file_words USING fts5 (
        folder, name, content = '', tokenize = "unicode61 remove_diacritics 2")""",
    f"INSERT INTO file_words (rowid, folder, name) SELECT file_id, {_words('files')} FROM files",
    f"CREATE TRIGGER file_words_added AFTER INSERT ON files BEGIN {_ADD} END",
    f"CREATE TRIGGER file_words_removed AFTER DELETE ON files BEGIN {_DROP} END",
    f"CREATE TRIGGER file_words_changed AFTER UPDATE OF relative_path ON files BEGIN {_DROP} {_ADD} END",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
