"""Plans whose groups stay in a file: the same plan, in little memory, and never another one than was checked."""

from __future__ import annotations

import io
import json
import os
import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgsearch.dedup.evidence.records import Companion, Evidence, Group, Member
from imgsearch.dedup.plan import json_stream
from imgsearch.dedup.plan.file import plan_text, read_plan, write_plan
from imgsearch.dedup.plan.json_stream import JsonFault, JsonStream
from imgsearch.dedup.plan.records import check_plan, make_plan
from imgsearch.dedup.quarantine.apply import apply_plan
from imgsearch.dedup.quarantine.undo import undo
from imgsearch.errors import UsageError

GOLDEN = Path(__file__).parents[2] / "golden" / "dedup" / "plan-v1.json"
SHA = "5" * 64


def many(copy, count: int, folder: str = "/p"):
    """Groups of two, the last by name first."""
    for number in reversed(range(count)):
        keeper, other = (copy(f"{folder}/{number:05d}{which}.jpg", 2 * number + which) for which in (0, 1))
        yield Group(keeper, "larger", (Member(other, Evidence("perceptual", 0.9)),))


def companion(path: str) -> Companion:
    return Companion(path, SHA, 7, 1_000)


def with_companions(copy, *paths: str, **changes):
    group = Group(
        copy("/p/a.jpg", 1),
        "larger",
        (Member(copy("/p/b.jpg", 2), Evidence("perceptual", 0.9), companions=tuple(map(companion, paths))),),
    )
    return replace(group, **changes)


# The same plan, wherever its groups are


def test_lazy_groups_make_the_plan_that_a_list_makes(copy, tmp_path):
    asked = {"library": tmp_path, "created_at": "2026-01-01", "options": {"keep": "x"}}
    lazy = make_plan(many(copy, 50), {1: "/p"}, **asked)
    plain = make_plan(list(many(copy, 50)), {1: "/p"}, **asked)
    assert lazy == plain and isinstance(plain.groups, tuple) and len(lazy.groups) == 50
    assert lazy.groups[-1] == plain.groups[-1] and lazy.groups[3:5] == plain.groups[3:5]
    assert lazy.summary() == plain.summary()
    assert "".join(plan_text(lazy)) == "".join(plan_text(plain))
    assert list(tmp_path.iterdir()) == [], "the groups are in a file without a name"
    decided = {"/p/00001" + "1.jpg": False}, ["/p/000021.jpg"]
    assert lazy.decided(*decided) == plain.decided(*decided) and len(lazy.decided(*decided).groups) == 49


def test_lazy_groups_are_kept_where_the_library_cannot_be_written(copy, tmp_path):
    (tmp_path / "file").write_text("")
    for library in (tmp_path / "none", tmp_path / "file", "/proc"):
        assert len(make_plan(many(copy, 3), {1: "/p"}, library=library).groups) == 3


def test_new_words_survive_the_file_and_are_left_out_where_there_are_none(copy, tmp_path):
    group = with_companions(copy, "/p/b.xmp", "/p/b.jpg.aae", picture=3)
    stays = Member(copy("/p/c.jpg", 3), Evidence("pixels", 1.0), False, "it alone has transparency")
    plan = make_plan([replace(group, members=(*group.members, stays))], {1: "/p"})
    write_plan(plan, tmp_path / "plan.json")
    assert read_plan(tmp_path / "plan.json") == plan
    assert (plan.summary().companions, plan.summary().companion_bytes) == (2, 14)
    assert "2 files that belong to them go along, 14 bytes" in plan.summary().lines()
    write_plan(make_plan(many(copy, 1), {1: "/p"}), tmp_path / "plan.json")
    assert not {"stays", "companions", "picture"} & set((tmp_path / "plan.json").read_text().split('"'))


def test_plan_holds_a_few_bytes_of_each_group(copy, tmp_path, monkeypatch):
    """Of what they take in memory less than half while made, checked or read, and a fifth when gone through."""
    monkeypatch.setattr(json_stream, "CHUNK_BYTES", 1 << 12)

    def peak(work) -> tuple[int, object]:
        tracemalloc.start()
        try:
            result = work()
            return tracemalloc.get_traced_memory()[1], result
        finally:
            tracemalloc.stop()

    make_plan(many(copy, 2), {1: "/p"}, library=tmp_path).summary()  # what is loaded once
    in_memory, groups = peak(lambda: list(many(copy, 500)))
    path = tmp_path / "plan.json"
    made, plan = peak(lambda: make_plan(many(copy, 500), {1: "/p"}, library=tmp_path))
    written, _ = peak(lambda: write_plan(plan, path))
    read, again = peak(lambda: read_plan(path))
    through, _ = peak(lambda: sum(1 for _ in again.moves()))
    assert len(groups) == len(again.groups) == 500
    assert max(made, read) < in_memory / 2, (in_memory, made, read)
    assert max(written, through) < in_memory / 5


def test_lazy_groups_are_checked_while_they_come(copy):
    groups = [*many(copy, 3), *many(copy, 1)]
    with pytest.raises(UsageError, match=r"groups\[1\]\.keeper.*groups\[0\]\.keeper too"):
        make_plan(iter(groups), {1: "/p"})
    with pytest.raises(UsageError, match="below its root"):
        make_plan(many(copy, 3, "/q"), {1: "/p"})


# Never another plan than the one that was checked


def test_plan_that_is_written_into_after_the_check_is_noticed(copy, tmp_path):
    """By somebody whose editor keeps size and time."""
    path = tmp_path / "plan.json"
    write_plan(make_plan(many(copy, 4), {1: "/p"}), path)
    plan, status = read_plan(path), path.stat()
    raw = path.read_bytes()
    with path.open("r+b") as file:
        file.write(raw.replace(b"000020.jpg", b"000029.jpg"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert plan.groups[1].keeper.path == "/p/000010.jpg"
    for work in (lambda: plan.groups[2], lambda: check_plan(plan), lambda: list(plan.moves())):
        with pytest.raises(UsageError, match="changed while it was in use"):
            work()
    path.write_bytes(raw[:900])
    with pytest.raises(UsageError, match="changed while it was in use"):
        list(plan.groups)


def test_plan_that_is_replaced_after_the_check_is_the_one_that_was_checked(copy, tmp_path):
    path = tmp_path / "plan.json"
    write_plan(make_plan(many(copy, 2), {1: "/p"}), path)
    plan = read_plan(path)
    write_plan(make_plan(many(copy, 3), {1: "/p"}), path)
    assert len(read_plan(path).groups) == 3
    path.unlink()
    assert len(list(plan.groups)) == 2


def test_apply_of_a_changed_plan_ends_with_what_can_be_undone(desk, tmp_path):
    for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg"):
        desk.write(name, b"one" if name < "c" else b"other")
    before, path = desk.content(), tmp_path / "plan.json"
    write_plan(desk.plan(desk.group("a.jpg", "b.jpg"), desk.group("c.jpg", "d.jpg")), path)
    plan = read_plan(path)

    def spoil(done, total):
        path.write_bytes(path.read_bytes().replace(b"d.jpg", b"x.jpg"))

    with pytest.raises(UsageError, match="changed while it was in use"):
        apply_plan(plan, desk.quarantine, progress=spoil)
    assert desk.waiting() == {"b.jpg": b"one"}
    undo(desk.quarantine)
    assert desk.content() == before


# Plans of version 1


def golden_plan(desk, tmp_path) -> Path:
    """What the program wrote before there were companions, of a folder that stands here again."""
    path = tmp_path / "plan-v1.json"
    path.write_text(GOLDEN.read_text().replace("/golden/photos", str(desk.root)))
    contents = {"a.jpg": b"one", "b.jpg": b"one", "sub/b c.jpg": b"another", "kept.jpg": b"one again"}
    for name, content in (contents | {"c.jpg": b"two", "d.jpg": b"two", b"x\xff.jpg": b"near"}).items():
        desk.write(name, content)
    return path


def test_plan_of_version_1_is_applied_as_before(desk, tmp_path):
    path = golden_plan(desk, tmp_path)
    desk.write("b.xmp", b"<stars/>")
    before, plan = desk.content(), read_plan(path)
    assert [group.reason for group in plan.groups] == ["more pixels", "first by name"]
    assert plan.options == {"keep": "resolution", "tiers": "bytes,pixels,perceptual,near"}
    assert plan.groups[0].members[1].evidence == Evidence("perceptual", 0.97, 6, 3, 0.015, None, 0.99, 1.0)
    assert plan.groups[0].keeper.facts.camera == "C" and len(plan.groups[0].kept) == 1
    done = apply_plan(plan, desk.quarantine)
    assert (done.moved, done.left) == (3, [])
    assert sorted(desk.waiting()) == ["b c.jpg", "b.jpg", "d.jpg"]
    undo(desk.quarantine)
    assert desk.content() == before


def test_plan_of_version_1_written_anew_is_the_same_plan(desk, tmp_path):
    plan = read_plan(golden_plan(desk, tmp_path))
    write_plan(plan, tmp_path / "new.json")
    assert read_plan(tmp_path / "new.json") == plan
    document = json.loads((tmp_path / "new.json").read_text())
    old = json.loads((tmp_path / "plan-v1.json").read_text())
    assert document.pop("version") == 2 and old.pop("version") == 1 and document == old


# Companions and folders of programs


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["b.xmp"], "absolute path"),
        (["/p/../b.xmp"], "absolute path"),
        (["/p/sub/b.xmp"], "its picture's folder"),
        (["/q/b.xmp"], "its picture's folder"),
        (["/p/b\0.xmp"], "NUL"),
        (["/p/b\ud800.xmp"], "characters"),
        (["/p/b.xmp", "/p/b.xmp"], "each file once"),
        (["/p/b.jpg"], "each file once"),
        (["/p/a.jpg"], "each file once"),
        (["/p/k.jpg"], "kept or member"),
    ],
)
def test_companions_that_could_harm_are_refused(copy, paths, message):
    kept = (Member(copy("/p/k.jpg", 4), Evidence("pixels", 1.0), False),)
    with pytest.raises(UsageError, match=message):
        make_plan([with_companions(copy, *paths, kept=kept)], {1: "/p"})
    assert make_plan([with_companions(copy, "/p/b.xmp", "/p/c.xmp", kept=kept)], {1: "/p"})
    assert make_plan([with_companions(copy, "/p/b.xmp")], {1: "/"})


def test_companion_of_another_group_is_named_with_both_places(copy):
    other = Group(copy("/p/b.xmp", 7), "larger", (Member(copy("/p/y.jpg", 8), Evidence("perceptual", 0.9)),))
    with pytest.raises(UsageError, match=r"groups\[1\]\.keeper.*groups\[0\]\.members\[0\]\.companions\[0\] too"):
        make_plan([with_companions(copy, "/p/b.xmp"), other], {1: "/p"})


@pytest.mark.parametrize("key", ["path", "sha256", "size_bytes", "mtime_ns"])
def test_companion_of_a_file_is_read_with_its_place(copy, tmp_path, key):
    document = json.loads("".join(plan_text(make_plan([with_companions(copy, "/p/b.xmp")], {1: "/p"}))))
    document["groups"][0]["members"][0]["companions"][0][key] = None
    (tmp_path / "plan.json").write_text(json.dumps(document))
    with pytest.raises(UsageError, match=rf"groups\[0\]\.members\[0\]\.companions\[0\]\.{key}"):
        read_plan(tmp_path / "plan.json")


def test_file_in_a_programs_folder_is_shown_and_never_moved(copy):
    inside = copy("/p/My.PhotosLibrary/originals/1/a.jpg", 3)
    group = Group(copy("/p/a.jpg", 1), "larger", (Member(inside, Evidence("perceptual", 0.9)),))
    with pytest.raises(UsageError, match=r"groups\[0\]\.members\[0\].*an Apple Photos library, /p/My\.PhotosLibrary"):
        make_plan([group], {1: "/p"})
    assert make_plan([replace(group, members=(replace(group.members[0], move=False),))], {1: "/p"})
    assert make_plan([Group(inside, "larger", (Member(copy("/p/b.jpg", 4), Evidence("near", 0.9)),))], {1: "/p"})


# Text of any layout


@settings(max_examples=60, deadline=None)
@given(
    values=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=6),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    ).flatmap(lambda value: st.lists(st.just(value), max_size=3)),
    head=st.dictionaries(st.sampled_from(["a", "b\n", "é", "list"]), st.integers() | st.text(), max_size=3),
    layout=st.sampled_from([{}, {"indent": 1}, {"indent": 3, "ensure_ascii": False}, {"separators": (",", ":")}]),
    at=st.integers(0, 3),
    chunk=st.integers(1, 40),
)
def test_items_are_those_that_a_whole_reading_gives(values, head, layout, at, chunk):
    pairs = [(name, value) for name, value in head.items() if name != "list"]
    pairs.insert(at, ("list", values))
    raw = json.dumps(dict(pairs), **layout).encode("utf-8", "surrogatepass")
    try:
        whole = json.loads(raw)
    except UnicodeDecodeError:
        return
    items = []
    with mock.patch.object(json_stream, "CHUNK_BYTES", chunk):
        found = JsonStream(io.BytesIO(raw)).read("list", lambda offset, text: items.append((offset, text)))
    assert found == whole | {"list": []}
    assert [json.loads(text) for _, text in items] == whole["list"]
    assert all(raw[offset : offset + len(text)] == text for offset, text in items)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b'{"groups": [1, 2', "line 1"),
        (b'{\n "a": 1,\n "groups": [{}, \n{"x" 1}]}', "line 4, column 6"),
        (b'{"groups": [] "a": 1}', "line 1, column 15"),
        (b'{"groups": [], "groups": []}', "twice"),
        (b'{"groups": []} x', "Extra data"),
        (b'{"a": 1' + b"0" * 5_000 + b"}", "not JSON"),
        (b'{"groups": [' + b"[" * 100_000, "nested too deeply"),
        (b'{"a": "\xff"}', "byte 7 is not UTF-8"),
        (b'{"groups": [tru]}', "line 1"),
        (b"[1]", "got a list"),
        (b'{"a"}', "':'"),
        (b"{1: 2}", "property name"),
        (b"", "line 1, column 1"),
    ],
)
def test_text_that_is_no_plan_is_refused_with_the_place(tmp_path, raw, message):
    path = tmp_path / "plan.json"
    for filling in (b"", b" " * 70_000):
        path.write_bytes(raw.replace(b"{", b"{" + filling, 1) if b"line" not in message.encode() else raw)
        with path.open("rb") as file, pytest.raises(JsonFault, match=message if not filling else "is not"):
            JsonStream(file).read("groups", lambda offset, text: None)


def test_plan_of_surrogates_that_stand_for_no_byte_is_refused(copy, tmp_path):
    document = json.loads("".join(plan_text(make_plan(many(copy, 1), {1: "/p"}))))
    path = tmp_path / "plan.json"
    for place, value in (("roots", {"1": "/p\ud800"}), ("library", "\ud800"), ("library", "a\0b")):
        path.write_text(json.dumps(document | {place: value}))
        with pytest.raises(UsageError, match="not valid at"):
            read_plan(path)
    document["groups"][0]["keeper"]["path"] = "/p/\ud83d.jpg"
    path.write_text(json.dumps(document))
    with pytest.raises(UsageError, match=r"groups\[0\]\.keeper.*characters"):
        read_plan(path)
    shutil.rmtree(tmp_path)
