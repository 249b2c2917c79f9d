"""Decisions about groups, and the plan that comes of them."""

from __future__ import annotations

import hashlib
import multiprocessing
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgsearch.dedup.evidence.records import Copy, Evidence, Group, Member
from imgsearch.dedup.plan.records import Plan, make_plan
from imgsearch.dedup.plan.review import (
    Decision,
    Decisions,
    accepted_plan,
    content_pairs,
    decided,
    file_key,
    group_key,
    mark_applied,
    mark_undone,
    stored_evidence,
)
from imgsearch.errors import UsageError
from imgsearch.records import MediaFacts
from imgsearch.storage.evidence.rows import PairRow
from imgsearch.storage.evidence.store import EvidenceStore

TIERS_SHOWN = ("pixels", "perceptual", "near", "semantic")


def copy(number: int, image: int | None = None, folder: str = "/photos") -> Copy:
    """File ``number`` of image ``image``."""
    image = number if image is None else image
    facts = MediaFacts(f"{image:064x}", image, 100, 80, "JPEG", 1000 + image)
    return Copy(f"{folder}/{number}.jpg", 2 if folder == "/kept" else 1, image, 1000 + image, 5, facts)


def member(one: Copy, tier: str = "perceptual", orientation: int = 1) -> Member:
    return Member(
        one, Evidence(tier, 1.0 if tier == "bytes" else 0.9, orientation), tier in ("bytes", "pixels", "perceptual")
    )


def alone(_: int, others: Sequence[int]) -> Mapping[int, Evidence]:
    """Nothing else was compared."""
    return {}


GROUP = Group(
    copy(1),
    "larger",
    (member(copy(11, 1), "bytes"), member(copy(2), "perceptual", 6), member(copy(3)), member(copy(4), "near")),
)


def paths(group: Group | None) -> list[str]:
    return [] if group is None else [one.copy.path for one in group.members]


def plan_of(*groups: Group) -> Plan:
    return make_plan(groups, {1: "/photos", 2: "/kept"})


def test_keeper_is_changed_for_what_was_compared_with_it_alone() -> None:
    """2 becomes the keeper: 1 and its other file were compared with it, 3 and 4 were not; with a pair, 4 was."""
    chosen = Decision(keeper=file_key(copy(2)))
    group = decided(GROUP, chosen, alone)
    assert group is not None and group.keeper == copy(2) and paths(group) == ["/photos/1.jpg", "/photos/11.jpg"]
    assert [one.evidence.orientation for one in group.members] == [8, 8] and all(one.move for one in group.members)
    more = decided(GROUP, chosen, lambda image, others: {4: Evidence("near", 0.8)} if image == 2 else {})
    assert paths(more) == ["/photos/1.jpg", "/photos/11.jpg", "/photos/4.jpg"]
    assert [one.move for one in more.members] == [True, True, False]  # type: ignore[union-attr]


def test_keeper_of_the_same_content_keeps_the_evidence() -> None:
    group = decided(
        GROUP, Decision(keeper=file_key(copy(11, 1))), lambda image, others: {2: Evidence("perceptual", 0.9, 6)}
    )
    assert paths(group) == ["/photos/1.jpg", "/photos/2.jpg"] and group is not None
    assert group.members[0].evidence == Evidence("bytes", 1.0) and group.members[1].evidence.orientation == 6


def test_reference_file_is_never_moved_for_another_keeper() -> None:
    kept = Group(copy(7, folder="/kept"), "in a reference folder", (member(copy(8)),))
    group = decided(kept, Decision(keeper=file_key(copy(8))), alone, ["/kept"])
    assert group is not None and group.keeper == copy(8) and not group.members[0].move
    asked = Decision(keeper=file_key(copy(8)), move=(file_key(kept.keeper),))
    group = decided(kept, asked, alone, ["/kept"])
    assert group is not None and not group.members[0].move
    plan = replace(plan_of(kept), options={"reference": "/elsewhere\n/kept"})
    accepted = {group_key(kept): Decision("accepted", file_key(copy(8)))}
    assert accepted_plan(plan, accepted, alone).groups == ()


def test_files_stay_move_and_leave_as_decided() -> None:
    stay, go, leave = file_key(copy(3)), file_key(copy(4)), file_key(copy(2))
    group = decided(GROUP, Decision(stay=(stay,), move=(go,), apart=(leave,)), alone)
    assert group is not None
    assert {one.copy.path: one.move for one in group.members} == {
        "/photos/11.jpg": True,
        "/photos/3.jpg": False,
        "/photos/4.jpg": True,
    }
    scene = Group(copy(1), "", (member(copy(5), "semantic"),))
    shown = decided(scene, Decision(move=(file_key(copy(5)),)), alone)
    assert shown is not None and not shown.members[0].move


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_accepted_plan_makes_sense_whatever_was_decided(data: st.DataObject) -> None:
    """`check_plan` takes it, its files are the plan's own, no group is in it that was not accepted, and nothing of a
    reference folder moves."""
    groups = []
    for number in range(0, 30, 10):
        folders = st.sampled_from(["/photos", "/kept"])
        tiers = data.draw(st.lists(st.sampled_from(TIERS_SHOWN), min_size=1, max_size=4))
        members = tuple(member(copy(number + at), tier) for at, tier in enumerate(tiers, 2))
        keeper = copy(number + 1, folder=data.draw(folders))
        groups.append(Group(keeper, "", (*members, member(replace(copy(number + 9, number + 2)), tiers[0]))))
    plan = replace(plan_of(*groups), options={"reference": "/kept"})
    decisions = {}
    for group in groups:
        some = st.lists(st.sampled_from([file_key(group.keeper), *(file_key(one.copy) for one in group.members)])).map(
            tuple
        )
        keeper = data.draw(st.sampled_from(["", "nowhere", *(file_key(one.copy) for one in group.members)]))
        state = data.draw(st.sampled_from(["accepted", "accepted", "open", "distinct", "applied"]))
        decisions[group_key(group)] = Decision(state, keeper, data.draw(some), data.draw(some), data.draw(some))

    def some_evidence(image: int, others: Sequence[int]) -> Mapping[int, Evidence]:
        return {other: Evidence(TIERS_SHOWN[(image + other) % 4], 0.9) for other in others if (image * other) % 3}

    found = accepted_plan(plan, decisions, some_evidence)
    known = {one.path: group_key(group) for group in groups for one in (group.keeper, *(m.copy for m in group.members))}
    for group in found.groups:
        assert decisions[known[group.keeper.path]].state == "accepted"
        for one in group.members:
            assert known[one.copy.path] == known[group.keeper.path]
            assert not (one.move and one.copy.path.startswith("/kept/"))
            assert not (one.move and one.evidence.tier == "semantic")
            assert not (one.move and file_key(one.copy) in decisions[known[one.copy.path]].apart)


def test_group_key_changes_with_all_that_is_decided_about() -> None:
    first = GROUP.members[0]
    others = [
        replace(GROUP, keeper=copy(9)),
        replace(GROUP, members=GROUP.members[1:]),
        replace(GROUP, members=(replace(first, move=False), *GROUP.members[1:])),
        replace(GROUP, members=(replace(first, evidence=Evidence("pixels", 1.0)), *GROUP.members[1:])),
        replace(GROUP, keeper=replace(copy(1), facts=replace(copy(1).facts, content_hash="f" * 64))),
    ]
    assert len({group_key(group) for group in [GROUP, *others]}) == 1 + len(others)
    assert group_key(replace(GROUP, reason="other words")) == group_key(GROUP)


def test_content_pairs_tell_every_two_apart() -> None:
    hashes = [f"{image:064x}" for image in (1, 2, 3, 4)]
    every = {(one, other) for one in hashes for other in hashes if one < other} | {(hashes[0], hashes[0])}
    assert set(content_pairs(GROUP)) == every
    of_three = {(one, hashes[2]) for one in hashes[:2]} | {(hashes[2], hashes[3])}
    assert set(content_pairs(GROUP, [file_key(copy(3))])) == of_three
    large = Group(copy(1), "", tuple(member(copy(number)) for number in range(2, 60)))
    assert len(content_pairs(large)) == 58


def test_decisions_are_read_as_they_were_written(tmp_path: Path) -> None:
    store = Decisions(tmp_path)
    assert store.read() == {}
    with store.changing() as found:
        found |= {
            "a": Decision("accepted", "k", ("s",), ("m",), ("x", "y")),
            "b": Decision(),
            "c": Decision("applied", run_id="7"),
        }
    read = store.read()
    assert read == {"a": Decision("accepted", "k", ("s",), ("m",), ("x", "y")), "c": Decision("applied", run_id="7")}
    with pytest.raises(RuntimeError), store.changing() as found:
        found.clear()
        raise RuntimeError("no")
    assert store.read() == read


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"version": 2, "groups": {}}', '{"version": 1, "groups": {"a": {"state": "x"}}}']
)
def test_decisions_that_are_damaged_are_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "review.json").write_text(text)
    with pytest.raises(UsageError, match="cannot be read as decisions"):
        Decisions(tmp_path).read()


def _add(folder: str, name: str) -> None:
    for at in range(20):
        with Decisions(Path(folder)).changing() as found:
            found[f"{name}{at}"] = Decision("accepted")


def test_decisions_of_two_processes_are_all_kept(tmp_path: Path) -> None:
    others = [multiprocessing.get_context("spawn").Process(target=_add, args=(str(tmp_path), name)) for name in "ab"]
    for other in others:
        other.start()
    for other in others:
        other.join(60)
    assert len(Decisions(tmp_path).read()) == 40


def test_groups_are_marked_when_their_files_are_gone_and_come_back(tmp_path: Path) -> None:
    def group(number: int) -> Group:
        found = [copy(number + at, folder=str(tmp_path)) for at in range(2)]
        for one in found:
            Path(one.path).write_bytes(b"x")
        return Group(found[0], "", (member(found[1]),))

    gone, there, undecided = group(10), group(20), group(30)
    plan = make_plan([gone, there, undecided], {1: tmp_path})
    decisions = {group_key(one): Decision("accepted", stay=("s",)) for one in (gone, there)}
    Path(gone.members[0].copy.path).unlink()
    Path(undecided.members[0].copy.path).unlink()
    assert mark_applied(decisions, plan, "run-1") == 1
    assert decisions == {
        group_key(gone): Decision("applied", stay=("s",), run_id="run-1"),
        group_key(there): Decision("accepted", stay=("s",)),
    }
    mark_undone(decisions, "run-2")
    assert decisions[group_key(gone)].state == "applied"
    mark_undone(decisions, "run-1")
    assert decisions[group_key(gone)] == Decision("open", stay=("s",))


def test_stored_evidence_is_seen_from_the_picture_that_is_asked_for(tmp_path: Path) -> None:
    with EvidenceStore(tmp_path) as store:
        store.add_pairs(
            [PairRow(1, 5, "near", 0.9, 6, cover=0.5), PairRow(5, 8, "pixels", 1.0, 6), PairRow(2, 5, "near", 1.0)]
        )
        found = stored_evidence(store)(5, [1, 8, 9])
    assert found == {1: Evidence("near", 0.9, 8), 8: Evidence("pixels", 1.0, 6)}


def test_old_keeper_takes_what_belongs_to_it_along(tmp_path: Path) -> None:
    """The plan names companions of what it moves; the file that it keeps may have some too."""
    one, other = copy(1, folder=str(tmp_path)), copy(2, folder=str(tmp_path))
    group = Group(one, "larger", (member(other),))
    for found in (one, other):
        Path(found.path).write_bytes(b"x")
    (tmp_path / "1.xmp").write_bytes(b"stars")
    plan = make_plan([group], {1: tmp_path})
    chosen = {group_key(group): Decision("accepted", file_key(other))}
    (left,) = accepted_plan(plan, chosen, alone).groups
    (moved,) = left.members
    assert (moved.copy, moved.move) == (one, True)
    (along,) = moved.companions
    assert (along.path, along.size_bytes) == (str(tmp_path / "1.xmp"), 5)
    assert along.sha256 == hashlib.sha256(b"stars").hexdigest()
    (tmp_path / "1.nef").write_bytes(b"raw")
    assert accepted_plan(plan, chosen, alone).groups == (), "its companion belongs to another picture too"
