"""Catalogs as older programs left them."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_LATER = {
    "0010": tuple(f"DROP TABLE {table}" for table in ("album_images", "albums", "image_marks")),
    "0009": (
        *(
            f"DROP TRIGGER {table}_noted_{event}"
            for table in ("files", "image_words", "captions", "image_texts")
            for event in ("insert", "delete")
        ),
        *(f"DROP TRIGGER {name}" for name in ("images_noted_delete", "images_noted_update", "files_noted_update")),
        *(f"DROP TABLE {table}" for table in ("filter_columns", "changed_images")),
    ),
    "0008": (
        *(f"DROP TABLE {table}" for table in ("beside_slots", "beside")),
        *(f"ALTER TABLE {table} DROP COLUMN beside" for table in ("segments", "snapshots")),
    ),
    "0007": ("DROP TABLE image_texts", "DROP TABLE text_search"),
    "0006": ("DROP TABLE captions", "DROP TABLE caption_search"),
    "0005": (
        "DROP INDEX ix_images_turned",
        *(f"ALTER TABLE images DROP COLUMN {column}" for column in ("decode_recipe", "orientation_source")),
        "ALTER TABLE sidecar_facts DROP COLUMN orientation",
        "ALTER TABLE failures DROP COLUMN decode_recipe",
    ),
    "0003": (
        *(f"DROP TRIGGER {trigger}" for trigger in ("word_search_removed", "sidecars_gone")),
        *(f"DROP TABLE {table}" for table in ("sidecar_facts", "image_words", "word_search", "file_words")),
        *(f"DROP TRIGGER file_words_{event}" for event in ("added", "removed", "changed")),
        *(
            f"ALTER TABLE images DROP COLUMN {column}"
            for column in ("taken_source", "place_source", "rating", "rating_source", "facts_recipe")
        ),
        "DROP INDEX ix_files_sidecars",
        *(f"ALTER TABLE files DROP COLUMN {column}" for column in ("dated_at", "dated_source", "sidecars")),
        # As 0002 made it, with what its triggers need; a word is in it for 0005 to throw away.
        """CREATE VIRTUAL TABLE file_words USING fts5 (
            folder, name, content = '', tokenize = "unicode61 remove_diacritics 2")""",
        "INSERT INTO file_words (rowid, folder, name) VALUES (1, 'stale', 'stale')",
        *(
            f"CREATE TRIGGER file_words_{event} AFTER {what} ON files BEGIN SELECT 1; END"
            for event, what in (("added", "INSERT"), ("removed", "DELETE"), ("changed", "UPDATE OF relative_path"))
        ),
    ),
    "0002": ("DROP TABLE signatures",),
    "0001": (
        *(f"DROP TRIGGER file_words_{event}" for event in ("added", "removed", "changed")),
        *(f"DROP TABLE {table}" for table in ("file_words", "snapshots", "calibration")),
        *(f"DROP INDEX ix_images_{column}" for column in ("taken_at", "latitude")),
    ),
}


def take_back(catalog: Path, revision: str) -> None:
    """Make a catalog one of an older schema."""
    connection = sqlite3.connect(catalog)
    with connection:
        for older, statements in _LATER.items():
            for statement in statements if older >= revision else ():
                connection.execute(statement)
        connection.execute("UPDATE alembic_version SET version_num = ?", (revision,))
    connection.close()
