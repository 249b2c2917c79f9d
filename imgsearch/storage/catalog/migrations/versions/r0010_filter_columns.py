"""For columns beside the catalog that answer filters: which file holds them, and which images changed since."""

from __future__ import annotations

from alembic import op

revision = "0010"
down_revision = "0009"

# Images that came after the columns were read have higher ids, which are never used twice: they need no note. A row is
# removed and inserted, since the conflict clause of the statement that fires a trigger would replace the trigger's own.
_NOTE = (
    "DELETE FROM changed_images WHERE image_id = {row}.image_id; "
    "INSERT INTO changed_images (image_id, generation) SELECT {row}.image_id, generation FROM library "
    "WHERE {row}.image_id <= (SELECT noted_up_to FROM filter_columns);"
)
_WHEN = "WHEN {row}.image_id <= (SELECT noted_up_to FROM filter_columns)"
_FACTS = ("taken_at", "taken_source", "camera", "format", "width", "height", "latitude", "longitude", "rating")
_PLACE = ("image_id", "root_id", "relative_path")


def _trigger(table: str, event: str, row: str) -> str:
    name = f"{table}_noted_{event.lower()}"
    return f"CREATE TRIGGER {name} AFTER {event} ON {table} {_WHEN.format(row=row)} BEGIN {_NOTE.format(row=row)} END"


def _changed(names: tuple[str, ...]) -> str:
    return " OR ".join(f"NEW.{name} IS NOT OLD.{name}" for name in names)


_TABLES = (
    """CREATE TABLE filter_columns (
        id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
        file_name TEXT NOT NULL,
        noted_up_to BIGINT NOT NULL,
        checksum BIGINT NOT NULL,
        generation BIGINT NOT NULL,
        last_image_id BIGINT NOT NULL,
        images BIGINT NOT NULL,
        size_bytes BIGINT NOT NULL)""",
    "CREATE TABLE changed_images (image_id INTEGER NOT NULL PRIMARY KEY, generation BIGINT NOT NULL)",
)
_NOTED = ("files", "image_words", "captions", "image_texts")
_SQLITE = (
    _trigger("images", "DELETE", "OLD"),
    f"CREATE TRIGGER images_noted_update AFTER UPDATE OF {', '.join(_FACTS)} ON images "
    f"{_WHEN.format(row='OLD')} AND ({_changed(_FACTS)}) BEGIN {_NOTE.format(row='OLD')} END",
    f"CREATE TRIGGER files_noted_update AFTER UPDATE OF {', '.join(_PLACE)} ON files WHEN {_changed(_PLACE)} "
    f"BEGIN {_NOTE.format(row='OLD')} {_NOTE.format(row='NEW')} END",
    *(_trigger(table, event, row) for table in _NOTED for event, row in (("INSERT", "NEW"), ("DELETE", "OLD"))),
)


def _postgres_trigger(table: str, events: str, names: tuple[str, ...] = ()) -> str:
    when = " OR ".join(f"NEW.{name} IS DISTINCT FROM OLD.{name}" for name in names)
    return (
        f"CREATE TRIGGER {table}_noted_{events.partition(' ')[0].lower()} AFTER {events} ON {table} FOR EACH ROW "
        f"{f'WHEN ({when})' if when else ''} EXECUTE FUNCTION imgsearch_noted()"
    )


_POSTGRES = (
    "ALTER TABLE changed_images ALTER COLUMN image_id TYPE bigint",
    """CREATE FUNCTION imgsearch_note(bigint) RETURNS void LANGUAGE sql AS $$
        INSERT INTO changed_images (image_id, generation)
        SELECT $1, generation FROM library WHERE $1 <= (SELECT noted_up_to FROM filter_columns)
        ON CONFLICT (image_id) DO UPDATE SET generation = excluded.generation $$""",
    """CREATE FUNCTION imgsearch_noted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF TG_OP <> 'INSERT' THEN PERFORM imgsearch_note(OLD.image_id); END IF;
        IF TG_OP <> 'DELETE' THEN PERFORM imgsearch_note(NEW.image_id); END IF;
        RETURN NULL; END $$""",
    _postgres_trigger("images", "DELETE"),
    _postgres_trigger("images", f"UPDATE OF {', '.join(_FACTS)}", _FACTS),
    _postgres_trigger("files", f"UPDATE OF {', '.join(_PLACE)}", _PLACE),
    *(_postgres_trigger(table, "INSERT OR DELETE") for table in _NOTED),
)


def upgrade() -> None:
    triggers = _POSTGRES if op.get_bind().dialect.name == "postgresql" else _SQLITE
    for statement in (*_TABLES, *triggers):
        op.execute(statement)
