"""The catalog in SQL: tables, migrations, rows, filters."""
