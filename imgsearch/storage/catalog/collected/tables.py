"""The tables of albums and marks. Their rows name an image by its content, not by its id: they outlive its row."""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, MetaData, Table, Text


def collected_tables(metadata: MetaData) -> tuple[Table, Table, Table]:
    """albums, album_images and image_marks. ``handed_from``: the content whose file dedup moved away, by which this one
    came to the row; NULL where a person gave it."""
    albums = Table(
        "albums",
        metadata,
        Column("album_id", Text, primary_key=True),  # 16 hexadecimal digits, by chance
        Column("name", Text, nullable=False),
        Column("name_key", Text, nullable=False),  # see albums.name_key
        Column("name_folded", Text, nullable=False),
        Column("made_at", Text, nullable=False),
        Column("removed_at", Text),  # NULL: not removed
    )
    Index("ix_albums_name_key", albums.c.name_key, unique=True, sqlite_where=albums.c.removed_at.is_(None))
    album_images = Table(
        "album_images",
        metadata,
        Column("album_id", Text, ForeignKey("albums.album_id", ondelete="CASCADE"), primary_key=True),
        Column("content_hash", LargeBinary, primary_key=True, index=True),
        Column("added_at", Text, nullable=False),
        Column("handed_from", LargeBinary),
    )
    image_marks = Table(
        "image_marks",
        metadata,
        Column("mark", Text, primary_key=True),  # one of marks.MARKS
        Column("content_hash", LargeBinary, primary_key=True, index=True),
        Column("made_at", Text, nullable=False),
        Column("handed_from", LargeBinary),
    )
    return albums, album_images, image_marks
