"""Turns psycopg's errors into the library's own, in this one place."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from imgsearch.errors import CatalogDamaged, CatalogUnreachable, LibraryBusy, LibraryError, LibraryMissing, StorageFull
from imgsearch.extras import needs_extra
from imgsearch.storage.catalog.postgres.address import PASSWORD_VARIABLE
from imgsearch.wording import one_line

with needs_extra("a catalog in PostgreSQL", "postgres"):
    import psycopg

_AGAIN = "nothing of the batch in flight is kept; when the server is there, run the same command again: it goes on"
_START = "start the server, make the database (createdb NAME), or name another address or user with --catalog-url"
_PASSWORD = f"put the password into ~/.pgpass (chmod 600), PGPASSWORD or {PASSWORD_VARIABLE}; or name another user"
_GRANT = (
    "searching works for a role that may read; to write it must own the tables, to make a library it needs CREATE on "
    "the schema: ALTER DATABASE NAME OWNER TO ROLE"
)
_GONE = ("08", "57P01", "57P02", "57P03", "57P05")


@contextlib.contextmanager
def server_errors(shown: str) -> Iterator[None]:
    """Translate errors of the driver and the server while the catalog at ``shown`` is read or written. Broken
    constraints are the caller's errors and stay."""
    try:
        yield
    except psycopg.Error as exc:
        raised = _translated(exc, shown)
        if raised is None:
            raise
        raise raised from exc
    except LibraryError:
        raise
    except Exception as exc:
        below = getattr(exc, "orig", None)  # SQLAlchemy's wrapping
        raised = _translated(below, shown) if isinstance(below, psycopg.Error) else None
        if raised is None:
            raise
        raise raised from exc


def _translated(exc: psycopg.Error, shown: str) -> LibraryError | None:
    state, said = exc.sqlstate or "", _said(exc)
    if isinstance(exc, psycopg.IntegrityError):
        return None
    if not state and isinstance(exc, (psycopg.OperationalError, psycopg.InterfaceError)):
        return _unreached(exc, shown, said)
    if state.startswith(_GONE):
        return CatalogUnreachable(f"the connection to the catalog {shown} was lost: {said}", _AGAIN)
    if state.startswith("28"):
        return CatalogUnreachable(f"the catalog {shown} refused the login: {said}", _PASSWORD)
    if state == "3D000":
        return CatalogUnreachable(f"the database {shown} does not exist: {said}", _START)
    if state in ("42501", "25006"):
        return StorageFull(f"the catalog {shown} cannot be written: {said}", _GRANT)
    if state in ("53100", "53200"):
        return StorageFull(f"the catalog {shown} cannot be written: {said}", "free some space on the server")
    if state in ("53300", "55P03", "57014", "40001", "40P01"):
        return LibraryBusy(f"the catalog {shown} is busy: {said}", "run the same command again in a moment")
    if state in ("XX001", "XX002"):
        return CatalogDamaged(f"the catalog {shown} is damaged: {said}", "restore the database from a backup")
    if state in ("42P01", "3F000"):
        return LibraryMissing(f"the database {shown} holds no finished library: {said}", "restore it from a backup")
    return LibraryError(f"the catalog {shown} refused: {said}", "")


def _unreached(exc: psycopg.Error, shown: str, said: str) -> LibraryError:
    """Without a code of the server: no connection was made, or one was cut. In every language of the server."""
    tried = exc.pgconn
    if tried is not None and (tried.needs_password or tried.used_password):
        return CatalogUnreachable(f"the catalog {shown} refused the login: {said}", _PASSWORD)
    if isinstance(exc, psycopg.errors.ConnectionTimeout) or (tried is not None and not _was_open(exc)):
        return CatalogUnreachable(f"the catalog {shown} cannot be reached: {said}", _START)
    return CatalogUnreachable(f"the connection to the catalog {shown} was lost: {said}", _AGAIN)


def _was_open(exc: psycopg.Error) -> bool:
    return not str(exc).startswith("connection")


def _said(exc: psycopg.Error) -> str:
    """The first line of the server's words; of several hosts that were tried, the last."""
    text = str(exc).strip()
    primary = exc.diag.message_primary
    lines = [line for line in text.splitlines() if line.strip()]
    said = primary or (lines[0] if lines else type(exc).__name__)
    return one_line(said.removeprefix("connection failed: ").removeprefix("connection is bad: "))
