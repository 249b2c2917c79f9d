"""A model's fingerprint: sha256 over what decides its answers, and a cache so that 4.7 GB are hashed once.

The cache is one JSON file in the platform's cache folder, keyed by path; an entry counts while size and mtime are
the same. It may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from imgsearch.files import write_whole

_SHA256 = re.compile(r"[0-9a-f]{64}")
_AT_ONCE = 4
_remembering = threading.Lock()
_SMALL_BYTES = 4_000_000  # hashed each time: quicker than looking it up


def cache_file() -> Path:
    """Where digests are remembered."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("imgsearch", appauthor=False)) / "fingerprints.json"


def fingerprint_of(weights: Sequence[Path], companions: Sequence[Path]) -> str:
    """sha256 hex over the digests of the files, in the order given. The files' names do not matter."""
    total = hashlib.sha256()
    paths = (*weights, *companions)
    for digest in _digests(paths) if _unknown(weights) > 1 else map(file_digest, paths):
        total.update(digest.encode())
    return total.hexdigest()


def _digests(paths: Sequence[Path]) -> list[str]:
    """Of several large files at once: hashing lets other threads run."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="hash") as pool:
        return list(pool.map(file_digest, paths))


def _unknown(weights: Sequence[Path]) -> int:
    """Large files that must be read: a thread pays for these alone."""
    return sum(path.stat().st_size > _SMALL_BYTES and recall(path, "sha256") is None for path in weights)


def file_digest(path: Path) -> str:
    """sha256 hex of one file's bytes; remembered for large ones."""
    real = path.resolve()
    # The Hugging Face cache names a large file's blob by its sha256.
    if real.parent.name == "blobs" and _SHA256.fullmatch(real.name):
        return real.name
    if real.stat().st_size <= _SMALL_BYTES:
        return _hash(real)
    known = recall(real, "sha256")
    if isinstance(known, str):
        return known
    digest = _hash(real)
    remember(real, "sha256", digest)
    return digest


def recall(path: Path, fact: str) -> Any:
    """A remembered fact about a file, or None if it is unknown or the file has changed since."""
    entry = _read_cache().get(str(path.resolve()))
    if not isinstance(entry, dict) or entry.get("stamp") != _stamp(path):
        return None
    return entry.get(fact)


def remember(path: Path, fact: str, value: Any) -> None:
    """Keep a fact about a file as it is now. A cache that cannot be written is no error."""
    key, stamp, target = str(path.resolve()), _stamp(path), cache_file()
    with _remembering:
        cache = _read_cache()
        entry = cache.get(key)
        if not isinstance(entry, dict) or entry.get("stamp") != stamp:
            entry = {"stamp": stamp}
        cache[key] = {**entry, fact: value}
        with contextlib.suppress(OSError):
            target.parent.mkdir(parents=True, exist_ok=True)
            write_whole(target, json.dumps(cache).encode(), mode=0o600, durable=False)


def _stamp(path: Path) -> list[int]:
    status = path.resolve().stat()
    return [status.st_size, status.st_mtime_ns]


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_cache() -> dict[str, Any]:
    try:
        cache = json.loads(cache_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return cache if isinstance(cache, dict) else {}
