"""The catalog in a PostgreSQL database; the library's folder keeps vectors and caches (docs/formats.md)."""
