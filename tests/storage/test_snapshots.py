"""Publishing: killed, full, damaged or raced, a library has the old snapshot or the new one, and says which."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import struct
import zlib

import pytest

from imgsearch import files
from imgsearch.errors import LibraryError, LibraryUnsupported, SegmentDamaged, StorageFull
from imgsearch.storage import create_store, latest_snapshot, open_store, snapshots, verify
from imgsearch.storage.snapshots import Seal, check_body, draft_snapshot, model_key, publish_snapshot, read_seal

STEPS = [step for step in files.STEPS if step.startswith("snapshot")]


def publish(store, body: bytes, stop_slot: int = 7):
    with draft_snapshot(store) as draft:
        draft.write(body[:3])
        draft.write(body[3:])
        guarded = len(body) // 2
        seal = Seal(
            kind="test",
            model=model_key(store.model),
            query_tokens=store.model.query_tokens,
            dims=store.model.dims,
            first_slot=0,
            stop_slot=stop_slot,
            images=5,
            generation=store.generation(),
            body_bytes=draft.body_bytes,
            checksum=draft.checksum,
            guarded_bytes=guarded,
            guarded_checksum=draft.checksum_of_beginning(guarded),
        )
        draft.seal(seal)
        return publish_snapshot(store, draft, seal)


def names(store) -> list[str]:
    return sorted(path.name for path in store.layout.snapshots.iterdir())


def test_snapshot_is_found_with_its_seal_and_replaces_the_one_before(store):
    assert latest_snapshot(store) is None
    before = store.generation()
    first = publish(store, b"first body")
    assert store.generation() > before  # open searchers look again
    assert (first.first_slot, first.stop_slot, first.images, first.kind) == (0, 7, 5, "test")
    assert first.path.read_bytes().startswith(b"first body")
    assert first.checksum == zlib.crc32(b"first body")
    seal = read_seal(first)
    assert (seal.body_bytes, seal.guarded_bytes) == (10, 5)
    with first.path.open("rb") as reader:
        second = publish(store, b"second body", 9)
        assert reader.read().startswith(b"first body")  # who holds the old file goes on
    assert latest_snapshot(store) == second
    assert names(store) == [second.path.name]
    assert check_body(second)


@pytest.mark.parametrize("step", STEPS)
def test_kill_at_any_step_leaves_the_old_or_the_new_snapshot(step, kit, tmp_path):
    with create_store(tmp_path / "library", kit.model) as store:
        publish(store, b"the old body")
    child = os.fork()
    if child == 0:
        try:
            files._crash_at, files._remaining = step, 1
            with open_store(tmp_path / "library") as inside:
                publish(inside, b"the new body", 8)
        finally:
            os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    with open_store(tmp_path / "library") as store:
        info = latest_snapshot(store)
        committed = step in ("snapshot-committed", "snapshot-unlinked")
        assert info is not None and read_seal(info).stop_slot == (8 if committed else 7)
        assert check_body(info)
        assert info.path.read_bytes().startswith(b"the new body" if committed else b"the old body")
        newest = publish(store, b"the next body", 9)
        assert names(store) == [newest.path.name]  # whatever the killed build left is gone


def test_full_disk_while_writing_leaves_the_old_snapshot(store, monkeypatch):
    old = publish(store, b"old")

    class Full:
        def write(self, content: bytes) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageFull, match="no space"), draft_snapshot(store) as draft:
        monkeypatch.setattr(draft, "_file", Full())
        draft.write(b"new")
    assert latest_snapshot(store) == old
    assert names(store) == [old.path.name]


def test_full_disk_at_the_seal_leaves_the_old_snapshot(store, monkeypatch):
    old = publish(store, b"old")

    def refuse(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched, pytest.raises(StorageFull):
        patched.setattr(snapshots.os, "fsync", refuse)
        publish(store, b"new", 9)
    assert latest_snapshot(store) == old
    assert names(store) == [old.path.name]


def test_every_changed_byte_that_steers_a_reader_is_noticed(store):
    info = publish(store, bytes(range(200)))
    whole = info.path.read_bytes()
    unguarded = range(100, 200)
    for at in range(len(whole)):
        changed = bytearray(whole)
        changed[at] ^= 0x10
        info.path.write_bytes(changed)
        if at in unguarded:  # codes and ids: a candidate at worst; `verify` finds it
            assert read_seal(info).stop_slot == 7
            assert not check_body(info)
        else:
            with pytest.raises(LibraryError) as caught:
                read_seal(info)
            assert "imgsearch build" in caught.value.hint
    info.path.write_bytes(whole)
    assert read_seal(info) and check_body(info)


def test_cut_emptied_lengthened_and_missing_files_are_damage(store):
    info = publish(store, b"a body of some length")
    whole = info.path.read_bytes()
    for content in (b"", whole[:-1], whole[:10], whole + b"x", whole[1:], b"\0" * len(whole)):
        info.path.write_bytes(content)
        with pytest.raises(SegmentDamaged, match="damaged or cut short"):
            read_seal(info)
    info.path.unlink()
    with pytest.raises(SegmentDamaged, match="missing"):
        read_seal(info)
    info.path.mkdir()
    with pytest.raises(SegmentDamaged, match="cannot be read"):
        read_seal(info)


def test_newer_format_and_another_model_are_refused(store):
    info = publish(store, b"body")
    other = dataclasses.replace(store.model, fingerprint="cd" * 32)
    with pytest.raises(LibraryError, match="another model"):
        read_seal(dataclasses.replace(info, model=other))
    whole = bytearray(info.path.read_bytes())
    struct.pack_into("<I", whole, len(whole) - 12, 99)
    info.path.write_bytes(whole)
    with pytest.raises(LibraryUnsupported, match="format 99"):
        read_seal(info)


def test_seal_with_fields_of_a_later_program_is_read(store):
    info = publish(store, b"body")
    whole = info.path.read_bytes()
    length = struct.unpack_from("<I", whole, len(whole) - 8)[0]
    text = json.dumps(json.loads(whole[-20 - length : -20]) | {"later": 1}).encode()
    footer = struct.pack("<8sIII", b"IMGSNAP\n", 1, len(text), zlib.crc32(text))
    info.path.write_bytes(whole[: -20 - length] + text + footer)
    assert read_seal(dataclasses.replace(info, size_bytes=info.path.stat().st_size)).stop_slot == 7


def test_draft_of_a_living_build_is_left_alone_and_of_a_dead_one_removed(store):
    living = store.layout.snapshots / f".building-{os.getppid()}"
    dead = store.layout.snapshots / ".building-999999999"
    living.touch()
    dead.touch()
    info = publish(store, b"body")
    assert names(store) == [living.name, info.path.name]


def test_verify_reads_every_byte_of_the_snapshot(store):
    info = publish(store, bytes(range(200)))
    assert verify(store) == []
    whole = bytearray(info.path.read_bytes())
    whole[150] ^= 1
    info.path.write_bytes(whole)
    (problem,) = verify(store)
    assert (problem.kind, problem.subject) == ("snapshot", info.path.name)
    assert "imgsearch build --force" in problem.detail
    info.path.unlink()
    assert [found.kind for found in verify(store)] == ["snapshot"]
