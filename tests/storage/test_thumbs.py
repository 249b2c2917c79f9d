"""The thumbnails' cache: what it keeps, what it lets go, and what a damaged disk does to it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from imgsearch.storage.caches.thumbnails import ThumbStore


def webp_of(size_bytes: int, fill: bytes = b"x") -> bytes:
    """Bytes with a true RIFF header."""
    body = b"WEBP" + fill * (size_bytes - 12)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def key_of(number: int) -> str:
    return f"{number:02x}" * 32


def test_a_thumbnail_comes_back_by_content_size_and_recipe(tmp_path: Path):
    store = ThumbStore(tmp_path, "1", 10_000)
    store.put(key_of(1), "small", webp_of(100, b"s"))
    store.put(key_of(1), "large", webp_of(200, b"l"))
    again = ThumbStore(tmp_path, "1", 10_000)
    assert again.get(key_of(1), "small") == webp_of(100, b"s")
    assert again.get(key_of(1), "large") == webp_of(200, b"l")
    assert again.get(key_of(2), "small") is None
    assert ThumbStore(tmp_path, "2", 10_000).get(key_of(1), "small") is None


def test_the_least_recently_used_go_first_and_the_budget_holds_for_both_sizes(tmp_path: Path):
    store = ThumbStore(tmp_path, "1", 1000)
    for number in range(9):
        store.put(key_of(number), "small" if number % 2 else "large", webp_of(100))
        os.utime(store._files.path(store._key(key_of(number), "small" if number % 2 else "large")), ns=(number, number))
    assert store.get(key_of(0), "large") is not None  # now the most recently used
    store.put(key_of(9), "small", webp_of(100))
    store.put(key_of(10), "small", webp_of(100))
    assert sum(path.stat().st_size for path in tmp_path.glob("*/*")) <= 1000
    assert store.get(key_of(0), "large") and store.get(key_of(10), "small")
    assert store.get(key_of(1), "small") is None


@pytest.mark.parametrize("damage", [lambda c: c[:-1], lambda c: b"", lambda c: b"\0" * len(c), lambda c: c[:20]])
def test_a_torn_file_is_as_if_it_were_not_there(tmp_path: Path, damage):
    store = ThumbStore(tmp_path, "1", 1000)
    store.put(key_of(1), "small", webp_of(100))
    (path,) = tmp_path.glob("*/*")
    path.write_bytes(damage(path.read_bytes()))
    assert store.get(key_of(1), "small") is None
    assert not path.exists()


def test_a_disk_that_refuses_costs_nothing_but_the_cache(tmp_path: Path):
    (tmp_path / "thumbs").write_text("a file where the folder should be")
    store = ThumbStore(tmp_path / "thumbs", "1", 1000)
    store.put(key_of(1), "small", webp_of(100))
    assert store.get(key_of(1), "small") is None


def test_many_threads_write_at_once_and_the_budget_holds(tmp_path: Path):
    store = ThumbStore(tmp_path, "1", 2000)
    threads = [
        threading.Thread(
            target=lambda first=first: [store.put(key_of(first + n), "small", webp_of(150)) for n in range(20)]
        )
        for first in (0, 40, 80)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 0 < sum(path.stat().st_size for path in tmp_path.glob("*/*")) <= 2000
    assert not list(tmp_path.glob("*/.draft-*"))
