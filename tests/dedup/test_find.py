"""A run over a library: what is new alone, what was refuted, what a kill leaves, what the catalog says afterwards."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from pictured_library import PicturedLibrary, picture
from PIL import Image, ImageDraw

from imgsearch.dedup.evidence import examination
from imgsearch.dedup.find import FindOptions, compare, groups_of, read_pairs
from imgsearch.dedup.groups import grouping
from imgsearch.dedup.groups.grouping import Grouping
from imgsearch.dedup.groups.keep import parse_keep
from imgsearch.dedup.plan.records import make_plan
from imgsearch.dedup.quarantine.apply import apply_plan
from imgsearch.dedup.quarantine.catalog_sync import follow_files, planned_files, run_files
from imgsearch.dedup.quarantine.undo import undo
from imgsearch.dedup.tiers import confirmation, perceptual
from imgsearch.dedup.tiers.confirmation import IdPair
from imgsearch.errors import LibraryBusy
from imgsearch.media.decode_pool import HardenedPool
from imgsearch.media.decode_pool.batches import Bounds

TIERS = ("bytes", "pixels", "perceptual")
OPTIONS = FindOptions(TIERS)


def silent(stage: str, done: int, total: int) -> None:
    pass


@pytest.fixture
def library(tmp_path) -> PicturedLibrary:
    made = PicturedLibrary(tmp_path)
    first, second = picture(1), picture(2)
    made.save(first, "a.png")
    made.save(first, "a again.png", compress_level=1)
    made.save(first.resize((120, 90), Image.Resampling.LANCZOS), "a small.jpg", quality=85)
    made.save(second, "b.jpg", quality=95)
    made.save(second.transpose(Image.Transpose.ROTATE_90), "b turned.jpg", quality=85)
    made.save(picture(3), "c.png")
    made.index(["a.png", "a again.png", "a small.jpg", "b.jpg", "b turned.jpg", "c.png"])
    return made


def found_groups(library: PicturedLibrary, options: FindOptions = OPTIONS) -> dict[str, dict[str, str]]:
    """Keeper -> its members with their tiers, by name."""
    store = library.store
    groups = groups_of(store, store.evidence(), options, pytest.fail, silent)
    return {
        group.keeper.path.rsplit("/", 1)[1]: {
            member.copy.path.rsplit("/", 1)[1]: member.evidence.tier for member in group.members
        }
        for group in groups
    }


def test_run_finds_every_tier_and_a_second_one_looks_at_nothing(library) -> None:
    evidence = library.store.evidence()
    first = compare(library.store, evidence, TIERS, silent)
    assert first.pictures == 6 and first.new == {"pixels": 6, "perceptual": 6} and not first.failures
    wanted = {
        "a again.png": {"a.png": "pixels", "a small.jpg": "perceptual"},
        "b.jpg": {"b turned.jpg": "perceptual"},
    }
    assert found_groups(library) == wanted  # "a again.png" is larger
    second = compare(library.store, evidence, TIERS, silent)
    assert second.new == {"pixels": 0, "perceptual": 0}
    assert found_groups(library) == wanted


def test_new_picture_is_compared_with_all_that_were_there(library) -> None:
    evidence = library.store.evidence()
    compare(library.store, evidence, TIERS, silent)
    library.save(picture(3), "c.jpg", quality=90)
    library.index(["c.jpg"])
    assert compare(library.store, evidence, TIERS, silent).new == {"pixels": 1, "perceptual": 1}
    assert found_groups(library)["c.png"] == {"c.jpg": "perceptual"}


def test_picture_that_left_and_came_back_is_compared_again(library) -> None:
    evidence = library.store.evidence()
    compare(library.store, evidence, TIERS, silent)
    library.remove(["b turned.jpg"])
    compare(library.store, evidence, TIERS, silent)
    assert "b.jpg" not in found_groups(library)
    library.index(["b turned.jpg"])
    assert compare(library.store, evidence, TIERS, silent).new["perceptual"] == 1
    assert found_groups(library)["b.jpg"] == {"b turned.jpg": "perceptual"}


def test_run_that_was_stopped_goes_on_and_finds_the_same(library, monkeypatch) -> None:
    evidence = library.store.evidence()
    monkeypatch.setattr("imgsearch.dedup.find._AT_ONCE", 2)
    original, calls = perceptual.perceptual_pairs, []

    def stops(*given, **more):
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*given, **more)

    monkeypatch.setattr(perceptual, "perceptual_pairs", stops)
    with pytest.raises(KeyboardInterrupt):
        compare(library.store, evidence, TIERS, silent)
    assert compare(library.store, evidence, TIERS, silent).new["perceptual"] == 4
    assert {(pair.first, pair.second) for pair in read_pairs(evidence, TIERS)} == {(1, 2), (1, 3), (2, 3), (4, 5)}


def test_small_thing_that_only_the_pictures_show_keeps_two_apart(tmp_path) -> None:
    library = PicturedLibrary(tmp_path)
    quiet = picture(7, (1024, 768))
    marked = quiet.copy()
    ImageDraw.Draw(marked).ellipse((600, 400, 615, 415), fill="white")
    library.save(quiet, "quiet.png")
    library.save(marked, "marked.png")
    library.index(["quiet.png", "marked.png"])
    evidence = library.store.evidence()
    compare(library.store, evidence, TIERS, silent)
    assert len(list(read_pairs(evidence, ["perceptual"]))) == 1  # 32 x 32 cells cannot tell
    assert found_groups(library) == {}
    assert [said.is_copy for said in evidence.judged(confirmation.RECIPE).values()] == [False]
    assert found_groups(library, replace(OPTIONS, tiers=(*TIERS, "near"))) == {"marked.png": {"quiet.png": "near"}}


def families(folder: Path) -> PicturedLibrary:
    """Three pictures, each with a mark of its own that 32 x 32 cells do not show, and with copies of both."""
    folder.mkdir()
    library, names = PicturedLibrary(folder), []
    for number in (7, 8, 9):
        plain = picture(number, (512, 384))
        marked = plain.copy()
        ImageDraw.Draw(marked).ellipse((300, 200, 308, 208), fill="white")
        for name, image in (("plain", plain), ("marked", marked if number < 9 else plain.resize((256, 192)))):
            library.save(image, f"{number} {name}.png")
            library.save(image, f"{number} {name}.jpg", quality=90)
            names += [f"{number} {name}.png", f"{number} {name}.jpg"]
    library.index(names)
    return library


def test_only_what_a_look_changed_is_grouped_again_and_nothing_is_missed(tmp_path, monkeypatch) -> None:
    found = []
    among: list[Collection[int]] = []
    hanging = Grouping._hanging_with
    for every in (False, True):
        library = families(tmp_path / str(every))
        evidence = library.store.evidence()
        compare(library.store, evidence, TIERS, silent)

        def asked(self: Grouping, looked: Collection[IdPair], every: bool = every, library=library) -> Collection[int]:
            among.append(hanging(self, looked))
            return library.ids.tolist() if every else among[-1]

        monkeypatch.setattr(Grouping, "_hanging_with", asked)
        found.append((found_groups(library), evidence.judged(confirmation.RECIPE)))
    assert found[0] == found[1] and not all(said.is_copy for said in found[0][1].values())
    assert 0 < len(among[0]) < 12, "one of three families has nothing that was refuted"


def test_verdicts_that_come_while_groups_are_made_change_nothing(tmp_path, monkeypatch) -> None:
    found = []
    for early in (False, True):
        library = families(tmp_path / str(early))
        evidence = library.store.evidence()
        compare(library.store, evidence, TIERS, silent)
        if early:  # one look at a time, its verdict known before the next is asked for
            monkeypatch.setattr(grouping, "_BEGUN", 5)
            monkeypatch.setattr(grouping, "_KEPT_AT_ONCE", 1)
            monkeypatch.setattr(confirmation, "_TOGETHER", Bounds(1, 1))
            monkeypatch.setattr(examination, "HardenedPool", partial(HardenedPool, ahead=1, workers=1))
        found.append((found_groups(library), evidence.judged(confirmation.RECIPE)))
    assert found[0] == found[1]


def test_file_that_became_unreadable_is_told_once_and_never_moved(library) -> None:
    evidence = library.store.evidence()
    compare(library.store, evidence, TIERS, silent)
    (library.photos / "b turned.jpg").write_bytes(b"no picture any more")
    failures: list[object] = []
    groups = list(groups_of(library.store, evidence, OPTIONS, failures.append, silent))
    assert len(failures) == 1 and len(groups) == 1


def test_second_run_at_the_same_time_is_refused(library) -> None:
    evidence = library.store.evidence()
    with evidence.running(), pytest.raises(LibraryBusy), evidence.running():
        pass


def test_catalog_follows_an_apply_and_its_undo(library, tmp_path) -> None:
    store, evidence = library.store, library.store.evidence()
    compare(store, evidence, TIERS, silent)
    options = replace(OPTIONS, rule=parse_keep("oldest"))
    groups = groups_of(store, evidence, options, pytest.fail, silent)
    plan = make_plan(groups, {root.root_id: root.path for root in store.roots()}, library=store.path)
    before = {path for paths in store.all_paths(store.inventory().image_ids).values() for path in paths}
    quarantine = tmp_path / "quarantine"
    done = apply_plan(plan, quarantine)
    assert done.moved == 2, "nothing tells which of b.jpg and b turned.jpg is the source"
    assert follow_files(store, planned_files(plan)) == 2
    assert len(store.inventory()) == 4
    waiting = run_files(quarantine, done.run_id)
    undo(quarantine)
    assert follow_files(store, waiting) == 2
    after = {path for paths in store.all_paths(store.inventory().image_ids).values() for path in paths}
    assert after == before and len(store.inventory()) == 6
