"""Vectors of a second model: made beside the library's own, exchanged with them, removed; killed at every step."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from both_catalogs import BOTH, only_sqlite
from test_crash import killed

from imgsearch import files
from imgsearch.errors import LibraryError, ModelMismatch, UsageError
from imgsearch.storage import compact, create_store, open_store, repair, verify, writing
from imgsearch.storage.beside import add_beside, begin_beside, missing_beside, store_beside, vectors_beside
from imgsearch.storage.snapshots import Seal, draft_snapshot, latest_snapshot, model_key, publish_snapshot
from imgsearch.storage.upkeep.switching import forget_vectors, switch_vectors
from imgsearch.storage.vectors import segment_store

CATALOG_KINDS = BOTH
TOKENS, DIMS = 3, 2  # other than the library's 2 x 4, and half as many bytes and more


def new_vectors(image_id: int) -> np.ndarray:
    return (np.arange(TOKENS * DIMS, dtype=np.float32).reshape(TOKENS, DIMS) - image_id) / 512


@pytest.fixture
def new_model(kit):
    return dataclasses.replace(
        kit.model, name="tuned", fingerprint="ef" * 32, recipe="v1-224", query_tokens=TOKENS, dims=DIMS
    )


@pytest.fixture
def root_id(store, kit, photos, monkeypatch):
    monkeypatch.setattr(segment_store, "MAX_SLOTS", 3)
    for numbers in ([1, 2, 3], [4, 5, 6]):
        root_id = kit.fill(store, photos, numbers)
    return root_id


def make_all(store, model) -> int:
    """What `imgsearch index --beside` does, three images a commit."""
    beside = begin_beside(store, model)
    ids, made = list(missing_beside(beside)), 0
    for at in range(0, len(ids), 3):
        made += add_beside(beside, {image_id: new_vectors(image_id) for image_id in ids[at : at + 3]})
    return made


def vectors_by_image(store) -> dict[int, bytes]:
    view = store.view()
    return {
        int(image): view.read(np.array([slot]))[0].tobytes()
        for slot, image in zip(view.live_slots, view.image_ids, strict=True)
    }


def expected_new(image_ids) -> dict[int, bytes]:
    return {image_id: new_vectors(image_id).astype(np.float16).astype(np.float32).tobytes() for image_id in image_ids}


@only_sqlite
def test_vectors_are_made_beside_while_the_library_stays_as_it_was(store, kit, root_id, new_model):
    before, view = kit.content(store), store.view()
    assert make_all(store, new_model) == 6
    assert kit.content(store) == before
    assert not view.changed(), "searches need not open the library again"
    beside = store_beside(store)
    assert vectors_by_image(beside) == expected_new(range(1, 7))
    assert (vectors_beside(store).images, vectors_beside(store).missing) == (6, 0)
    assert verify(store) == []
    stats = store.stats()
    assert (stats.images, stats.beside.vector_bytes) == (6, 2 * 4096 + 6 * TOKENS * DIMS * 2)
    assert make_all(store, new_model) == 0, "nothing is made twice"


def test_switch_exchanges_both_and_back_returns_to_the_bit(store, kit, root_id, new_model):
    before = kit.content(store)
    with writing(store) as writer:
        writer.set_calibration('{"of": "the old"}')
    make_all(store, new_model)
    old_view = store.view()
    done = switch_vectors(store)
    assert (done.before.name, done.now.name, done.dropped) == ("mini", "tuned", 0)
    with open_store(store.path) as opened:
        assert (opened.model, opened.calibration()) == (new_model, None)
        assert vectors_by_image(opened) == expected_new(range(1, 7))
        assert vectors_beside(opened).former
        assert verify(opened) == []
        with pytest.raises(UsageError, match="--back"):
            switch_vectors(opened)
    assert old_view.changed()
    assert kit.content(store) == before, "a store of the former model goes on reading its vectors"
    assert store.calibration() == '{"of": "the old"}'
    switch_vectors(store, back=True)
    with open_store(store.path) as opened:
        assert opened.model == kit.model
        assert kit.content(opened) == before
        assert opened.calibration() == '{"of": "the old"}'
        assert verify(opened) == []
        with pytest.raises(UsageError, match="without --back"):
            switch_vectors(opened, back=True)


def test_missing_pictures_are_named_and_caught_up_or_dropped(store, kit, root_id, new_model, photos):
    make_all(store, new_model)
    kit.fill(store, photos, [7, 8])
    with pytest.raises(LibraryError, match=r"2 of 8 pictures have no vectors of 'tuned': .*7\.jpg, .*8\.jpg") as caught:
        switch_vectors(store)
    assert "imgsearch index --beside" in caught.value.hint
    assert make_all(store, new_model) == 2
    kit.fill(store, photos, [9])
    assert switch_vectors(store, drop_missing=True).dropped == 1
    with open_store(store.path) as opened:
        assert vectors_by_image(opened) == expected_new(range(1, 9))
        assert verify(opened) == []
        assert "9.jpg" not in {state.relative_path for state in opened.files(root_id)}
        switch_vectors(opened, back=True)
    assert set(vectors_by_image(store)) == set(range(1, 9))
    assert verify(store) == [], "the slot that lost its picture belongs to a deleted one"
    compact(store)
    assert verify(store) == []


@only_sqlite
def test_deleted_pictures_leave_with_a_switch_and_come_back_as_new(store, kit, root_id, new_model, photos):
    kit.remove(store, root_id, ["2.jpg"])
    make_all(store, new_model)
    kit.remove(store, root_id, ["3.jpg"])  # this one has its vectors: it may come back
    switch_vectors(store)
    with open_store(store.path) as opened:
        assert verify(opened) == []
        assert opened.stats().deleted_images == 1
        known = opened.known_contents([kit.facts(number).content_hash for number in (2, 3)])
        assert list(known) == [kit.facts(3).content_hash]


@only_sqlite
def test_compact_rewrites_both(store, kit, root_id, new_model):
    make_all(store, new_model)
    kit.remove(store, root_id, ["1.jpg", "5.jpg"])
    done = compact(store)
    assert (done.images_removed, done.segments_rewritten) == (2, 4)
    assert vectors_by_image(store_beside(store)) == expected_new([2, 3, 4, 6])
    assert verify(store) == []
    assert compact(store).segments_rewritten == 0
    kit.fill(store, store.roots()[0].path, [7])
    assert make_all(store, new_model) == 1
    switch_vectors(store)
    with open_store(store.path) as opened:
        assert len(vectors_by_image(opened)) == 5
        assert verify(opened) == []


@only_sqlite
def test_damage_beside_costs_only_what_lies_there(store, kit, root_id, new_model):
    before = kit.content(store)
    make_all(store, new_model)
    with store.catalog.look() as connection:
        (name,) = connection.execute("SELECT file_name FROM segments WHERE beside = 1 ORDER BY 1 LIMIT 1").fetchone()
    path = store.layout.segments / name
    path.write_bytes(path.read_bytes()[:-1] + b"\xff")
    assert [(problem.kind, problem.subject) for problem in verify(store)] == [("checksum", name)]
    assert repair(store).images == 3
    assert kit.content(store) == before
    assert verify(store) == []
    assert make_all(store, new_model) == 3
    path = next(store.layout.segments.glob("*.vec"))
    path.unlink()
    repair(store)
    assert verify(store) == []


def test_writers_of_the_former_model_are_refused_after_a_switch(store, kit, root_id, new_model, photos):
    make_all(store, new_model)
    switch_vectors(store)
    with pytest.raises(ModelMismatch, match="switched to another model"):
        kit.fill(store, photos, [7])
    with writing(store) as writer:  # what is no vector may be written
        writer.record_event("of-an-open-server", {})
    with open_store(store.path) as opened, pytest.raises(ModelMismatch, match="library's own now"):
        add_beside(opened, {1: new_vectors(1)})
    with create_store(store.path, new_model) as opened:
        assert opened.model.name == "tuned"


@only_sqlite
def test_a_third_model_and_the_own_one_are_refused(store, kit, root_id, new_model):
    make_all(store, new_model)
    with pytest.raises(ModelMismatch, match="--forget"):
        begin_beside(store, dataclasses.replace(new_model, name="third", fingerprint="01" * 32))
    with pytest.raises(UsageError, match="own vectors are of"):
        begin_beside(store, dataclasses.replace(kit.model, name="/elsewhere/mini"))


@only_sqlite
def test_forget_frees_the_disk_and_open_views_go_on(store, kit, root_id, new_model):
    before = kit.content(store)
    make_all(store, new_model)
    view = store_beside(store).view()
    done = forget_vectors(store)
    assert (done.images, done.freed_bytes) == (6, 2 * 4096 + 6 * TOKENS * DIMS * 2)
    assert view.read(view.live_slots).shape == (6, TOKENS, DIMS)
    assert kit.content(store) == before
    assert verify(store) == []
    assert store_beside(store) is None
    with pytest.raises(UsageError, match="no vectors lie beside"):
        forget_vectors(store)
    with pytest.raises(UsageError, match="no vectors lie beside"):
        switch_vectors(store)


@only_sqlite
def test_each_model_keeps_its_own_snapshot(store, kit, root_id, new_model):
    make_all(store, new_model)
    for one in (store, store_beside(store)):
        with draft_snapshot(one) as draft:
            draft.write(f"body of {one.model.name}".encode())
            view = one.view()
            numbers = view.query_tokens, view.dims, 0, view.slots, view.count, view.generation
            guard = 4, draft.checksum_of_beginning(4)
            seal = Seal("test", model_key(one.model), *numbers, draft.body_bytes, draft.checksum, *guard)
            draft.seal(seal)
            publish_snapshot(one, draft, seal)
    names = {one.model.name: latest_snapshot(one).path.name for one in (store, store_beside(store))}
    assert len(set(names.values())) == len(list(store.layout.snapshots.iterdir())) == 2
    assert verify(store) == []
    switch_vectors(store)
    with open_store(store.path) as opened:
        assert latest_snapshot(opened).path.name == names["tuned"]
        assert verify(opened) == []
        forget_vectors(opened)
        assert [path.name for path in opened.layout.snapshots.iterdir()] == [names["tuned"]]


STEPS = [step for step in files.STEPS if step.startswith(("beside", "switch", "forget", "segment", "directory"))]


@only_sqlite
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_loses_nothing(step, store, kit, root_id, new_model):
    require_nothing_lost(step, store, kit, new_model)


def test_a_kill_of_a_switch_on_a_server_loses_nothing(store, kit, root_id, new_model):
    require_nothing_lost("switch-written", store, kit, new_model)


test_a_kill_of_a_switch_on_a_server_loses_nothing.catalog_kinds = ("postgresql",)


def require_nothing_lost(step, store, kit, new_model):
    before = kit.content(store)

    def whole_way():
        with open_store(store.path) as opened:
            if opened.model == kit.model:
                make_all(opened, new_model)
                switch_vectors(opened)
            forget_vectors(opened)

    store.catalog.close()
    assert killed(step, 2 if step.startswith("beside") else 1, whole_way)
    with open_store(store.path) as opened:
        assert [problem for problem in verify(opened) if not problem.kind.startswith(("orphan", "segment-long"))] == []
        if opened.model == kit.model:
            assert kit.content(opened) == before
            assert make_all(opened, new_model) <= 6
            assert verify(opened) == []
            switch_vectors(opened)
    with open_store(store.path) as opened:
        assert vectors_by_image(opened) == expected_new(range(1, 7))
        if vectors_beside(opened) is not None:
            assert len(kit.content(store)) == 6
            forget_vectors(opened)
        with writing(opened):
            pass
        assert verify(opened) == []
        with opened.catalog.look() as connection:
            left = connection.execute("SELECT count(*) FROM segments WHERE beside = 1").fetchone()[0]
        assert left == 0
        assert len(list(opened.layout.segments.iterdir())) == opened.stats().segments
