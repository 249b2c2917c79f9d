"""Access control: the password's hash and the tokens' hashes, kept in the library's folder (``serve.json``).

Only hashes are stored, in a file that only its owner can read; a token is shown once, when it is made. A server reads
the file when it starts."""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from imgsearch.errors import StorageFull, UsageError
from imgsearch.files import write_whole

FILE_NAME = "serve.json"
SHORTEST_PASSWORD = 8  # NIST SP 800-63B, 5.1.1.1
_HINT = "remove it, then set the password anew with `imgsearch serve --set-password`"


@dataclass(frozen=True, slots=True)
class Access:
    """``password_hash``: werkzeug's form of scrypt; None if nobody has to log in. ``token_hashes``: sha256, hex; the
    tokens are 256 random bits, so no slow hash is needed. ``secret_key``, hex, signs session cookies."""

    password_hash: str | None = None
    token_hashes: tuple[str, ...] = ()
    secret_key: str = ""

    def with_password(self, password: str) -> Access:
        """A new password and a new key, so that everybody must log in again. Raises UsageError if it is too short.
        50 ms and 32 MB, the cost of scrypt."""
        from werkzeug.security import generate_password_hash

        if len(password) < SHORTEST_PASSWORD:
            raise UsageError(
                f"got a password of {len(password)} characters, expected {SHORTEST_PASSWORD} or more",
                "a few words are easy to keep in mind",
            )
        return replace(self, password_hash=generate_password_hash(password), secret_key=secrets.token_hex(32))

    def with_new_token(self) -> tuple[Access, str]:
        """The access with one more token, and the token."""
        token = secrets.token_urlsafe(32)
        return replace(self, token_hashes=(*self.token_hashes, hash_token(token))), token


def hash_token(token: str) -> str:
    """sha256 in hex."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def knows_token(token_hashes: tuple[str, ...], token: str) -> bool:
    """Whether ``token`` is one of those; the time does not reveal how nearly."""
    found = hash_token(token)
    return any(hmac.compare_digest(found, known) for known in token_hashes)


def read_access(library: Path) -> Access:
    """Reads the library's folder; makes a new key if there is none. Raises UsageError for a damaged file."""
    path = library / FILE_NAME
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        found = Access(fields["password_hash"], tuple(fields["token_hashes"]), fields["secret_key"])
        texts = (*found.token_hashes, found.secret_key, found.password_hash or "")
        if not all(isinstance(text, str) for text in texts) or len(bytes.fromhex(found.secret_key)) < 32:
            raise ValueError("a field is of another kind")
    except FileNotFoundError:
        return Access(secret_key=secrets.token_hex(32))
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise UsageError(f"{path} cannot be read: {exc}", _HINT) from exc
    return found


def write_access(library: Path, access: Access) -> None:
    """Replace the file as a whole, readable only by its owner. Raises StorageFull if the folder takes no file."""
    path = library / FILE_NAME
    try:
        write_whole(path, json.dumps(asdict(access), indent=1).encode(), mode=0o600)
    except OSError as exc:
        raise StorageFull(f"{path} cannot be written: {exc}", "free space, or make the folder writable") from exc
