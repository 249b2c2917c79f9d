"""What may be moved for what: never a file that has anything which the kept one lacks."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest
from desks import make_copy
from grouped import grouped
from hypothesis import given, settings
from hypothesis import strategies as st

from imgsearch.dedup.evidence.records import Copy, Evidence, Member, Pair
from imgsearch.dedup.groups.keep import DEFAULT, WORDS, parse_keep, rank, reason
from imgsearch.dedup.groups.worth import ORDER_WORDS, Judgement, Worth
from imgsearch.media.samples.whole import FileTraits
from imgsearch.storage.evidence.rows import Judged

PIXELS, ALIKE = Evidence("pixels", 1.0), Evidence("perceptual", 0.97)
PLAIN = FileTraits(lossless=False)
KINDS = ("date", "camera", "place", "words", "rating", "people")


def judgement_of(worths: dict[int, Worth], judged: dict | None = None) -> Judgement:
    return Judgement(worths.__getitem__, judged or {}, lambda path: 0)


def pair(keeper: FileTraits | Worth, member: FileTraits | Worth, evidence: Evidence = ALIKE, **how) -> str:
    """Why a member of equal size stays; ``how``: facts of the member."""
    known = [each if isinstance(each, Worth) else Worth(each) for each in (keeper, member)]
    judgement = judgement_of({1: known[0], 2: known[1]})
    return judgement.stays(make_copy("/p/keeper", 1), make_copy("/p/member", 2, **how), evidence)


MORE = {
    "film": {"film": True},
    "maps": {"maps": 1},
    "images": {"images": 2},
    "depth": {"depth": 16},
    "half float": {"depth": 32},
    "alpha": {"has_alpha": True},
    "profile": {"profile": "Display P3 0123abcd"},
    "lossless": {"lossless": True},
    "other data": {"other_data": {"0a1b": "data behind its picture"}},
    **{kind: {"told": frozenset({kind})} for kind in KINDS},
}
IN_ALL = ("film", "maps", "other data", *KINDS)
"""What equal samples say nothing of."""


@pytest.mark.parametrize("what", MORE)
def test_member_with_more_stays_and_the_one_without_may_go(what) -> None:
    rich = replace(PLAIN, **MORE[what])
    assert pair(rich, PLAIN) == ""
    assert pair(PLAIN, rich)
    assert bool(pair(PLAIN, rich, PIXELS)) == (what in IN_ALL)
    assert pair(rich, PLAIN, PIXELS) == ""


@pytest.mark.parametrize("what", MORE)
def test_each_has_what_the_other_lacks_and_both_stay(what) -> None:
    other = "place" if what != "place" else "rating"
    one, two = replace(PLAIN, **MORE[what]), replace(PLAIN, told=frozenset({other}))
    assert pair(one, two)
    assert pair(two, one)


def test_member_with_more_pixels_stays() -> None:
    assert pair(PLAIN, PLAIN, width=11)
    assert pair(PLAIN, PLAIN, width=10) == "" == pair(PLAIN, PLAIN, width=5)


def test_less_compressed_member_stays() -> None:
    assert pair(PLAIN, PLAIN, size_bytes=160) == "it is less compressed"
    assert pair(PLAIN, PLAIN, size_bytes=140) == ""
    assert pair(PLAIN, PLAIN, size_bytes=160, width=5) == "", "a smaller picture"
    assert pair(replace(PLAIN, lossless=True), PLAIN, size_bytes=160) == "", "the kept one keeps every sample"


def test_two_lossless_files_of_other_samples_both_stay() -> None:
    exact = replace(PLAIN, lossless=True)
    assert pair(exact, exact) and pair(exact, exact, PIXELS) == ""
    assert pair(exact, exact, width=5) == "", "a smaller picture made of it"


def test_bits_and_transparency_are_those_that_samples_use() -> None:
    empty = Worth(FileTraits(depth=16, has_alpha=True, lossless=False), transparent=False, depth=8)
    assert pair(PLAIN, empty) == "", "16 bits made of 8, and an alpha that is opaque"
    used = Worth(FileTraits(depth=16, has_alpha=True, lossless=False), transparent=True, depth=16)
    assert pair(PLAIN, used) and pair(empty, used)
    assert pair(used, empty) == ""


def test_file_that_could_not_be_read_stays_and_keeps_nothing() -> None:
    for evidence in (PIXELS, ALIKE, Evidence("near", 0.9)):
        assert pair(Worth(None), PLAIN, evidence) and pair(PLAIN, Worth(None), evidence)
    assert pair(Worth(None), Worth(None), Evidence("bytes", 1.0)) == ""


def test_metadata_that_contradict_keep_a_member_even_of_equal_pixels() -> None:
    one, other = (replace(PLAIN, taken=f"2024-05-03T12:00:0{second}", camera="A B") for second in (0, 1))
    for evidence in (PIXELS, ALIKE):
        assert pair(one, other, evidence) and pair(one, replace(other, taken=""), evidence) == ""
    judgement = judgement_of({1: Worth(PLAIN), 2: Worth(PLAIN)})
    here, near, far = (make_copy("/p/x", number, latitude=50.0 + north, longitude=8.0) for number, north in PLACES)
    assert judgement.stays(here, near, PIXELS) == ""
    assert judgement.stays(here, far, PIXELS)


PLACES = ((1, 0.0), (2, 0.001), (2, 0.1))


def test_turned_copy_is_shown_and_not_moved() -> None:
    for orientation in range(2, 9):
        assert pair(PLAIN, PLAIN, replace(ALIKE, orientation=orientation))


@pytest.mark.parametrize("signs", range(4))
def test_altered_copy_goes_only_where_two_signs_name_the_source(signs) -> None:
    keeper = replace(PLAIN, told=frozenset({"date"}) if signs > 0 else frozenset())
    member = replace(PLAIN, software="Adobe Photoshop 25" if signs > 1 else "")
    size = 7 if signs > 2 else 10
    judgement = judgement_of({1: Worth(keeper), 2: Worth(member)}, {(1, 2): Judged(True, "recoloured", True)})
    stays = judgement.stays(make_copy("/p/keeper", 1), make_copy("/p/member", 2, width=size), ALIKE)
    assert bool(stays) == (signs < 2)
    member = replace(member, told=frozenset({"date"}))
    keeper = replace(keeper, software="GIMP 2.10")
    judgement = judgement_of({1: Worth(keeper), 2: Worth(member)}, {(1, 2): Judged(True, "recoloured", True)})
    assert judgement.stays(make_copy("/p/keeper", 1), make_copy("/p/member", 2, width=size), ALIKE)


def test_enlarged_copy_never_takes_the_place_of_its_source_for_its_size() -> None:
    rich = replace(PLAIN, told=frozenset({"date"}))
    judged = {(1, 2): Judged(True, "perhaps enlarged", True)}
    large, small = make_copy("/p/large", 1, width=40), make_copy("/p/small", 2)
    assert judgement_of({1: Worth(PLAIN), 2: Worth(PLAIN)}, judged).stays(large, small, ALIKE)
    assert judgement_of({1: Worth(rich), 2: Worth(PLAIN)}, judged).stays(large, small, ALIKE)


told = st.frozensets(st.sampled_from([*KINDS, "history"]), max_size=3)
traits = st.builds(
    FileTraits,
    images=st.sampled_from([1, 1, 2]),
    depth=st.sampled_from([1, 8, 8, 16]),
    has_alpha=st.booleans(),
    profile=st.sampled_from(["", "", "Display P3 01", "Adobe RGB 02"]),
    lossless=st.sampled_from([None, True, False, False]),
    film=st.sampled_from([False, False, True]),
    maps=st.integers(0, 1),
    taken=st.sampled_from(["", "2024-05-03T12:00:00"]),
    camera=st.sampled_from(["", "A B"]),
    software=st.sampled_from(["", "GIMP"]),
    told=told,
)
worths = st.builds(
    Worth, st.one_of(st.none(), traits, traits, traits), st.sampled_from([None, True, False]), st.just(None)
)
sides = st.sampled_from([8, 10, 12])


def copies_of(data, count: int) -> tuple[list[Copy], Judgement]:
    known = {number: data.draw(worths) for number in range(1, count + 1)}
    files = [
        make_copy(
            f"/p/{number}",
            number,
            width=data.draw(sides),
            size_bytes=data.draw(st.sampled_from([100, 140, 200])),
            mtime_ns=data.draw(st.integers(0, 2)),
        )
        for number in known
    ]
    keys = list(itertools.combinations(known, 2))
    judged = {key: Judged(True, "recoloured", True) for key in keys if data.draw(st.booleans())}
    return files, judgement_of(known, judged)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_what_may_go_has_nothing_that_the_keeper_lacks(data) -> None:
    (keeper, member), judgement = copies_of(data, 2)
    evidence = data.draw(st.sampled_from([PIXELS, ALIKE, Evidence("near", 0.9)]))
    if judgement.stays(keeper, member, evidence):
        return
    ours, theirs = judgement.worth_of(1), judgement.worth_of(2)
    mine, its = ours.traits, theirs.traits
    assert mine is not None and its is not None
    assert its.told - {"history"} <= mine.told
    assert its.film <= mine.film and its.maps <= mine.maps
    if evidence.tier != "pixels":
        assert its.images <= mine.images
        assert theirs.bits <= ours.bits
        assert theirs.alpha <= ours.alpha
        assert its.profile in ("", mine.profile)
        assert member.facts.width * member.facts.height <= 1.02 * keeper.facts.width * keeper.facts.height
        assert not (its.lossless and not mine.lossless and member.facts.width == keeper.facts.width)


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_order_is_one_whatever_order_the_copies_come_in(data) -> None:
    files, judgement = copies_of(data, data.draw(st.integers(2, 5)))
    words = data.draw(st.permutations([word for word in WORDS if word != "folder:NAME"]))
    rule = parse_keep(",".join(words))
    expected = rank(files, rule, judgement)
    assert rank(data.draw(st.permutations(files)), rule, judgement) == expected
    for better, worse in itertools.combinations(expected, 2):
        assert judgement.order_of(better) <= judgement.order_of(worse), "no wish outweighs what a copy loses"
        assert reason(better, [worse], rule, judgement) != "the only one"


def test_order_has_words_for_each_place() -> None:
    assert len(judgement_of({1: Worth(PLAIN)}).order_of(make_copy("/p/x", 1))) == len(ORDER_WORDS)


ORDERED = ("images", "film", "maps", "depth", "alpha", "profile")


@pytest.mark.parametrize("text", [DEFAULT, "smallest", "newest,smallest", "folder:poor", "lossless,shortest"])
@pytest.mark.parametrize("what", [*ORDERED, "pixels", "date"])
def test_keep_rule_cannot_outweigh_what_a_copy_loses(what, text) -> None:
    more = MORE.get(what, {})
    rich = make_copy("/p/rich and long/a.jpg", 1, width=20 if what == "pixels" else 10, size_bytes=900, mtime_ns=1)
    poor = make_copy("/p/poor/a.png", 2, size_bytes=100, mtime_ns=9, format="PNG")
    judgement = judgement_of({1: Worth(replace(PLAIN, **more)), 2: Worth(replace(PLAIN))})
    assert rank([poor, rich], parse_keep(text), judgement) == [rich, poor]
    if what in ORDERED:
        assert reason(rich, [poor], parse_keep(text), judgement) == ORDER_WORDS[ORDERED.index(what)]


def test_reference_folder_comes_first_and_a_richer_file_is_then_not_moved() -> None:
    rich, poor = make_copy("/p/rich.jpg", 1, width=20), make_copy("/ref/poor.jpg", 2)
    judgement = judgement_of({1: Worth(replace(PLAIN, film=True)), 2: Worth(PLAIN)})
    rule = parse_keep(DEFAULT, ["/ref"])
    assert rank([rich, poor], rule, judgement) == [poor, rich]
    (group,) = grouped(
        [Pair(1, 2, ALIKE)],
        lambda ids: {number: [[rich, poor][number - 1]] for number in ids},
        rule,
        judgement=judgement,
    )
    (member,) = group.members
    assert group.keeper == poor and member.copy == rich
    assert not member.move and member.stays


def test_numbers_of_a_palette_are_kept() -> None:
    mask, renumbered = (replace(PLAIN, palette=digest) for digest in ("0a", "1b"))
    assert pair(mask, PLAIN, PIXELS) == pair(mask, mask, PIXELS) == ""
    assert pair(PLAIN, mask, PIXELS) and pair(mask, renumbered, PIXELS)
    assert pair(PLAIN, mask) == ""


def test_attached_files_decide_between_equals() -> None:
    alone, stacked = make_copy("/p/a.jpg", 1), make_copy("/q/a.jpg", 2)
    judgement = Judgement(lambda number: Worth(PLAIN), attached={"/q/a.jpg": 1, "/p/a.jpg": 0}.__getitem__)
    assert rank([alone, stacked], parse_keep(), judgement) == [stacked, alone]
    assert reason(stacked, [alone], parse_keep(), judgement) == "has files that belong to it"


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_groups_move_only_what_the_judgement_lets_go(data) -> None:
    files, judgement = copies_of(data, 4)
    pairs = [
        Pair(one, other, data.draw(st.sampled_from([PIXELS, ALIKE])))
        for one, other in itertools.combinations(range(1, 5), 2)
        if data.draw(st.booleans())
    ]
    groups = list(
        grouped(pairs, lambda ids: {number: [files[number - 1]] for number in ids}, parse_keep(), judgement=judgement)
    )
    seen = [group.keeper.path for group in groups] + [one.copy.path for group in groups for one in group.members]
    assert len(seen) == len(set(seen))
    linked = {image for pair in pairs for image in (pair.first, pair.second)}
    assert {int(path.rpartition("/")[2]) for path in seen} == linked, "each picture of a pair is shown"
    for group in groups:
        for member in group.members:
            assert member.move == (moves(judgement, group.keeper, member) and not member.stays)


def moves(judgement: Judgement, keeper: Copy, member: Member) -> bool:
    return judgement.stays(keeper, member.copy, member.evidence) == ""
