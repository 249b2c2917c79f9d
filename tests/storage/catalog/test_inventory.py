import os
import sqlite3

import numpy as np
import pytest
from both_catalogs import BOTH, only_sqlite
from old_catalogs import take_back
from sqlalchemy import text

from imgsearch.records import SIGNATURE_BYTES
from imgsearch.storage import EmbeddedBatch, compact, open_store, writing

CATALOG_KINDS = BOTH


def signature(number: int) -> bytes:
    return np.random.default_rng(number).integers(0, 256, SIGNATURE_BYTES, dtype=np.uint8).tobytes()


def fill(kit, store, photos, numbers: list[int]) -> int:
    """As `Kit.fill`, with a signature for every content of an even number."""
    with writing(store) as writer:
        root_id = writer.add_root(photos).root_id
        plain = kit.batch(root_id, numbers)
        made = [signature(number) if number % 2 == 0 else b"" for number in numbers]
        with writer.transaction() as transaction:
            transaction.add(EmbeddedBatch(plain.facts, plain.vectors, plain.places, made))
            transaction.commit()
    return root_id


def ids_of(kit, store) -> dict[int, int]:
    """Image id of each content number."""
    return {record.facts.size_bytes - 1000: record.image_id for record in store.iter_images()}


def test_inventory_says_what_the_records_say(kit, store, photos) -> None:
    assert len(store.inventory()) == 0
    root = kit.fill(store, photos, list(range(20)))
    kit.remove(store, root, ["3.jpg", "11.jpg"])
    found = store.inventory()
    wanted = list(store.iter_images())
    assert len(found) == 18 and found.perceptual_hashes.dtype == np.uint64
    assert found.image_ids.tolist() == [record.image_id for record in wanted]
    assert found.slots.tolist() == [record.slot for record in wanted]
    assert found.perceptual_hashes.tolist() == [record.facts.perceptual_hash for record in wanted]
    assert max(found.perceptual_hashes.tolist()) >= 2**63
    assert set(zip(found.widths.tolist(), found.heights.tolist(), strict=True)) == {(640, 480)}
    ids = found.image_ids[[5, 0, 17]]
    assert found.rows(np.append(ids, [999, -4])).tolist() == [5, 0, 17, -1, -1]
    assert found.take(np.array([2, 4])).image_ids.tolist() == found.image_ids[[2, 4]].tolist()


def test_signatures_come_in_the_order_asked_for(kit, store, photos) -> None:
    fill(kit, store, photos, [1, 2, 3, 4])
    ids = ids_of(kit, store)
    found, data = store.signatures(np.array([ids[4], ids[1], 777, ids[2], ids[4]]))
    assert found.tolist() == [True, False, False, True, True]
    assert [row.tobytes() for row in data] == [signature(4), bytes(1536), bytes(1536), signature(2), signature(4)]
    assert store.unsigned(np.array([ids[3], ids[1], ids[2]])).tolist() == sorted([ids[1], ids[3]])


@only_sqlite
def test_signatures_are_added_later_and_leave_with_their_image(kit, store, photos) -> None:
    root = fill(kit, store, photos, [1, 2, 3])
    ids = ids_of(kit, store)
    with writing(store) as writer:
        assert writer.add_signatures({ids[1]: signature(1), ids[2]: signature(9), 12345: signature(0)}) == 2
        with pytest.raises(ValueError, match="signature of 7 bytes, expected 1536"):
            writer.add_signatures({ids[3]: b"1234567"})
    found, data = store.signatures(np.array([ids[1], ids[2], ids[3]]))
    assert found.tolist() == [True, True, False]
    assert [row.tobytes() for row in data[:2]] == [signature(1), signature(9)]
    kit.remove(store, root, ["1.jpg"])
    compact(store)
    with sqlite3.connect(store.layout.catalog) as connection:
        assert connection.execute("SELECT image_id FROM signatures").fetchall() == [(ids[2],)]
    connection.close()


def test_signature_of_another_recipe_counts_as_none(kit, store, photos) -> None:
    fill(kit, store, photos, [2])
    ids = np.array(list(ids_of(kit, store).values()))
    with store.catalog.write() as connection:
        connection.execute(text("UPDATE signatures SET recipe = recipe + 1"))
    assert not store.signatures(ids)[0].any()
    assert store.unsigned(ids).tolist() == ids.tolist()


def test_batch_with_too_few_signatures_is_refused(kit, store, photos) -> None:
    with writing(store) as writer:
        batch = kit.batch(writer.add_root(photos).root_id, [1, 2])
        with writer.transaction() as transaction, pytest.raises(ValueError, match="1 signatures for 2 contents"):
            transaction.add(EmbeddedBatch(batch.facts, batch.vectors, batch.places, [signature(1)]))


@only_sqlite
def test_library_from_before_signatures_gets_their_table(kit, store, photos) -> None:
    kit.fill(store, photos, [1, 2])
    store.close()
    take_back(store.layout.catalog, "0002")
    with open_store(store.path) as opened:
        ids = opened.inventory().image_ids
        assert opened.unsigned(ids).tolist() == ids.tolist()


def test_copies_are_every_file_with_the_best_first(kit, store, photos) -> None:
    odd = os.fsdecode(b"caf\xe9\n.jpg")
    with writing(store) as writer:
        root_id = writer.add_root(photos).root_id
        with writer.transaction() as transaction:
            transaction.add(kit.batch(root_id, [1, 2, 3], ["z.jpg", "2.jpg", "3.jpg"]))
            transaction.place_files([(kit.place(root_id, name, 77), kit.facts(1).content_hash) for name in (odd, "a")])
            transaction.commit()
    ids = ids_of(kit, store)
    found = store.copies([ids[1], ids[3], 999])
    assert set(found) == {ids[1], ids[3]}
    assert [file.path for file in found[ids[1]]] == [f"{photos}/{name}" for name in ("a", odd, "z.jpg")]
    assert {(file.root_id, file.size_bytes, file.offline) for file in found[ids[1]]} == {(root_id, 1000, False)}
    assert [file.mtime_ns for file in found[ids[1]]] == [77, 77, 1]
    assert found[ids[3]][0].facts == kit.facts(3) and found[ids[3]][0].image_id == ids[3]
    assert list(store.images_with_several_files()) == [ids[1]]
    assert store.image_of(kit.facts(2).content_hash) == ids[2]
    kit.remove(store, root_id, ["2.jpg"])
    assert store.image_of(kit.facts(2).content_hash) is None
