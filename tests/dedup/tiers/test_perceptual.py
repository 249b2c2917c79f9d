from pathlib import Path

import numpy as np
import pytest
from pictured_library import PicturedLibrary, picture
from PIL import Image

from imgsearch.dedup.evidence.signature_backfill import fill_signatures
from imgsearch.dedup.pixels.comparison import compare_signatures
from imgsearch.dedup.tiers import perceptual
from imgsearch.dedup.tiers.perceptual import perceptual_pairs
from imgsearch.media.signature import ORIENTATIONS, is_flat, luma_of, oriented_hashes

TURN = {6: Image.Transpose.ROTATE_270, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180}


def by_brute_force(library: PicturedLibrary, new: np.ndarray, radius: int) -> dict[frozenset[int], int]:
    """Every pair at every turn, one after the other: the pair and the turn of the least difference."""
    ids = library.ids
    _, signatures = library.store.signatures(ids)
    hashes = oriented_hashes(luma_of(signatures))
    flat = is_flat(luma_of(signatures))
    found = {}
    for j in range(len(ids)):
        for i in range(j):
            if flat[i] or flat[j] or not {int(ids[i]), int(ids[j])} & set(new.tolist()):
                continue
            best = []
            for orientation in ORIENTATIONS:
                if (int(hashes[i, 0]) ^ int(hashes[j, orientation - 1])).bit_count() <= radius:
                    one = compare_signatures(signatures[[i]], signatures[[j]], np.array([orientation], np.uint8))
                    best += [(float(one.difference[0]), orientation)] if one.is_copy[0] else []
            if best:
                found[frozenset((int(ids[i]), int(ids[j])))] = min(best)[1]
    return found


@pytest.fixture(scope="module")
def library(tmp_path_factory) -> PicturedLibrary:
    made = PicturedLibrary(tmp_path_factory.mktemp("perceptual"))
    for seed in range(4):
        image = picture(seed)
        made.save(image, f"{seed}.png")
        made.save(image.resize((120, 90)), f"{seed}-small.jpg", quality=70)
        orientation = (6, 2, 3, 6)[seed]
        made.save(image.transpose(TURN[orientation]), f"{seed}-turned-{orientation}.jpg", quality=85)
    for level in (0, 90, 255):
        made.save(Image.new("RGB", (100, 80), (level,) * 3), f"flat-{level}.png")
    made.index(sorted(path.name for path in made.photos.iterdir()))
    yield made
    made.store.close()


def test_pairs_are_the_copies_at_every_turn_and_no_flat_picture(library) -> None:
    pairs = list(perceptual_pairs(library.store, library.ids))
    wanted = set()
    for seed in range(4):
        own = [name for name in library.names().values() if name[0] == str(seed)]
        wanted |= {frozenset((a, b)) for a in own for b in own if a != b}
    assert library.named(pairs) == wanted
    assert all(pair.first < pair.second and pair.evidence.tier == "perceptual" for pair in pairs)


def test_pairs_are_those_of_brute_force(library) -> None:
    pairs = perceptual_pairs(library.store, library.ids)
    found = {frozenset((pair.first, pair.second)): pair.evidence.orientation for pair in pairs}
    assert found == by_brute_force(library, library.ids, perceptual.HASH_RADIUS)


def test_turn_makes_the_second_look_as_the_first(library) -> None:
    for pair in perceptual_pairs(library.store, library.ids):
        first, second = (library.names()[image_id] for image_id in (pair.first, pair.second))
        back = {6: 8, 2: 2, 3: 3}
        orientation = int(second[-5]) if "turned" in second else 1
        wanted = back.get(orientation, 1)
        if "turned" in first:
            wanted = int(first[-5])  # the second is upright: it is turned as the first was
        assert pair.evidence.orientation == wanted
        assert pair.evidence.hamming is not None and pair.evidence.hamming <= perceptual.HASH_RADIUS


@pytest.mark.parametrize("batches", [2, 5, 15])
def test_library_compared_bit_by_bit_has_the_pairs_of_one_compared_at_once(library, monkeypatch, batches) -> None:
    inventory = library.store.inventory()
    parts = []
    for part in np.array_split(inventory.image_ids, batches):
        until = inventory.take(np.flatnonzero(inventory.image_ids <= part[-1]))
        parts += list(perceptual_pairs(library.store, part, inventory=until))
    whole = list(perceptual_pairs(library.store, library.ids))
    assert sorted(parts, key=lambda pair: (pair.first, pair.second)) == sorted(
        whole, key=lambda pair: (pair.first, pair.second)
    )


def test_pairs_do_not_depend_on_the_size_of_blocks(library, monkeypatch) -> None:
    whole = {(pair.first, pair.second): pair for pair in perceptual_pairs(library.store, library.ids)}
    monkeypatch.setattr(perceptual, "_BLOCK", 4)
    monkeypatch.setattr(perceptual, "_COMPARED", 3)
    monkeypatch.setattr(perceptual, "_MOST_CANDIDATES", 2)
    assert {(pair.first, pair.second): pair for pair in perceptual_pairs(library.store, library.ids)} == whole


def test_only_pairs_with_a_new_picture_are_found(library) -> None:
    new = library.ids[[0, 7]]  # both lower and higher ids are compared with them
    found = {frozenset((p.first, p.second)): p.evidence.orientation for p in perceptual_pairs(library.store, new)}
    assert found == by_brute_force(library, new, perceptual.HASH_RADIUS) != {}
    assert list(perceptual_pairs(library.store, np.array([987654]))) == []


def test_of_a_crowd_with_one_hash_each_meets_the_largest(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(perceptual, "CROWD", 3)
    library = PicturedLibrary(tmp_path)
    sizes = [(64 + 16 * number, 48 + 12 * number) for number in range(9)]
    for number, size in enumerate(sizes):
        library.save(picture(1, (960, 720)).resize(size, Image.Resampling.LANCZOS), f"{number}.png")
    library.index(f"{number}.png" for number in (4, 0, 8, 2, 6, 1, 7, 3, 5))
    hashes = set(library.store.inventory().perceptual_hashes.tolist())
    found = library.named(perceptual_pairs(library.store, library.ids))
    assert len(hashes) == 1, "the pictures must share a hash for this test"
    largest = {"8.png", "7.png", "6.png"}
    names = set(library.names().values())
    assert found == {frozenset((a, b)) for a in names for b in names if a != b and {a, b} & largest}
    library.store.close()


def test_missing_signatures_are_made_and_a_lost_file_is_one_note(tmp_path) -> None:
    library = PicturedLibrary(tmp_path)
    for seed in range(3):
        library.save(picture(seed), f"{seed}.png")
    library.save(picture(0).resize((100, 75)), "0-small.jpg")
    library.save(picture(3), "changed.png")
    names = [path.name for path in sorted(library.photos.iterdir())]
    library.index(names, sign=False)
    library.index(names[:1])  # known: no signature is added
    assert list(perceptual_pairs(library.store, library.ids)) == []
    (library.photos / "2.png").unlink()
    library.save(picture(8), "changed.png")
    lost, told = [], []
    left = fill_signatures(library.store, library.ids, lost.append, lambda done, total: told.append((done, total)))
    assert left.tolist() == sorted([library.id_of("2.png"), library.id_of("changed.png")])
    assert {Path(failure.path).name for failure in lost} == {"2.png", "changed.png"}
    assert told[-1] == (5, 5)
    assert library.named(perceptual_pairs(library.store, library.ids)) == {frozenset(("0.png", "0-small.jpg"))}
    again: list[object] = []
    assert len(fill_signatures(library.store, library.ids[:2], again.append)) == 0 and not again
    library.store.close()


def test_signature_comes_from_another_file_of_the_content(tmp_path) -> None:
    library = PicturedLibrary(tmp_path)
    for name in ("a.png", "b.png"):
        library.save(picture(0), name)
    library.index(["a.png", "b.png"], sign=False)
    (library.photos / "a.png").unlink()
    lost: list[object] = []
    assert len(fill_signatures(library.store, library.ids, lost.append)) == 0 and not lost
    library.store.close()
