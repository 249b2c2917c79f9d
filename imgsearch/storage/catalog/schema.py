"""The catalog's tables as of the newest migration, and the triggers that maintain ``deletions``.

The migrations make a catalog; a test holds both to the same schema. ``file_words``, the full-text index over ``files``,
``word_search``, the one over words that people wrote, ``caption_search``, over captions, and ``text_search``, over
words read in images, are virtual tables, which SQLAlchemy cannot express: they stand only in migrations 0002, 0004,
0007 and 0008.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

from imgsearch.storage.catalog.collected.tables import collected_tables

metadata = MetaData()
albums, album_images, image_marks = collected_tables(metadata)

library = Table(
    "library",
    metadata,
    Column("id", Integer, primary_key=True),  # always 1
    Column("format_version", Integer, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("model_name", Text, nullable=False),
    Column("model_fingerprint", Text, nullable=False),
    Column("model_recipe", Text, nullable=False),
    Column("model_dtype", Text, nullable=False),
    Column("query_tokens", Integer, nullable=False),
    Column("dims", Integer, nullable=False),
    Column("vector_dtype", Text, nullable=False),
    Column("next_slot", BigInteger, nullable=False),  # never goes down: a slot number is used once
    Column("generation", BigInteger, nullable=False),
)

roots = Table(
    "roots",
    metadata,
    Column("root_id", Integer, primary_key=True),
    Column("path", LargeBinary, nullable=False, unique=True),  # absolute, os.fsencode
    Column("relative_path", LargeBinary, nullable=False),  # from the library's folder, os.fsencode
    Column("offline", Boolean, nullable=False),
    Column("added_at", Text, nullable=False),
    sqlite_autoincrement=True,
)

images = Table(
    "images",
    metadata,
    Column("image_id", Integer, primary_key=True),
    Column("content_hash", LargeBinary, nullable=False, unique=True),  # sha256, 32 bytes
    Column("slot", BigInteger, nullable=False, unique=True),
    Column("perceptual_hash", BigInteger, nullable=False),  # 64 bits, as a signed number
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("format", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("taken_at", Text, index=True),
    Column("camera", Text),
    Column("latitude", Float, index=True),
    Column("longitude", Float),
    Column("orientation", Integer, nullable=False),
    Column("taken_source", Text),  # source of the date: records.DATE_SOURCES; NULL beside a date: EXIF
    Column("place_source", Text),
    Column("rating", Integer),  # -1 (rejected) to 5
    Column("rating_source", Text),
    Column("facts_recipe", Integer, nullable=False, server_default="0"),  # records.FACTS_RECIPE when they were read
    Column("decode_recipe", Integer, nullable=False, server_default="0"),  # records.DECODE_RECIPE, likewise
    Column("orientation_source", Text),  # "file", "sidecar"; NULL: no source, or an older program read the file
    sqlite_autoincrement=True,
)

files = Table(
    "files",
    metadata,
    Column("file_id", Integer, primary_key=True),
    Column("root_id", Integer, ForeignKey("roots.root_id"), nullable=False),
    Column("relative_path", LargeBinary, nullable=False),  # os.fsencode, '' for a single-file root
    Column("size_bytes", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("image_id", Integer, ForeignKey("images.image_id"), nullable=False, index=True),
    Column("dated_at", Text),  # of its sidecar, its name or its time
    Column("dated_source", Text),
    Column("sidecars", BigInteger, nullable=False, server_default="0"),  # digest of those it was read with; 0: none
    UniqueConstraint("root_id", "relative_path"),
)

sidecar_facts = Table(
    "sidecar_facts",
    metadata,
    Column("file_id", Integer, ForeignKey("files.file_id", ondelete="CASCADE"), primary_key=True),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("place_source", Text),
    Column("rating", Integer),
    Column("rating_source", Text),
    Column("orientation", Integer),
)

image_words = Table(
    "image_words",
    metadata,
    Column("word_id", Integer, primary_key=True),
    Column("image_id", Integer, ForeignKey("images.image_id", ondelete="CASCADE"), nullable=False, index=True),
    Column("file_id", Integer, ForeignKey("files.file_id", ondelete="CASCADE"), index=True),  # of a sidecar's words
    Column("kind", Text, nullable=False),  # tag, person, title, caption
    Column("text", Text, nullable=False),
    Column("source", Text, nullable=False),
)

Index("ix_files_sidecars", files.c.root_id, sqlite_where=files.c.sidecars != 0)
Index("ix_images_turned", images.c.image_id, sqlite_where=images.c.orientation_source == "sidecar")

captions = Table(
    "captions",
    metadata,
    Column("image_id", Integer, ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True),
    Column("text", Text, nullable=False),
    Column("probability", Float),  # by the library's own ITM; NULL: not checked
    Column("sure", Boolean, nullable=False),  # whether a search may find it
    Column("generator", Text, nullable=False),  # what it was loaded by
    Column("fingerprint", Text, nullable=False),
    Column("dtype", Text, nullable=False),  # "float32", "bfloat16+int4"
    Column("prompt", Text, nullable=False),
    Column("settings", Text, nullable=False),  # JSON
    Column("made_at", Text, nullable=False),
)

image_texts = Table(
    "image_texts",
    metadata,
    Column("image_id", Integer, ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True),
    Column("lines", Text, nullable=False),  # JSON: see catalog.texts.image_texts; [] where nothing was read
    Column("engine", Text, nullable=False),
    Column("fingerprint", Text, nullable=False),  # of all that decides what the engine reads
    Column("made_at", Text, nullable=False),
)

deletions = Table(
    "deletions",
    metadata,
    Column("image_id", Integer, ForeignKey("images.image_id"), primary_key=True),
    Column("deleted_at", Text, nullable=False),
)

failures = Table(
    "failures",
    metadata,
    Column("failure_id", Integer, primary_key=True),
    Column("root_id", Integer, ForeignKey("roots.root_id"), nullable=False),
    Column("relative_path", LargeBinary, nullable=False),
    Column("stage", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("transient", Boolean, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("mtime_ns", BigInteger, nullable=False),
    Column("failed_at", Text, nullable=False),
    Column("decode_recipe", Integer, nullable=False, server_default="0"),  # records.DECODE_RECIPE of the reader
    UniqueConstraint("root_id", "relative_path"),
)

signatures = Table(
    "signatures",
    metadata,
    Column("image_id", Integer, ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True),
    Column("recipe", Integer, nullable=False),  # records.SIGNATURE_RECIPE when it was made
    Column("data", LargeBinary, nullable=False),  # records.SIGNATURE_BYTES of them
)

segments = Table(
    "segments",
    metadata,
    Column("segment_id", Integer, primary_key=True),
    Column("file_name", Text, nullable=False, unique=True),
    Column("first_slot", BigInteger, nullable=False, unique=True),
    Column("scale", Float, nullable=False),
    Column("beside", Integer, nullable=False, server_default="0"),  # 1: holds vectors of the model beside
    sqlite_autoincrement=True,
)

batches = Table(
    "batches",
    metadata,
    Column("batch_id", Integer, primary_key=True),
    Column("segment_id", Integer, ForeignKey("segments.segment_id"), nullable=False, index=True),
    Column("first_slot", BigInteger, nullable=False, unique=True),
    Column("count", Integer, nullable=False),
    Column("checksum", BigInteger, nullable=False),  # crc32 of the batch's bytes in the segment
    Column("committed_at", Text, nullable=False),
    sqlite_autoincrement=True,
)

events = Table(
    "events",
    metadata,
    Column("event_id", Integer, primary_key=True),
    Column("at", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("data", Text, nullable=False),  # JSON object, ASCII
    sqlite_autoincrement=True,
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("snapshot_id", Integer, primary_key=True),
    Column("file_name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("first_slot", BigInteger, nullable=False),  # covers the slots from here ...
    Column("stop_slot", BigInteger, nullable=False),  # ... to before here
    Column("images", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("checksum", BigInteger, nullable=False),
    Column("created_at", Text, nullable=False),
    Column("beside", Integer, nullable=False, server_default="0"),  # 1: of the vectors of the model beside
    sqlite_autoincrement=True,
)

beside = Table(
    "beside",  # vectors of a second model, of the same pictures: at most one row
    metadata,
    Column("id", Integer, primary_key=True),  # always 1
    Column("made_at", Text, nullable=False),
    Column("former", Integer, nullable=False),  # 1: the library's own before a switch
    Column("model_name", Text, nullable=False),
    Column("model_fingerprint", Text, nullable=False),
    Column("model_recipe", Text, nullable=False),
    Column("model_dtype", Text, nullable=False),
    Column("query_tokens", Integer, nullable=False),
    Column("dims", Integer, nullable=False),
    Column("vector_dtype", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),  # goes up with every commit of its vectors
    Column("calibration", Text),  # JSON
    Column("calibrated_at", Text),
)

beside_slots = Table(
    "beside_slots",
    metadata,
    Column("image_id", Integer, ForeignKey("images.image_id", ondelete="CASCADE"), primary_key=True),
    Column("slot", BigInteger, nullable=False, unique=True),  # numbered together with the library's own
)

calibration = Table(
    "calibration",
    metadata,
    Column("id", Integer, primary_key=True),  # always 1
    Column("data", Text, nullable=False),  # JSON
    Column("created_at", Text, nullable=False),
)

filter_columns = Table(
    "filter_columns",
    metadata,
    Column("id", Integer, primary_key=True),  # always 1
    Column("file_name", Text, nullable=False),  # '' while the first file is being made
    Column("noted_up_to", BigInteger, nullable=False),  # the changes of images up to this id are noted
    Column("checksum", BigInteger, nullable=False),  # of the file's head
    Column("generation", BigInteger, nullable=False),  # the library's when they were read
    Column("last_image_id", BigInteger, nullable=False),  # the highest id then
    Column("images", BigInteger, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
)

changed_images = Table(
    "changed_images",
    metadata,
    Column("image_id", Integer, primary_key=True),
    Column("generation", BigInteger, nullable=False),  # the library's before the change
)
