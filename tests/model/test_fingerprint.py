from __future__ import annotations

import hashlib
import os

import pytest

from imgsearch.model.checkpoints import fingerprint


@pytest.fixture
def hashed(monkeypatch):
    """Counts how often bytes are really hashed; every file counts as large."""
    calls = []
    real = fingerprint._hash
    monkeypatch.setattr(fingerprint, "_SMALL_BYTES", -1)
    monkeypatch.setattr(fingerprint, "_hash", lambda path: calls.append(path) or real(path))
    return calls


def test_a_large_file_is_hashed_once(tmp_path, hashed):
    path = tmp_path / "weights"
    path.write_bytes(b"abc")
    expected = hashlib.sha256(b"abc").hexdigest()
    assert [fingerprint.file_digest(path) for _ in range(3)] == [expected] * 3
    assert len(hashed) == 1


def test_a_changed_file_is_hashed_again(tmp_path, hashed):
    path = tmp_path / "weights"
    path.write_bytes(b"abc")
    first = fingerprint.file_digest(path)
    path.write_bytes(b"abd")
    os.utime(path, ns=(1, 1))
    assert fingerprint.file_digest(path) != first
    assert len(hashed) == 2


def test_a_damaged_or_unwritable_cache_is_no_error(tmp_path, hashed, monkeypatch):
    path = tmp_path / "weights"
    path.write_bytes(b"abc")
    fingerprint.cache_file().parent.mkdir(parents=True)
    fingerprint.cache_file().write_text("[")
    assert fingerprint.file_digest(path) == hashlib.sha256(b"abc").hexdigest()
    monkeypatch.setattr(fingerprint, "cache_file", lambda: path / "below-a-file" / "cache.json")
    assert fingerprint.file_digest(path) == hashlib.sha256(b"abc").hexdigest()
    assert len(hashed) == 2


def test_a_blob_of_the_hugging_face_cache_is_named_by_its_digest(tmp_path, hashed):
    blob = tmp_path / "blobs" / ("ab" * 32)
    blob.parent.mkdir()
    blob.write_bytes(b"x")
    link = tmp_path / "model.safetensors"
    link.symlink_to(blob)
    assert fingerprint.file_digest(link) == "ab" * 32
    assert not hashed


def test_the_fingerprint_tells_files_and_their_order_apart(tmp_path):
    one, other = tmp_path / "a", tmp_path / "b"
    one.write_bytes(b"1")
    other.write_bytes(b"2")
    assert fingerprint.fingerprint_of([one], [other]) != fingerprint.fingerprint_of([other], [one])
    assert fingerprint.fingerprint_of([one, other], []) == fingerprint.fingerprint_of([one], [other])


def test_several_large_files_are_hashed_side_by_side_and_remembered(tmp_path, hashed):
    shards = [tmp_path / f"shard-{number}" for number in range(6)]
    for number, shard in enumerate(shards):
        shard.write_bytes(bytes([number]) * 1000)
    digests = [hashlib.sha256(shard.read_bytes()).hexdigest() for shard in shards]
    whole = hashlib.sha256("".join(digests).encode()).hexdigest()
    assert fingerprint.fingerprint_of(shards, []) == fingerprint.fingerprint_of(shards, []) == whole
    assert len(hashed) == 6 and [fingerprint.recall(shard, "sha256") for shard in shards] == digests
