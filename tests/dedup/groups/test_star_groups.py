"""Groups against a brute force that knows nothing of components, and the promises made of them."""

from __future__ import annotations

import os
import random
from itertools import combinations
from pathlib import Path

import pytest
from grouped import grouped
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgsearch.dedup.evidence.records import ACTED_ON, NEVER_MOVED, TIERS, Evidence, Pair
from imgsearch.dedup.groups import components
from imgsearch.dedup.groups.keep import parse_keep
from imgsearch.dedup.groups.star_groups import seen_from_second, tell_links

RULE = parse_keep("resolution,oldest", ["/ref"])


def brute_groups(pairs, files, rule, distinct, acted_on):
    """The definition, image by image over the whole library: [(keeper path, {member path: (tier, moved)})]."""
    strength = {(min(p.first, p.second), max(p.first, p.second)): p.evidence.tier for p in pairs}
    for pair in pairs:
        key = (pair.first, pair.second)
        strength[key] = min(strength[key], pair.evidence.tier, key=TIERS.index)
    score = {}
    for pair in pairs:
        if pair.evidence.tier == strength[pair.first, pair.second]:
            score[pair.first, pair.second] = max(score.get((pair.first, pair.second), 0), pair.evidence.score)
    best = {number: min(ones, key=rule.order_of) for number, ones in files.items()}
    order = sorted(best, key=lambda number: rule.order_of(best[number]))
    digest = {number: ones[0].facts.content_hash for number, ones in files.items()}
    member_of, members = {}, {number: {} for number in order}

    def apart(one, other):
        return frozenset((digest[one], digest[other])) in distinct

    for stage in [set(acted_on), *({tier} for tier in TIERS if tier not in acted_on)]:
        for keeper in order:
            if keeper in member_of:
                continue
            if stage == set(acted_on) and not apart(keeper, keeper):
                for one in files[keeper]:
                    if one != best[keeper] and not rule.is_reference(one):
                        members[keeper][one.path] = ("bytes", "bytes" in acted_on)
            near = [(TIERS.index(t), -score[key], sum(key) - keeper) for key, t in strength.items() if keeper in key]
            for tier, _, other in sorted(near):
                inside = [keeper, *(number for number, owner in member_of.items() if owner == keeper)]
                if (
                    TIERS[tier] in stage
                    and other in best
                    and order.index(other) > order.index(keeper)
                    and other not in member_of
                    and not members[other]
                    and not rule.is_reference(best[other])
                    and not any(apart(other, one) for one in inside)
                ):
                    member_of[other] = keeper
                    for one in files[other]:
                        if one == best[other] or not apart(other, other):
                            members[keeper][one.path] = (TIERS[tier], TIERS[tier] in acted_on)
    for number in order:  # left over: shown beside the picture that it is most like
        if number in member_of or members[number] or rule.is_reference(best[number]):
            continue
        near = [(TIERS.index(t), -score[key], sum(key) - number) for key, t in strength.items() if number in key]
        for tier, _, other in sorted(near):
            keeper = member_of.get(other, other if members.get(other) else None)
            inside = [keeper, *(one for one, owner in member_of.items() if owner == keeper)]
            if keeper and TIERS[tier] not in NEVER_MOVED and not any(apart(number, one) for one in inside):
                member_of[number] = keeper
                for one in files[number]:
                    if one == best[number] or not apart(number, number):
                        members[keeper][one.path] = (TIERS[tier], False)
                break
    return sorted((best[number].path, own) for number, own in members.items() if own)


def as_found(found):
    return sorted(
        (group.keeper.path, {one.copy.path: (one.evidence.tier, one.move) for one in group.members}) for group in found
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**9), images=st.integers(1, 12), chance=st.floats(0.05, 0.9), at_once=st.integers(1, 20))
def test_groups_equal_the_definition(copy, monkeypatch, seed, images, chance, at_once):
    monkeypatch.setattr(components, "AT_ONCE", at_once)
    draw = random.Random(seed)
    files = {}
    for number in range(1, images + 1):
        if draw.random() < 0.05:
            continue  # its files are gone since it was compared
        places = ["/ref" if draw.random() < 0.1 else "/p" for _ in range(draw.choice([1, 1, 1, 2, 3]))]
        width = draw.randint(1, 3)
        files[number] = [
            copy(f"{place}/{number}-{k}", number, width=width, mtime_ns=draw.randint(1, 3))
            for k, place in enumerate(places)
        ]
    pairs = [
        Pair(one, other, Evidence(draw.choice(TIERS), draw.choice([0.5, 0.75, 1.0])))
        for one, other in combinations(range(1, images + 1), 2)
        if draw.random() < chance
        for _ in range(draw.choice([1, 1, 2]))
    ]
    hashes = {number: ones[0].facts.content_hash for number, ones in files.items()}
    distinct = {
        frozenset((hashes[one], hashes[other]))
        for one in hashes
        for other in hashes
        if one <= other and draw.random() < 0.08
    }
    acted_on = draw.choice([ACTED_ON, (*ACTED_ON, "near"), ("bytes",)])
    arguments = {
        "several": [number for number, ones in files.items() if len(ones) > 1],
        "distinct": lambda asked: {said for said in distinct if said <= set(asked)},
        "acted_on": acted_on,
    }
    found = list(grouped(pairs, lambda ids: {n: files[n] for n in ids if n in files}, RULE, **arguments))
    assert as_found(found) == brute_groups(pairs, files, RULE, distinct, acted_on)
    draw.shuffle(pairs)
    mixed = {number: draw.sample(ones, len(ones)) for number, ones in files.items()}
    again = list(grouped(pairs, lambda ids: {n: mixed[n] for n in ids if n in mixed}, RULE, **arguments))
    assert as_found(again) == as_found(found)
    check_promises(found, pairs, distinct)


def check_promises(found, pairs, distinct):
    linked = {(pair.first, pair.second) for pair in pairs}
    seen = set()
    for group in found:
        paths = [group.keeper.path, *(member.copy.path for member in group.members)]
        assert not seen & set(paths), "a file is in one group"
        seen |= set(paths)
        for member in group.members:
            one, other = sorted((group.keeper.image_id, member.copy.image_id))
            direct = one == other or (one, other) in linked
            assert direct or (member.stays and not member.move), "what is moved has its own pair with the keeper"
            assert not RULE.is_reference(member.copy)
            assert member.stays or RULE.order_of(group.keeper) < RULE.order_of(member.copy)
        contents = {group.keeper.facts.content_hash, *(one.copy.facts.content_hash for one in group.members)}
        assert not any(frozenset(two) in distinct for two in combinations(contents, 2))


def test_chain_falls_into_groups_of_direct_pairs(copy):
    files = {number: [copy(f"/p/{number}", number, width=100 - number)] for number in range(1, 8)}
    pairs = [Pair(number, number + 1, Evidence("perceptual", 0.9)) for number in range(1, 7)]
    found = list(grouped(pairs, lambda ids: {number: files[number] for number in ids}, RULE))
    wanted = [(f"/p/{n}", {f"/p/{n + 1}": ("perceptual", True)}) for n in (1, 3, 5)]
    wanted[2][1]["/p/7"] = ("perceptual", False)  # the last is compared with no kept picture
    assert as_found(found) == wanted
    assert {group.picture for group in found} == {1}, "the three show one picture"


def test_evidence_is_told_from_the_keeper(copy):
    files = {1: [copy("/p/1", 1)], 2: [copy("/p/2", 2, width=99)]}
    pair = Pair(
        1, 2, Evidence("near", 0.8, orientation=6, hamming=3, difference=0.25, overlap=0.5, similarity=0.9, seconds=2.0)
    )
    (group,) = grouped([pair], lambda ids: files, RULE, acted_on=TIERS[:4])
    assert group.keeper.image_id == 2
    assert group.members[0].evidence == Evidence("near", 0.8, 8, 3, 0.25, None, 0.9, 2.0)
    for orientation in range(1, 9):
        there_and_back = seen_from_second(seen_from_second(Evidence("near", 1.0, orientation)))
        assert there_and_back.orientation == orientation


def test_turn_back_is_what_undoes_the_turn():
    from PIL import Image, ImageOps

    picture = Image.frombytes("L", (3, 2), bytes(range(6)))

    def turned(image, orientation):
        exif = image.getexif()
        exif[0x0112] = orientation
        return ImageOps.exif_transpose(image)

    for orientation in range(1, 9):
        back = seen_from_second(Evidence("near", 1.0, orientation)).orientation
        undone = turned(turned(picture.copy(), orientation).copy(), back)
        assert (undone.size, undone.tobytes()) == (picture.size, picture.tobytes()), orientation


def test_copies_are_asked_for_in_bounded_batches(copy, monkeypatch):
    monkeypatch.setattr(components, "AT_ONCE", 10)
    asked = []

    def copies(ids):
        asked.append(len(ids))
        return {number: [copy(f"/p/{number}", number)] for number in ids}

    pairs = [Pair(number, number + 1, Evidence("pixels", 1.0)) for number in range(1, 200, 2)]
    assert len(list(grouped(pairs, copies, RULE))) == 100
    assert max(asked) <= 11
    assert sum(asked) == 200


def test_nothing_in_gives_nothing_out(copy):
    assert list(grouped([], lambda ids: {}, RULE)) == []
    assert list(grouped([Pair(1, 2, Evidence("pixels", 1.0))], lambda ids: {}, RULE)) == []


def test_other_names_of_the_keepers_file_are_told_apart(desk):
    desk.write("a.jpg", b"same")
    os.link(desk.root / "a.jpg", desk.root / "b.jpg")
    desk.write("c.jpg", b"same")
    copies = [desk.copy(name) for name in ("a.jpg", "b.jpg", "c.jpg")]
    (group,) = grouped([], lambda ids: {1: copies}, parse_keep("oldest"), several=[1])
    (told,) = tell_links([group])
    assert told.keeper.links == 2
    assert [(Path(one.copy.path).name, one.copy.links, one.move) for one in told.members] == [
        ("b.jpg", 2, False),
        ("c.jpg", 1, True),
    ]
    (desk.root / "c.jpg").unlink()
    (told,) = tell_links([group])
    assert [one.move for one in told.members] == [False, True], "what cannot be looked at is left to apply"


@pytest.mark.parametrize("acted_on", [ACTED_ON, (*ACTED_ON, "near")])
def test_weaker_likeness_takes_nothing_out_of_a_stronger_group(copy, acted_on):
    files = {number: [copy(f"/p/{number}", number, width=10 - number)] for number in (1, 2, 3)}
    pairs = [Pair(1, 2, Evidence("semantic", 0.9)), Pair(2, 3, Evidence("pixels", 1.0))]
    found = list(grouped(pairs, lambda ids: files, RULE, acted_on=acted_on))
    assert as_found(found) == [("/p/2", {"/p/3": ("pixels", True)})]
