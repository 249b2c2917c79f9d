"""Near copies, bursts and semantic neighbours of small libraries, and the background they are measured against."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pictured_library import MODEL, SIDE, PicturedLibrary, picture
from PIL import Image, ImageDraw

from imgsearch.dedup import find
from imgsearch.dedup.evidence.background import SimilarityBackground, fit_background, thresholds
from imgsearch.dedup.groups import near
from imgsearch.dedup.groups.near import near_pairs
from imgsearch.dedup.pixels.crop_descriptors import WINDOWS, describe_windows
from imgsearch.dedup.pixels.template_matching import align
from imgsearch.dedup.tiers import pair_verification as looking
from imgsearch.dedup.tiers.candidates import HASH_RADIUS, Signed, likeness_of, mean_directions, unrelated_rows
from imgsearch.dedup.tiers.pair_verification import PairLooks
from imgsearch.media.decode import decode_file
from imgsearch.media.signature import image_signature, luma_of
from imgsearch.records import MODEL_FREE, Failure, ModelId
from imgsearch.search.similarity import similarity
from imgsearch.storage import EmbeddedBatch, FilePlace, create_store, writing


class Shots(PicturedLibrary):
    """A library with a vector of its own for each picture: pictures of one ``kind`` point one way."""

    def add(self, name: str, image: Image.Image, kind: int, **options: object) -> None:
        path = self.save(image, name, **options)
        one = decode_file(path, SIDE)
        vectors = np.zeros((1, 2, 4), np.float32)
        vectors[0, :, kind % 4] = 1 if kind < 4 else -1
        with writing(self.store) as writer:
            root_id = writer.add_root(self.photos).root_id
            with writer.transaction() as transaction:
                place = FilePlace(root_id, name, one.facts.size_bytes, one.mtime_ns)
                transaction.add(EmbeddedBatch([one.facts], vectors, [[place]], [one.signature]))
                transaction.commit()

    def tiers(self, new=None, failed=None):
        failures = [] if failed is None else failed
        pairs = list(near_pairs(self.store, self.ids if new is None else np.array(new), failures.append))
        names = self.names()
        return {(names[pair.first], names[pair.second]): pair.evidence for pair in pairs}


def taken(at: str, camera: str = "Maker") -> Image.Exif:
    exif = Image.Exif()
    exif[0x0110] = camera
    exif.get_ifd(0x8769)[0x9003] = at
    return exif


def covered(image: Image.Image) -> Image.Image:
    image = image.copy()
    ImageDraw.Draw(image).ellipse((90, 60, 150, 120), fill=(250, 210, 40))
    return image


@pytest.fixture
def shots(tmp_path):
    return Shots(tmp_path)


def test_crop_and_sticker_are_near_and_strangers_are_not(shots):
    shots.add("a.png", picture(1), 0)
    shots.add("crop.png", picture(1).crop((20, 15, 235, 175)), 1)
    shots.add("sticker.png", covered(picture(1)), 2)
    shots.add("stranger.png", picture(2), 3)
    found = shots.tiers()
    assert found[("a.png", "crop.png")].tier == found[("a.png", "sticker.png")].tier == "near"
    assert found[("a.png", "crop.png")].overlap == pytest.approx(215 * 160 / (240 * 180), abs=0.05)
    assert all(pair.orientation == 1 and 0.5 < pair.score <= 1 for pair in found.values())
    assert not any("stranger.png" in names for names in found)


def test_what_a_large_sticker_leaves_in_the_corners_names_the_pair(shots):
    """Its pHash is far off, and no window of it looks like the whole."""
    large = picture(5)
    ImageDraw.Draw(large).ellipse((60, 0, 185, 95), fill=(250, 210, 40))
    shots.add("a.png", picture(5), 0)
    shots.add("large.png", large, 1)
    for seed in range(1, 4):
        shots.add(f"stranger {seed}.png", picture(seed), seed + 4)
    inventory = shots.store.inventory()
    hashes = inventory.perceptual_hashes
    assert np.bitwise_count(hashes[0] ^ hashes[1]) > HASH_RADIUS
    signed = Signed(shots.store, inventory)
    named = [(pair.first, pair.second) for pair in signed.alike_by_corner(np.arange(len(inventory)))]
    assert named == [(0, 1)]
    assert {names: found.tier for names, found in shots.tiers().items()} == {("a.png", "large.png"): "near"}


def test_looks_come_in_order_whatever_their_number_and_say_what_one_look_says(shots, monkeypatch):
    for number in range(4):
        shots.add(f"{number}.png", picture(number // 2).rotate(number % 2, Image.Resampling.BICUBIC), number)
    shots.add("crop.png", picture(0).crop((20, 15, 235, 175)), 1)
    (shots.photos / "3.png").write_bytes(b"no picture")
    names = shots.names()
    pairs = [(a, b) for a in shots.ids.tolist() for b in shots.ids.tolist() if a < b]
    for name, size in (("_AT_ONCE", 4), ("_STARTS", 3), ("_LOOKS", 2)):
        monkeypatch.setattr(looking, name, size)
    told: list[Failure] = []
    beats: list[int] = []
    with PairLooks(shots.store, told.append) as looks:
        found = list(looks.look(pairs, lambda: beats.append(1)))
    assert [key for key, _ in found] == pairs and len(beats) >= 4
    assert [Path(failure.path).name for failure in told] == ["3.png"]
    for (first, second), seen in found:
        if "3.png" in (names[first], names[second]):
            assert seen is None or seen.kind == "other"
        else:
            files = [Image.open(shots.photos / names[end]) for end in (first, second)]
            assert seen.kind == align(*files).kind, (names[first], names[second])
    assert {seen.kind for _, seen in found if seen} == {"near", "other"}
    assert not (shots.store.evidence().folder / looking.FILE_NAME).exists()


def test_run_that_was_stopped_looks_only_at_what_is_left_and_finds_the_same(shots, monkeypatch):
    shots.add("a.png", picture(1), 0)
    shots.add("stranger.png", picture(2), 3)
    shots.add("crop.png", picture(1).crop((20, 15, 235, 175)), 1)
    shots.add("sticker.png", covered(picture(1)), 2)
    evidence, original = shots.store.evidence(), PairLooks.look
    looked: list[tuple[int, int]] = []

    def stops(self, pairs, told):
        for number, found in enumerate(original(self, pairs, told)):
            if number == 2:
                raise KeyboardInterrupt
            looked.append(found[0])
            yield found

    monkeypatch.setattr(PairLooks, "look", stops)
    with pytest.raises(KeyboardInterrupt):
        find.compare(shots.store, evidence, ["near"], lambda *_: None)
    kept = evidence.looked(f"{near.KIND}-{near.RECIPE}")
    assert kept == set(looked) and len(kept) == 2
    monkeypatch.setattr(
        PairLooks,
        "look",
        lambda self, pairs, told: original(self, [looked.append(pair) or pair for pair in pairs], told),
    )
    told = []
    assert find.compare(shots.store, evidence, ["near"], lambda *one: told.append(one)).new["near"] == 4
    assert len(looked) == len(set(looked))
    monkeypatch.undo()
    names = shots.names()
    found = {(names[pair.first], names[pair.second]) for pair in find.read_pairs(evidence, ["near"])}
    assert found == {pair for pair, one in shots.tiers().items() if one.tier == "near"} and len(found) == 3
    assert told[-1] == ("embeddings", 4, 4)
    assert not evidence.looked(f"{near.KIND}-{near.RECIPE}")


def test_what_signatures_call_a_copy_is_left_to_them(shots):
    shots.add("a.png", picture(1), 0)
    shots.add("b.jpg", picture(1), 0, quality=80)
    assert shots.tiers() == {}


def test_shots_of_one_moment_are_a_burst_and_others_semantic(shots):
    at = {"a.jpg": "2026:05:01 10:00:00", "b.jpg": "2026:05:01 10:00:04", "c.jpg": "2026:05:01 11:00:00"}
    for seed, (name, when) in enumerate(at.items()):
        shots.add(name, picture(10 + seed), 0, exif=taken(when))
    shots.add("other.jpg", picture(20), 1, exif=taken("2026:05:01 10:00:01"))
    shots.add("camera.jpg", picture(21), 0, exif=taken("2026:05:01 10:00:01", "Another"))
    found = shots.tiers()
    assert (found[("a.jpg", "b.jpg")].tier, found[("a.jpg", "b.jpg")].seconds) == ("burst", 4)
    assert found[("a.jpg", "c.jpg")].tier == found[("a.jpg", "camera.jpg")].tier == "semantic"
    assert found[("a.jpg", "b.jpg")].similarity == pytest.approx(1)
    assert not any("other.jpg" in names for names in found)


def test_library_without_a_model_has_near_copies_and_no_semantic_pairs(tmp_path):
    folder = tmp_path / "free"
    shots = Shots(folder)
    shots.store = create_store(folder / "without", ModelId(MODEL_FREE, MODEL_FREE, f"v1-{SIDE}", "float16", 1, 1))
    shots.save(picture(1), "a.png")
    shots.save(picture(1).crop((20, 15, 235, 175)), "crop.png")
    shots.save(picture(2), "stranger.png")
    with writing(shots.store) as writer:
        root_id = writer.add_root(shots.photos).root_id
        with writer.transaction() as transaction:
            for name in ("a.png", "crop.png", "stranger.png"):
                one = decode_file(shots.photos / name, SIDE)
                place = FilePlace(root_id, name, one.facts.size_bytes, one.mtime_ns)
                transaction.add(EmbeddedBatch([one.facts], np.ones((1, 1, 1), np.float32), [[place]], [one.signature]))
            transaction.commit()
    found = shots.tiers()
    assert {names: evidence.tier for names, evidence in found.items()} == {("a.png", "crop.png"): "near"}
    assert found[("a.png", "crop.png")].similarity is None


def test_frames_taken_apart_by_one_camera_are_a_series_without_a_look(shots, monkeypatch):
    for minute in range(3):
        shots.add(
            f"{minute}.jpg",
            picture(1).crop((7 * minute, 5 * minute, 200 + 7 * minute, 150 + 5 * minute)),
            minute,
            exif=taken(f"2026:05:01 10:0{minute}:00"),
            quality=95,
        )
    monkeypatch.setattr(PairLooks, "look", lambda self, pairs, told: iter([(pair, None) for pair in pairs if 1 / 0]))
    found = shots.tiers()
    assert {evidence.tier for evidence in found.values()} == {"burst"} and found[("0.jpg", "1.jpg")].seconds == 60
    assert {evidence.why for evidence in found.values()} == {"a series"}


def test_new_ones_against_all_give_what_all_at_once_give(shots):
    for seed in range(3):
        shots.add(f"{seed}.png", picture(seed), seed)
    for seed in range(3):
        shots.add(f"{seed}-crop.png", picture(seed).crop((0, 0, 215, 165)), seed)
    ids = shots.ids.tolist()
    whole = {names: evidence.tier for names, evidence in shots.tiers().items()}
    parts = {names: evidence.tier for new in (ids[:3], ids[3:]) for names, evidence in shots.tiers(new).items()}
    assert {(f"{seed}.png", f"{seed}-crop.png") for seed in range(3)} <= set(whole)
    assert {names for names, tier in whole.items() if tier == "near"} <= set(parts)
    again = shots.tiers(ids[4:5])
    assert all("1-crop.png" in names for names in again) and again


def test_file_that_is_gone_is_told_once_and_the_rest_goes_on(shots):
    shots.add("a.png", picture(1), 0)
    shots.add("crop.png", picture(1).crop((20, 15, 235, 175)), 0)
    shots.add("crop2.png", picture(1).crop((5, 5, 225, 170)), 0)
    (shots.photos / "crop.png").unlink()
    failures: list = []
    found = shots.tiers(failed=failures)
    assert [Path(failure.path).name for failure in failures] == ["crop.png"]
    assert found[("a.png", "crop2.png")].tier == "near"


def test_empty_library_and_unknown_ids_have_no_pairs(shots):
    assert shots.tiers(new=[5, 6]) == {}


def test_likeness_of_pairs_is_that_of_the_search(tmp_path):
    library = PicturedLibrary(tmp_path)
    rng = np.random.default_rng(2)
    with writing(library.store) as writer:
        root_id = writer.add_root(library.photos).root_id
        with writer.transaction() as transaction:
            for number in range(9):
                one = decode_file(library.save(picture(number), f"{number}.png"), SIDE)
                vectors = rng.normal(size=(1, 2, 4)).astype(np.float32)
                vectors /= np.linalg.norm(vectors, axis=2, keepdims=True)
                place = FilePlace(root_id, f"{number}.png", one.facts.size_bytes, one.mtime_ns)
                transaction.add(EmbeddedBatch([one.facts], vectors, [[place]], [one.signature]))
            transaction.commit()
    view = library.store.view()
    slots = view.live_slots
    tokens = view.read(slots)
    got = likeness_of(view, slots[:8], slots[1:])
    assert got == pytest.approx([similarity(tokens[i], tokens[i + 1 : i + 2])[0] for i in range(8)], abs=1e-4)
    assert np.linalg.norm(mean_directions(view, slots), axis=1) == pytest.approx(np.ones(9), abs=1e-4)
    assert MODEL.dims == view.dims


@given(st.floats(-0.9, 0.95), st.floats(0.01, 0.6), st.floats(1e-9, 0.4))
def test_threshold_is_reached_with_the_chance_it_was_asked_for(mean, deviation, chance):
    law = SimilarityBackground(mean, deviation)
    limit = law.threshold(chance)
    assert -1 <= limit <= 1
    if limit < 0.9999:
        assert law.chance(limit) == pytest.approx(chance, rel=1e-3)


def test_background_is_not_moved_by_copies_in_the_sample():
    rng = np.random.default_rng(1)
    plain = np.tanh(rng.normal(0.3, 0.2, 200_000)).astype(np.float32)
    spoilt = np.concatenate([plain, np.full(2000, 0.999, np.float32)])
    wanted = fit_background(plain).threshold(1e-6)
    assert wanted == pytest.approx(np.tanh(0.3 + 0.2 * 4.7534), abs=0.02)
    assert fit_background(spoilt).threshold(1e-6) == pytest.approx(wanted, abs=0.06)
    rows = thresholds(np.stack([plain[:5000], plain[5000:10_000] * 0.5]), 1e-4)
    assert rows[0] > rows[1] + 0.1


def test_unrelated_rows_are_one_of_each_picture_and_its_copies(shots):
    for seed in range(4):
        shots.add(f"{seed}.png", picture(seed), seed)
        shots.add(f"{seed}.jpg", picture(seed), seed, quality=70)
    assert unrelated_rows(shots.store.inventory()).tolist() == [0, 2, 4, 6]


def test_window_of_a_picture_looks_like_the_crop_there():
    whole = picture(5, (320, 320))
    rng = random.Random(1)
    for left, top, side in rng.sample(WINDOWS[1:], 6):
        box = tuple(round(320 * edge) for edge in (left, top, left + side, top + side))
        luma = luma_of(np.frombuffer(image_signature(whole.crop(box)), np.uint8)[None])
        window = describe_windows(luma_of(np.frombuffer(image_signature(whole), np.uint8)[None]))[0]
        alike = window @ describe_windows(luma, WINDOWS[:1])[0, 0]
        assert alike[WINDOWS.index((left, top, side))] > 0.95
        assert alike[WINDOWS.index((left, top, side))] >= alike.max() - 0.05


def test_flat_picture_has_no_windows():
    flat = luma_of(np.frombuffer(image_signature(Image.new("RGB", (50, 50), (9, 9, 9))), np.uint8)[None])
    assert not describe_windows(flat).any()
