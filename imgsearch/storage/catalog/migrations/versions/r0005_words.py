"""For words in every script: the index of file names holds words that the program has brought into one form."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"

# The functions are the program's (imgsearch.storage.catalog.words), on every connection of the catalog. If what they
# answer changes, a migration has to build the index anew: a row is taken out of it by the words that were put in.
_WORDS = "imgsearch_folder_words({row}.relative_path), imgsearch_name_words({row}.relative_path)"
NAME_WORDS = _WORDS.format(row="files")
# "ascii" takes every letter beyond ASCII for part of a word: with words brought into form it splits at spaces only.
NEW_NAME_INDEX = "CREATE VIRTUAL TABLE file_words USING fts5 (folder, name, content = '', tokenize = 'ascii')"
_ADD = f"INSERT INTO file_words (rowid, folder, name) VALUES (NEW.file_id, {_WORDS.format(row='NEW')});"
_DROP = (
    "INSERT INTO file_words (file_words, rowid, folder, name) "
    f"VALUES ('delete', OLD.file_id, {_WORDS.format(row='OLD')});"
)

_STATEMENTS = (
    *(f"DROP TRIGGER file_words_{event}" for event in ("added", "removed", "changed")),
    "DROP TABLE file_words",
    NEW_NAME_INDEX,
    f"INSERT INTO file_words (rowid, folder, name) SELECT file_id, {NAME_WORDS} FROM files",
    f"CREATE TRIGGER file_words_added AFTER INSERT ON files BEGIN {_ADD} END",
    f"CREATE TRIGGER file_words_removed AFTER DELETE ON files BEGIN {_DROP} END",
    f"CREATE TRIGGER file_words_changed AFTER UPDATE OF relative_path ON files BEGIN {_DROP} {_ADD} END",
)


def upgrade() -> None:
    for statement in _STATEMENTS:
        op.execute(statement)
