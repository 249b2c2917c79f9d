"""Where a library's catalog is, if it is not in the library's folder: an address, and the small file that remembers
it."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit

from imgsearch.errors import LibraryError, LibraryUnsupported, UsageError
from imgsearch.files import write_whole
from imgsearch.storage.disk_errors import disk_errors
from imgsearch.wording import one_line

PASSWORD_VARIABLE = "IMGSEARCH_CATALOG_PASSWORD"
SCHEMES = ("postgresql+psycopg", "postgresql", "postgres")
_EXAMPLE = "for example --catalog-url postgresql+psycopg://me@db.example/photos"
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class CatalogAddress:
    """``url`` as libpq takes it and without a password; ``password`` None leaves it to libpq (~/.pgpass)."""

    url: str
    password: str | None = None

    @property
    def shown(self) -> str:
        return self.url

    @property
    def whole(self) -> str:
        """The address with its password, if that was given in it."""
        if self.password is None:
            return self.url
        return f"{self.url}{'&' if '?' in self.url else '?'}password={quote(self.password, safe='')}"

    def secret(self) -> str | None:
        """The password to connect with: of the address, else of the environment."""
        return self.password or os.environ.get(PASSWORD_VARIABLE) or None


def parse_address(text: str) -> CatalogAddress:
    """Take an address apart. Raises UsageError for what is none; the message never holds the password."""
    try:
        parts = urlsplit(text.strip())
        query = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
        user, at, host = parts.netloc.rpartition("@")
        name, _, inside = user.partition(":")
    except ValueError as exc:
        raise UsageError(f"the catalog's address cannot be read: {_reason(exc)}", _EXAMPLE) from exc
    if parts.scheme not in SCHEMES or "://" not in text:
        got = f"begins with {one_line(parts.scheme)}://" if "://" in text else "is no address"
        raise UsageError(f"the catalog's address {got}, expected postgresql+psycopg://USER@HOST/DATABASE", _EXAMPLE)
    database = parts.path.lstrip("/")
    named = dict(query)
    if not database and "dbname" not in named and "service" not in named:
        raise UsageError("the catalog's address names no database", _EXAMPLE)
    password = unquote(inside) or named.get("password") or None
    kept = urlencode([pair for pair in query if pair[0] != "password"], safe="/", quote_via=quote)
    bare = SplitResult("postgresql", f"{name}{at}{host}", parts.path or "/", kept, "")
    return CatalogAddress(_joined(bare), password)


@dataclass(frozen=True, slots=True)
class RememberedCatalog:
    """What ``catalog.json`` in a library's folder holds. The same ``library_id`` is in the database, so that no folder
    is taken for another one's. ``instead_of_file``: a ``catalog.db`` beside it counts no more (a move between the two
    was killed); without it both together are refused."""

    url: str
    library_id: str
    instead_of_file: bool = False

    @staticmethod
    def new(address: CatalogAddress) -> RememberedCatalog:
        return RememberedCatalog(address.url, secrets.token_hex(16))

    @staticmethod
    def load(path: Path) -> RememberedCatalog:
        """Raises LibraryUnsupported (a newer format), LibraryError (no such file's content), StorageFull."""
        with disk_errors(path):
            content = path.read_bytes()
        try:
            values = json.loads(content)
            version, url, library_id = int(values["format"]), str(values["url"]), str(values["library_id"])
            instead = bool(values.get("instead_of_file", False))
        except (ValueError, KeyError, TypeError) as exc:
            raise LibraryError(
                f"{path} does not say where the catalog is", "put it back from a backup of the library's folder"
            ) from exc
        if version > _FORMAT:
            raise LibraryUnsupported(
                f"{path} has format {version}, this program reads {_FORMAT}", "install a newer imgsearch"
            )
        return RememberedCatalog(url, library_id, instead)

    def save(self, path: Path) -> None:
        """Raises StorageFull."""
        values: dict[str, object] = {"format": _FORMAT, "url": self.url, "library_id": self.library_id}
        if self.instead_of_file:
            values["instead_of_file"] = True
        with disk_errors(path):
            write_whole(path, (json.dumps(values, indent=2) + "\n").encode("ascii"))


def _joined(parts: SplitResult) -> str:
    """Like `urlunsplit`, which leaves out the empty host of "postgresql:///photos?host=/run/postgresql"."""
    return f"{parts.scheme}://{parts.netloc}{parts.path}{'?' if parts.query else ''}{parts.query}"


def _reason(exc: ValueError) -> str:
    """Python's own words, unless they repeat the address."""
    return "a part of its query has no value" if "query" in str(exc) else "it is not written like one"
