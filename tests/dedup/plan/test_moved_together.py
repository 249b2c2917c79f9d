"""Stacks move whole or not at all, and companions with their picture where the kept one has the same."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import pytest
from desks import make_copy

from imgsearch.dedup.belonging import moved_together
from imgsearch.dedup.belonging.moved_together import Belongings
from imgsearch.dedup.evidence.records import Copy, Evidence, Group, Member
from imgsearch.media.samples.whole import FileTraits

BYTES = Evidence("bytes", 1.0)


class Shelves:
    """Folders a and b of files; pictures of one name are copies, those in ``a`` are kept."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.traits: dict[int, FileTraits] = {}

    def write(self, name: str | bytes, content: bytes = b"x") -> str:
        path = self.root / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return str(path)

    def copy(self, name: str | bytes, image_id: int, **facts: object) -> Copy:
        path = str(self.root / os.fsdecode(name))
        if not os.path.lexists(path):
            self.write(name, b"picture")
        return make_copy(path, image_id, **facts)

    def groups(self, *pairs: tuple[str | bytes, str | bytes], evidence: Evidence = BYTES) -> list[Group]:
        """A group for each (kept, moved)."""
        made = []
        for number, (kept, moved) in enumerate(pairs):
            keeper, member = self.copy(kept, 2 * number + 1), self.copy(moved, 2 * number + 2)
            made.append(Group(keeper, "", (Member(member, evidence),)))
        return made

    def settled(self, groups: list[Group]) -> dict[str, tuple[str, list[str]]]:
        """Member -> (why it stays, its companions), by names below the root."""
        found = Belongings(self.traits.get).settled(lambda: iter(groups))
        result = {}
        for group in found:
            for member in group.members:
                assert member.move or member.stays or member.evidence.tier == "stack"
                assert not (member.move and member.stays)
                along = [self.name(one.path) for one in member.companions]
                result[self.name(member.copy.path)] = (
                    "" if member.move else member.stays or member.evidence.why,
                    along,
                )
        return result

    def name(self, path: str) -> str:
        return os.path.relpath(path, self.root)


@pytest.fixture
def shelves(tmp_path) -> Shelves:
    return Shelves(tmp_path)


def names(found: dict[str, tuple[str, list[str]]]) -> set[str]:
    """Everything that is moved, companions too."""
    moved = {name for name, (why, _) in found.items() if not why}
    return moved | {each for name in moved for each in found[name][1]}


@pytest.mark.parametrize("order", [1, -1])
def test_raw_and_jpeg_move_together_for_a_folder_that_has_both(shelves, order) -> None:
    pairs = [("a/IMG_1.CR2", "b/IMG_1.CR2"), ("a/IMG_1.JPG", "b/IMG_1.JPG")]
    assert names(shelves.settled(shelves.groups(*pairs[::order]))) == {"b/IMG_1.CR2", "b/IMG_1.JPG"}


def test_jpeg_stays_with_a_raw_that_has_no_copy(shelves) -> None:
    shelves.write("b/IMG_1.CR2")
    found = shelves.settled(shelves.groups(("a/IMG_1.JPG", "b/IMG_1.JPG")))
    assert found == {"b/IMG_1.JPG": ("it belongs to IMG_1.CR2, which stays", [])}
    other = shelves.settled(shelves.groups(("b/IMG_1.JPG", "a/IMG_1.JPG")))
    assert names(other) == {"a/IMG_1.JPG"}, "the one without a RAW may go for the one with it"


def test_raw_stays_with_a_jpeg_that_is_kept_for_another(shelves) -> None:
    groups = shelves.groups(("a/IMG_1.CR2", "b/IMG_1.CR2"), ("b/IMG_1.JPG", "a/IMG_1.JPG"))
    assert names(shelves.settled(groups)) == set(), "each of the two would leave a half behind"


def test_whole_stack_stays_where_one_of_it_must(shelves) -> None:
    names_of = ("IMG_1.CR2", "IMG_1.JPG", "IMG_1-edited.JPG", "IMG_1_DxO.jpg")
    groups = shelves.groups(*((f"a/{name}", f"b/{name}") for name in names_of[:3]))
    shelves.write("b/" + names_of[3])
    assert names(shelves.settled(groups)) == set()
    (shelves.root / "b" / names_of[3]).unlink()
    assert names(shelves.settled(groups)) == {f"b/{name}" for name in names_of[:3]}


def test_long_chain_of_versions_is_followed_to_its_end(shelves) -> None:
    """More files than rounds were once allowed; each belongs to the plain one."""
    all_names = ["IMG_1.jpg", *(f"IMG_1-edited({number}).jpg" for number in range(1, 120))]
    groups = shelves.groups(*((f"a/{name}", f"b/{name}") for name in all_names))
    assert len(names(shelves.settled(groups))) == 120
    shelves.write("b/IMG_1.nef")
    assert names(shelves.settled(groups)) == set()


@pytest.mark.parametrize("tier", ["pixels", "perceptual", "near", "burst"])
def test_raw_and_its_jpeg_are_a_stack_whatever_they_look_like(shelves, tier) -> None:
    (found,) = Belongings().settled(
        lambda: iter(shelves.groups(("a/IMG_1.CR2", "a/IMG_1.JPG"), evidence=Evidence(tier, 0.9)))
    )
    (member,) = found.members
    assert (member.evidence.tier, member.move, member.evidence.why) == ("stack", False, "RAW and its JPEG")


def test_edit_is_never_moved_for_its_original(shelves) -> None:
    for edit in ("IMG_1-edited.jpg", "IMG_1-bearbeitet.jpg", "IMG_1~2.jpg"):
        found = shelves.settled(shelves.groups(("a/IMG_1.jpg", f"a/{edit}"), evidence=Evidence("perceptual", 0.9)))
        assert found[f"a/{edit}"][0] == "an edited picture and its original"
    apple = shelves.settled(shelves.groups(("a/IMG_1234.JPG", "a/IMG_E1234.JPG"), evidence=Evidence("perceptual", 0.9)))
    assert apple["a/IMG_E1234.JPG"][0]


def test_equal_sidecar_goes_along_and_another_keeps_its_picture(shelves) -> None:
    groups = shelves.groups(("a/1.jpg", "b/1.jpg"))
    assert shelves.settled(groups) == {"b/1.jpg": ("", [])}
    for sidecar in ("1.xmp", "1.jpg.xmp", "1.aae", "1.wav"):
        shelves.write(f"a/{sidecar}", b"one")
        assert f"b/{sidecar}" not in names(shelves.settled(groups)), "only the kept one has it"
        shelves.write(f"b/{sidecar}", b"two")
        why, _ = shelves.settled(groups)["b/1.jpg"]
        assert why == f"{sidecar} beside it has no equal beside the kept file"
        shelves.write(f"b/{sidecar}", b"one")
        assert f"b/{sidecar}" in names(shelves.settled(groups))
    assert names(shelves.settled(groups)) == {"b/1.jpg", "b/1.xmp", "b/1.jpg.xmp", "b/1.aae", "b/1.wav"}
    (shelves.root / "a/1.aae").unlink()
    assert names(shelves.settled(groups)) == set(), "an XMP of the same bytes is no AAE"


def test_sidecar_of_two_pictures_moves_with_both_or_stays(shelves) -> None:
    for folder in "ab":
        shelves.write(f"{folder}/1.xmp")
    both = shelves.groups(("a/1.nef", "b/1.nef"), ("a/1.jpg", "b/1.jpg"))
    found = shelves.settled(both)
    assert names(found) == {"b/1.nef", "b/1.jpg", "b/1.xmp"}
    assert [name for name, (_, along) in found.items() if along] == ["b/1.jpg"], "once, with the first"
    # A PNG of that name is another picture and no stack: the sidecar stays with it.
    alone = shelves.groups(("a/2.jpg", "b/2.jpg"))
    for name in ("a/2.xmp", "b/2.xmp", "b/2.png"):
        shelves.write(name)
    assert names(shelves.settled(alone)) == {"b/2.jpg"}


def test_sidecar_of_copies_in_one_folder_stays_with_the_kept_one(shelves) -> None:
    shelves.write("a/1.xmp")
    assert names(shelves.settled(shelves.groups(("a/1.jpg", "a/1.jpeg")))) == {"a/1.jpeg"}


def film(seconds: int, content: bytes = b"") -> bytes:
    mvhd = struct.pack(">I4sIIIII", 28, b"mvhd", 0, 0, 0, 1000, 1000 * seconds)
    body = struct.pack(">I4s", 8 + len(mvhd), b"moov") + mvhd
    return struct.pack(">I4s4sI4s", 20, b"ftyp", b"qt  ", 512, b"qt  ") + body + content


def test_live_photo_takes_its_film_along(shelves) -> None:
    groups = shelves.groups(("a/IMG_1.HEIC", "b/IMG_1.HEIC"))
    shelves.write("b/IMG_1.MOV", film(3))
    assert "IMG_1.MOV" in shelves.settled(groups)["b/IMG_1.HEIC"][0], "the kept one has no film"
    shelves.write("a/IMG_1.MOV", film(3, b"other"))
    assert names(shelves.settled(groups)) == set(), "another film"
    shelves.write("a/IMG_1.MOV", film(3))
    assert names(shelves.settled(groups)) == {"b/IMG_1.HEIC", "b/IMG_1.MOV"}
    shelves.write("b/IMG_1.MOV", film(60))
    assert names(shelves.settled(groups)) == {"b/IMG_1.HEIC"}, "a long film only shares the number"


def test_notes_of_two_exports_are_equal_and_other_notes_are_not(shelves) -> None:
    def notes(views: str, text: str = "at sea") -> bytes:
        told = {"title": "1.jpg", "description": text, "imageViews": views, "photoTakenTime": {"timestamp": "1"}}
        return json.dumps(told).encode()

    groups = shelves.groups(("a/1.jpg", "b/1.jpg"))
    shelves.write("a/1.jpg.json", notes("3"))
    shelves.write("b/1.jpg.json", notes("17"))
    assert names(shelves.settled(groups)) == {"b/1.jpg", "b/1.jpg.json"}
    shelves.write("b/1.jpg.json", notes("17", "in the hills"))
    assert names(shelves.settled(groups)) == set()


@pytest.mark.parametrize("what", ["link", "pipe", "folder"])
def test_companion_that_cannot_be_read_keeps_its_picture(shelves, what) -> None:
    groups = shelves.groups(("a/1.jpg", "b/1.jpg"), ("a/1.nef", "b/1.nef"))
    shelves.write("a/1.xmp")
    target = shelves.root / "b" / "1.xmp"
    if what == "link":
        target.symlink_to(shelves.root / "a" / "1.xmp")
    elif what == "pipe":
        os.mkfifo(target)
    else:
        target.mkdir()  # no file: beside the picture there is none
    found = shelves.settled(groups)
    assert names(found) == ({"b/1.jpg", "b/1.nef"} if what == "folder" else set())


def test_companion_that_vanishes_while_a_plan_is_made_keeps_the_whole_stack(shelves, monkeypatch) -> None:
    from imgsearch.dedup.belonging import moved_together

    groups = shelves.groups(("a/1.jpg", "b/1.jpg"), ("a/1.nef", "b/1.nef"), ("a/2.jpg", "b/2.jpg"))
    for folder in "ab":
        shelves.write(f"{folder}/1.nef.xmp")
    monkeypatch.setattr(moved_together, "_described", lambda path: None)
    found = shelves.settled(groups)
    assert names(found) == {"b/2.jpg"}
    assert found["b/1.nef"][0] == "1.nef.xmp beside it cannot be read"
    assert found["b/1.jpg"][0] == "it belongs to 1.nef, which stays"


def test_names_that_are_no_text_keep_their_companions(shelves) -> None:
    groups = shelves.groups((b"a/\xff1.jpg", b"b/\xff1.jpg"))
    for folder in (b"a", b"b"):
        shelves.write(folder + b"/\xff1.xmp")
    assert names(shelves.settled(groups)) == {os.fsdecode(b"b/\xff1.jpg"), os.fsdecode(b"b/\xff1.xmp")}
    shelves.write(b"b/\xff1.cr2")
    assert names(shelves.settled(groups)) == set()


def test_derived_document_is_a_stack_whatever_its_name(shelves) -> None:
    shelves.traits = {
        1: FileTraits(document="xmp.did:source"),
        2: FileTraits(document="xmp.did:made", derived_from="xmp.did:source"),
    }
    found = shelves.settled(shelves.groups(("a/one.jpg", "b/two.jpg"), evidence=Evidence("pixels", 1.0)))
    assert found["b/two.jpg"][0] == "an edited picture and its original"


def test_what_is_only_shown_stays_what_it_is(shelves) -> None:
    keeper, member = shelves.copy("a/1.jpg", 1), shelves.copy("b/2.jpg", 2)
    shown = Member(member, Evidence("near", 0.8), False, "it has more pixels")
    ((found,),) = [group.members for group in Belongings().settled(lambda: iter([Group(keeper, "", (shown,))]))]
    assert found == shown


def test_attached_counts_the_stack_and_the_companions(shelves) -> None:
    shelves.write("a/1.jpg")
    assert Belongings().attached(shelves.copy("a/1.jpg", 1).path) == 0
    for name in ("a/1.nef", "a/1.xmp", "a/1-edited.jpg", "a/2.jpg"):
        shelves.write(name)
    assert Belongings().attached(shelves.copy("a/1.jpg", 1).path) == 3


def test_groups_that_are_too_many_to_hold_are_made_again(shelves, monkeypatch) -> None:
    shelves.write("b/IMG_1.CR2")
    groups = shelves.groups(("a/IMG_1.JPG", "b/IMG_1.JPG"), ("a/2.png", "b/2.png"), ("a/3.png", "b/3.png"))
    calls = []

    def made():
        calls.append(1)
        return iter(groups)

    held = list(Belongings().settled(made))
    assert len(calls) == 1
    monkeypatch.setattr(moved_together, "_MOST_HELD", 2)
    assert list(Belongings().settled(made)) == held
    assert len(calls) == 3
