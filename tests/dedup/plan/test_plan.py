"""Plans: what is refused, what is counted, and that the file gives back what was written."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgsearch.dedup.evidence.records import NEVER_MOVED, TIERS, Evidence, Group, Member
from imgsearch.dedup.plan.file import plan_text, read_plan, write_plan
from imgsearch.dedup.plan.records import check_plan, make_plan
from imgsearch.errors import UsageError

NAMES = st.binary(min_size=1, max_size=12).filter(lambda name: not set(name) & {0, 0x2F} and name not in (b".", b".."))


@pytest.fixture
def plan(copy):
    """Two groups: bytes, perceptual and near members, one shown only, a reference file."""
    keeper = copy(
        "/p/a.jpg", 1, "one", width=20, taken_at="2020-01-01T00:00:00", camera="C", latitude=1.5, longitude=-2.0
    )
    members = (
        Member(copy("/p/b.jpg", 1, "one", size_bytes=7), Evidence("bytes", 1.0)),
        Member(copy("/p/c\n\udcff.jpg", 2), Evidence("perceptual", 0.97, 6, 3, 0.015, None, 0.99, 1.0)),
        Member(replace(copy("/p/l.jpg", 3), links=2), Evidence("perceptual", 0.9)),
    )
    kept = (Member(copy("/ref/k.jpg", 4), Evidence("pixels", 1.0), False),)
    other = Group(copy("/p/0.jpg", 5), "lossless", (Member(copy("/p/d.jpg", 6), Evidence("near", 0.5), False),))
    first = Group(keeper, "more pixels", members, kept)
    kept_copy = replace(kept[0].copy, root_id=2)
    first = replace(first, kept=(replace(kept[0], copy=kept_copy),))
    return make_plan([first, other], {1: "/p", 2: "/ref"}, library="/lib", options={"keep": "resolution"})


def test_file_gives_back_what_was_written(plan, tmp_path):
    path = tmp_path / "new folder" / "plan.json"
    write_plan(plan, path)
    assert read_plan(path) == plan
    assert [group.keeper.path for group in plan.groups] == ["/p/0.jpg", "/p/a.jpg"]
    assert list(path.parent.iterdir()) == [path]
    raw = path.read_bytes()
    assert b'"path": "/p/c\\n\\udcff.jpg"' in raw
    document = json.loads(raw)
    assert document["version"] == 2
    assert "".join(plan_text(plan)).encode() == raw
    for text in (json.dumps(document), json.dumps(document, indent=4), json.dumps(document, indent=1)):
        path.write_text(text)  # as another program would lay it out
        assert read_plan(path) == plan


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(names=st.sets(NAMES, min_size=2, max_size=5), data=st.data())
def test_any_name_survives_the_file(copy, tmp_path, names, data):
    copies = [copy("/p/" + os.fsdecode(name), number) for number, name in enumerate(sorted(names))]
    numbers = st.floats(0, 1)
    members = [
        Member(
            one,
            Evidence(
                data.draw(st.sampled_from(TIERS[1:])),
                data.draw(numbers),
                data.draw(st.integers(1, 8)),
                data.draw(st.none() | st.integers(0, 64)),
                *(data.draw(st.none() | numbers) for _ in range(4)),
            ),
            False,
        )
        for one in copies[1:]
    ]
    plan = make_plan([Group(copies[0], "why", tuple(members))], {1: "/p"})
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan


def test_empty_plan_is_a_plan(tmp_path):
    plan = make_plan([], {})
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan
    assert plan.summary().moved == 0
    assert list(plan.summary().lines()) == ["0 groups of 0 files", "nothing to move"]


def test_summary_counts_what_would_move(plan):
    summary = plan.summary()
    assert (summary.groups, summary.files, summary.moved) == (2, 6, 3)
    assert (summary.moved_bytes, summary.freed_bytes) == (207, 107)
    assert summary.moved_by_tier == {"bytes": 1, "perceptual": 2}
    assert summary.shown_by_tier == {"near": 1}
    assert list(summary.lines()) == [
        "2 groups of 6 files",
        "3 files to move: 1 the same file, 2 the same picture saved again; 207 bytes",
        "107 bytes would be freed; the other files have another name on the disk",
        "only shown, not moved: near copies (1)",
    ]


def test_summary_says_how_many_stay_and_why(plan):
    reasons = [
        *("turned or mirrored: nothing tells which of the two is the source",) * 3,
        "it was compared with a.jpg alone",
        "it was compared with it alone, b.jpg alone",
        "it alone has a film",
        "it alone has transparency",
        "it alone tells when it was taken",
    ]
    first = plan.groups[0].members[0]
    members = tuple(
        replace(first, copy=replace(first.copy, path=f"/p/s{number}.jpg"), move=False, stays=why)
        for number, why in enumerate(reasons)
    )
    summary = make_plan([replace(plan.groups[0], members=members)], plan.roots).summary()
    tier = first.evidence.tier
    assert summary.shown_by_tier == summary.stay_by_tier == {tier: 8}
    assert list(summary.stay_by_reason.values()) == [3, 2, 1, 1, 1]
    assert list(summary.lines())[1:] == [
        "nothing to move",
        "8 stay: turned or mirrored (3), compared with another copy alone (2), it alone has a film (1), "
        "it alone has transparency (1), other reasons (1)",
    ]


def test_decisions_make_another_plan(plan):
    decided = plan.decided({"/p/b.jpg": False, "/p/d.jpg": True}, drop=["/p/l.jpg"])
    assert [member.copy.path for _, member in decided.moves()] == ["/p/d.jpg", "/p/c\n\udcff.jpg"]
    assert [member.copy.path for _, member in plan.moves()] == ["/p/b.jpg", "/p/c\n\udcff.jpg", "/p/l.jpg"]
    assert len(plan.decided({}, drop=["/p/d.jpg"]).groups) == 1


def member_of(plan, change):
    group = plan.groups[1]
    return replace(plan, groups=(replace(group, members=(change(group.members[0]), *group.members[1:])),))


def with_path(path):
    return lambda member: replace(member, copy=replace(member.copy, path=path))


@pytest.mark.parametrize("tier", NEVER_MOVED)
def test_bursts_and_scenes_are_never_moved(plan, tier):
    with pytest.raises(UsageError, match=r"groups\[0\]\.members\[0\].*never moved"):
        check_plan(member_of(plan, lambda member: replace(member, evidence=Evidence(tier, 1.0))))


@pytest.mark.parametrize(
    "path",
    ["/p/a.jpg", "/p/l.jpg", "/elsewhere/b.jpg", "/p/../p2/b.jpg", "b.jpg", "/p2/b.jpg", "/p//b.jpg", "/p/b\0.jpg"],
)
def test_paths_that_could_harm_are_refused(plan, path):
    with pytest.raises(UsageError, match=r"not valid at groups\[0\]\.members\["):
        check_plan(member_of(plan, with_path(path)))


def test_reference_file_is_never_a_member(plan):
    group = replace(plan.groups[1], kept=(replace(plan.groups[1].members[0], move=False),))
    with pytest.raises(UsageError, match="kept or member"):
        check_plan(replace(plan, groups=(group,)))


def test_same_bytes_have_the_same_hash(plan):
    def other(member):
        return replace(member, copy=replace(member.copy, facts=plan.groups[0].keeper.facts))

    with pytest.raises(UsageError, match="another sha256"):
        check_plan(member_of(plan, other))


def drop(document, *path):
    *rest, last = path
    for name in rest:
        document = document[name]
    del document[last]


def put(document, value, *path):
    *rest, last = path
    for name in rest:
        document = document[name]
    document[last] = value


FIRST = ("groups", 1, "members", 1)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        (lambda d: drop(d, *FIRST, "file", "sha256"), r"groups\[1\].members\[1\].file.sha256"),
        (lambda d: put(d, "A" * 64, *FIRST, "file", "sha256"), r"groups\[1\].members\[1\].file.sha256"),
        (lambda d: put(d, "yes", *FIRST, "move"), r"groups\[1\].members\[1\].move"),
        (lambda d: drop(d, *FIRST, "move"), r"groups\[1\].members\[1\].move"),
        (lambda d: put(d, "exact", *FIRST, "tier"), r"groups\[1\].members\[1\]"),
        (lambda d: put(d, 9, *FIRST, "evidence", "turn"), "turn 9"),
        (lambda d: put(d, True, *FIRST, "file", "size_bytes"), "size_bytes"),
        (lambda d: put(d, None, "groups", 0, "keeper"), r"groups\[0\].keeper"),
        (lambda d: put(d, [], "groups", 0, "members"), r"groups\[0\]"),
        (lambda d: put(d, 7, "groups", 0, "keeper", "root"), r"groups\[0\].keeper"),
        (lambda d: put(d, {"x": "/p"}, "roots"), "roots"),
        (lambda d: put(d, 3, "version"), "version 3"),
        (lambda d: put(d, "other", "format"), "not a plan"),
        (lambda d: drop(d, "groups"), "groups"),
        (lambda d: drop(d, "created_at"), "created_at"),
    ],
)
@pytest.mark.parametrize("laid_out_anew", [False, True])
def test_bad_file_is_refused_with_the_place(plan, tmp_path, change, place, laid_out_anew):
    path = tmp_path / "plan.json"
    document = json.loads("".join(plan_text(plan)))
    change(document)
    path.write_text(json.dumps(document, indent=None if laid_out_anew else 1))
    with pytest.raises(UsageError, match=place) as caught:
        read_plan(path)
    assert "dedup find" in caught.value.hint


@pytest.mark.parametrize("raw", [b"", b"[]", b"{", b"\xff\xfe", b'{"format": 3}', b"[" * 100_000])
def test_anything_else_is_refused(tmp_path, raw):
    path = tmp_path / "plan.json"
    path.write_bytes(raw)
    with pytest.raises(UsageError):
        read_plan(path)
    with pytest.raises(UsageError, match="cannot be read"):
        read_plan(tmp_path / "none.json")


def test_half_a_file_is_never_a_smaller_plan(plan, tmp_path):
    raw = "".join(plan_text(plan)).encode()
    for length in range(0, len(raw) - 2, 7):
        (tmp_path / "plan.json").write_bytes(raw[:length])
        with pytest.raises(UsageError):
            read_plan(tmp_path / "plan.json")
