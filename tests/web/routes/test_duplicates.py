"""The review of duplicates through the API, and the runs that move files, with real pictures and processes."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from colour_shelf import Shelf
from twins import NAMES, plan_twins, serve_twins

from imgsearch.dedup.evidence.records import ACTED_ON, NEVER_MOVED
from imgsearch.dedup.plan.file import read_plan
from imgsearch.storage.evidence.store import EvidenceStore
from web.http.routes.jobs import RUNS


@pytest.fixture
def twins(tmp_path: Path) -> Iterator[Shelf]:
    shelf = serve_twins(tmp_path)
    yield shelf
    for app in (shelf.app, shelf.programs.application):
        if RUNS in app.extensions:
            app.extensions[RUNS].close()
    shelf.service.close()


def groups(twins: Shelf, **query: Any) -> list[dict[str, Any]]:
    answer = twins.programs.get("/api/v1/duplicates", query_string=query)
    assert answer.status_code == 200, answer.get_data(as_text=True)
    return list(answer.get_json()["groups"])


def group_of(twins: Shelf, name: str, **query: Any) -> dict[str, Any]:
    return next(one for one in groups(twins, **query) if any(name in file["name"] for file in one["files"]))


def decide(twins: Shelf, status: int = 200, **body: Any) -> dict[str, Any]:
    answer = twins.programs.post("/api/v1/duplicates/decisions", json=body)
    assert answer.status_code == status, answer.get_data(as_text=True)
    return dict(answer.get_json())


def run(twins: Shelf, **body: Any) -> dict[str, Any]:
    answer = twins.programs.post("/api/v1/jobs", json=body)
    assert answer.status_code == 202, answer.get_data(as_text=True)
    number = answer.get_json()["id"]
    assert twins.programs.application.extensions[RUNS].get(number).join(120)
    return dict(twins.programs.get(f"/api/v1/jobs/{number}").get_json())


def files(twins: Shelf) -> dict[bytes, bytes]:
    """What lies below the photographs, by name."""
    found = (path for path in twins.photos.rglob("*") if path.is_file())
    return {os.fsencode(path.relative_to(twins.photos)): path.read_bytes() for path in found}


def test_groups_are_told_as_the_plan_has_them(twins: Shelf) -> None:
    plan = read_plan(twins.store.layout.dedup / "plan.json")
    told = groups(twins)
    assert len(told) == len(plan.groups) == len(NAMES)
    for one, group in zip(told, plan.groups, strict=True):
        assert [file["role"] for file in one["files"][1:]] == [
            "move" if each.move else "stay" for each in group.members
        ]
        assert one["files"][0]["image_id"] == group.keeper.image_id and one["reason"] == group.reason
        assert one["freed_bytes"] == sum(each.copy.size_bytes for each in group.members if each.move)
        assert all(file["there"] for file in one["files"]) and one["state"] == "open"
        for file in one["files"]:
            answer = twins.programs.get(file["thumbnail"])
            assert answer.status_code == 200 and "immutable" in answer.headers["Cache-Control"]
        assert twins.programs.get(f"/api/v1/duplicates/groups/{one['id']}").get_json() == one


def test_groups_come_by_the_page_and_by_tier(twins: Shelf) -> None:
    every = [one["id"] for one in groups(twins)]
    got, cursor = [], None
    while True:
        query = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        page = twins.programs.get("/api/v1/duplicates", query_string=query).get_json()
        got += [one["id"] for one in page["groups"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
        assert len(page["groups"]) == 2
    assert got == every
    assert {one["tier"] for one in groups(twins, tier="near")} == {"near"}


def test_accepting_a_tier_takes_no_weaker_group(twins: Shelf) -> None:
    told = decide(twins, decide="accept", tier="perceptual")
    assert told["changed"] == 2 and told["review"]["accepted"]["files"] == 4
    assert {one["tier"] for one in groups(twins, state="accepted")} == {"perceptual"}
    assert decide(twins, decide="accept", tier="semantic")["changed"] == 0  # nothing of it would move


def test_not_duplicates_is_remembered_by_content_and_taken_back(twins: Shelf) -> None:
    one = group_of(twins, "large saved")
    hashes = [copy.facts.content_hash for copy in _copies(twins, "large")]
    decide(twins, decide="distinct", groups=[one["id"]])
    with EvidenceStore(twins.store.layout.dedup) as evidence:
        assert len(evidence.distinct_among(hashes)) == 6  # each two of four
    assert one["id"] not in [each["id"] for each in groups(twins)]
    assert group_of(twins, "large.png", state="distinct")["files"][0]["role"] == "keep"
    decide(twins, decide="reopen", groups=[one["id"]])
    with EvidenceStore(twins.store.layout.dedup) as evidence:
        assert evidence.distinct_among(hashes) == set()
    assert group_of(twins, "large saved") == one


def test_two_files_of_one_content_may_both_be_wanted(twins: Shelf) -> None:
    decide(twins, decide="distinct", groups=[group_of(twins, "bytes copy")["id"]])
    (content,) = {copy.facts.content_hash for copy in _copies(twins, "originals/bytes.png")}
    with EvidenceStore(twins.store.layout.dedup) as evidence:
        assert evidence.distinct_among([content]) == {frozenset([content])}


def test_one_file_is_no_duplicate(twins: Shelf) -> None:
    one = group_of(twins, "large saved")
    mirrored = next(file for file in one["files"] if "mirrored" in file["name"])
    decide(twins, decide="distinct", groups=[one["id"]], file=mirrored["id"])
    left = group_of(twins, "large saved")
    assert len(left["files"]) == 3 and left["moved"] == 2
    with EvidenceStore(twins.store.layout.dedup) as evidence:
        hashes = [copy.facts.content_hash for copy in _copies(twins, "large")]
        assert len(evidence.distinct_among(hashes)) == 3


def test_another_keeper_takes_the_first_ones_place(twins: Shelf) -> None:
    one = group_of(twins, "bytes copy")
    decide(twins, decide="keeper", groups=[one["id"]], file=one["files"][1]["id"])
    now = group_of(twins, "bytes copy")
    assert [file["name"] for file in now["files"]] == ["bytes copy.png", "bytes.png"] and now["id"] == one["id"]
    assert [file["role"] for file in now["files"]] == ["keep", "move"]
    decide(twins, decide="keeper", groups=[one["id"]], file=one["files"][0]["id"])
    assert group_of(twins, "bytes copy") == one


def test_near_copy_moves_when_it_is_told_to(twins: Shelf) -> None:
    one = group_of(twins, "near crop")
    assert not one["movable"]
    decide(twins, decide="move", groups=[one["id"]], file=one["files"][1]["id"])
    assert group_of(twins, "near crop")["movable"]
    decide(twins, decide="stay", groups=[one["id"]], file=one["files"][1]["id"])
    assert not group_of(twins, "near crop")["movable"]


def test_accepted_files_are_moved_and_brought_back(twins: Shelf) -> None:
    before = files(twins)
    assert twins.programs.post("/api/v1/jobs", json={"kind": "dedup-apply"}).status_code == 409
    for name in ("bytes copy", "hard", "large saved"):
        decide(twins, decide="accept", groups=[group_of(twins, name)["id"]])
    job = run(twins, kind="dedup-apply")
    assert (job["kind"], job["state"], job["exit_code"], job["summary"]["moved"]) == ("dedup-apply", "finished", 0, 5)
    assert job["progress"]["done"] == job["progress"]["total"] == 5
    gone = {b"phone/bytes copy.png", b"phone/<b>hard \xff\n.jpg"}
    gone |= {b"phone/large %b.jpg" % word for word in (b"saved", b"small", b"mirrored")}
    assert {name: before[name] for name in before if name not in gone} == files(twins)
    review = twins.programs.get("/api/v1/duplicates").get_json()["review"]
    assert review["accepted"]["files"] == 0 and [one["files"] for one in review["runs"]] == [5]
    moved = group_of(twins, "bytes copy", state="applied")
    assert [file["there"] for file in moved["files"]] == [True, False]
    assert decide(twins, 409, decide="reopen", groups=[moved["id"]])["status"] == 409
    job = run(twins, kind="dedup-undo", run_id=review["runs"][0]["id"])
    assert job["summary"]["returned"] == 5 and files(twins) == before
    assert len(groups(twins)) == len(NAMES)
    assert twins.programs.post("/api/v1/jobs", json={"kind": "dedup-undo", "run_id": "no"}).status_code == 404


def test_file_that_changed_is_left_alone_and_named(twins: Shelf) -> None:
    decide(twins, decide="accept", tier="bytes")
    changed = twins.photos / "phone" / "bytes copy.png"
    changed.write_bytes(changed.read_bytes() + b"edited")
    job = run(twins, kind="dedup-apply")
    assert job["exit_code"] == 3 and job["summary"]["left"] == 1 and changed.exists()
    assert job["summary"]["left_files"][0]["path"] == str(changed)
    assert [one["state"] for one in groups(twins, state="accepted")] == ["accepted"]


def test_decisions_do_not_fall_on_other_groups_of_a_new_plan(twins: Shelf, tmp_path: Path) -> None:
    decide(twins, decide="accept", tier="perceptual")
    path = twins.store.layout.dedup / "plan.json"
    told = json.loads(path.read_text())
    for group in told["groups"]:
        if "large" in group["keeper"]["path"]:
            group["members"] = group["members"][:1]
    path.write_text(json.dumps(told))
    assert [one["files"][0]["name"] for one in groups(twins, state="accepted")] == ["hard.png"]
    plan_twins(tmp_path)
    assert len(groups(twins, state="accepted")) == 2


def test_page_without_a_plan_says_what_makes_one(twins: Shelf) -> None:
    (twins.store.layout.dedup / "plan.json").unlink()
    assert "imgsearch dedup find" in twins.client.get("/duplicates").get_data(as_text=True)
    told = twins.programs.get("/api/v1/duplicates").get_json()
    assert told["groups"] == [] and told["review"]["created_at"] is None


def test_plan_that_is_damaged_is_a_problem_and_no_fault(twins: Shelf) -> None:
    (twins.store.layout.dedup / "plan.json").write_text('{"format": "imgsearch-dedup-plan", "version": 1}')
    answer = twins.programs.get("/api/v1/duplicates")
    assert answer.status_code == 400 and "plan is not valid" in answer.get_json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"decide": "accept"},
        {"decide": "burn", "groups": ["a"]},
        {"decide": "accept", "groups": ["a"], "tier": "bytes"},
        {"decide": "accept", "groups": "a"},
        {"decide": "accept", "groups": [1]},
        {"decide": "accept", "tier": "none"},
        {"decide": "keeper", "groups": ["a"]},
        {"decide": "stay", "groups": ["a", "b"], "file": "f"},
        {"decide": "accept", "groups": ["a"], "file": "f"},
        {"decide": "distinct", "tier": "bytes", "file": "f"},
        [],
    ],
)
def test_decision_that_decides_nothing_is_refused(twins_read: Shelf, body: Any) -> None:
    answer = twins_read.programs.post("/api/v1/duplicates/decisions", json=body)
    assert answer.status_code == 400 and answer.get_json()["hint"]


@pytest.mark.parametrize("query", ["state=gone", "tier=all", "limit=0", "cursor=abc"])
def test_parameter_that_is_wrong_is_refused(twins_read: Shelf, query: str) -> None:
    assert twins_read.programs.get(f"/api/v1/duplicates?{query}").status_code == 400


def test_decision_about_what_is_not_there_is_refused(twins_read: Shelf) -> None:
    body = {"decide": "accept", "groups": ["0" * 24]}
    assert twins_read.programs.post("/api/v1/duplicates/decisions", json=body).status_code == 404
    known = groups(twins_read)[0]["id"]
    body = {"decide": "stay", "groups": [known], "file": "f" * 16}
    assert twins_read.programs.post("/api/v1/duplicates/decisions", json=body).status_code == 400
    assert not (twins_read.store.layout.dedup / "review.json").exists()


def test_decision_needs_the_pages_token(twins_read: Shelf) -> None:
    body = {"decide": "accept", "tier": "bytes"}
    assert twins_read.client.post("/api/v1/duplicates/decisions", json=body).status_code == 403


def test_page_shows_names_as_text(twins_read: Shelf) -> None:
    page = twins_read.client.get("/duplicates").get_data(as_text=True)
    assert "&lt;b&gt;hard \\xff\\n.jpg" in page and "<b>hard" not in page


@pytest.fixture(scope="module")
def twins_read(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    """Not to be changed by a test."""
    shelf = serve_twins(tmp_path_factory.mktemp("twins"))
    yield shelf
    shelf.service.close()


def _copies(twins: Shelf, name: str) -> list[Any]:
    plan = read_plan(twins.store.layout.dedup / "plan.json")
    group = next(one for one in plan.groups if name in one.keeper.path)
    assert all(member.move == (member.evidence.tier in ACTED_ON) for member in group.members)
    return [group.keeper, *(member.copy for member in group.members)]


def test_what_the_command_line_moved_and_brought_back_is_seen(twins: Shelf) -> None:
    from imgsearch.dedup.quarantine.apply import apply_plan
    from imgsearch.dedup.quarantine.undo import undo

    layout = twins.store.layout
    decide(twins, decide="accept", tier="pixels")
    assert groups(twins, state="applied") == []
    apply_plan(read_plan(layout.dedup / "plan.json"), layout.quarantine)
    assert {one["tier"] for one in groups(twins, state="applied")} == {"bytes", "pixels", "perceptual"}
    assert {one["tier"] for one in groups(twins)} == {"near", "semantic"}
    undo(layout.quarantine)
    assert groups(twins, state="applied") == [] and [one["tier"] for one in groups(twins, state="accepted")] == [
        "pixels"
    ]


def test_searches_know_what_was_moved(twins: Shelf) -> None:
    one = group_of(twins, "hard")
    moved = one["files"][1]["image_id"]
    assert twins.programs.get(f"/api/v1/pictures/{moved}").status_code == 200
    decide(twins, decide="accept", groups=[one["id"]])
    job = run(twins, kind="dedup-apply")
    assert job["summary"]["note"] == "" and twins.programs.get(f"/api/v1/pictures/{moved}").status_code == 404
    run(twins, kind="dedup-undo", run_id=job["summary"]["run_id"])
    assert twins.programs.get(f"/api/v1/pictures/{moved}").status_code == 200


def test_why_a_copy_stays_what_goes_along_and_other_groups_are_told(twins: Shelf) -> None:
    path = twins.store.layout.dedup / "plan.json"
    plan = json.loads(path.read_text())
    large, near = (next(one for one in plan["groups"] if name in one["keeper"]["path"]) for name in ("large", "near"))
    large["picture"] = near["picture"] = 4
    large["members"][0] |= {"move": False, "stays": "it alone has <a film>"}
    sidecar = large["members"][1]["file"]["path"].removesuffix(".jpg") + ".xmp"
    large["members"][1]["companions"] = [{"path": sidecar, "sha256": "0" * 64, "size_bytes": 1, "mtime_ns": 1}]
    path.write_text(json.dumps(plan))

    told = group_of(twins, "large saved")
    assert [file["stays"] for file in told["files"]] == ["", "it alone has <a film>", "", ""]
    assert [file["companions"] for file in told["files"]] == [[], [], [Path(sidecar).name], []]
    assert told["also"] == [{"id": group_of(twins, "near crop")["id"], "name": "near.png"}]
    assert group_of(twins, "bytes copy")["also"] == []
    page = twins.client.get("/duplicates").get_data(as_text=True)
    assert "Stays: it alone has &lt;a film&gt;" in page and f"Goes along: <bdi>{Path(sidecar).name}</bdi>" in page
    assert f'<a href="#group-{told["also"][0]["id"]}"><bdi>near.png</bdi></a>' in page
    decide(twins, decide="move", groups=[told["id"]], file=told["files"][1]["id"])
    assert group_of(twins, "large saved")["files"][1]["stays"] == ""


def test_page_offers_no_move_of_what_no_plan_moves(twins: Shelf) -> None:
    path = twins.store.layout.dedup / "plan.json"
    plan = json.loads(path.read_text())
    for group, tier in zip(plan["groups"], NEVER_MOVED, strict=False):
        for member in group["members"]:
            member |= {"tier": tier, "move": False}
    path.write_text(json.dumps(plan))
    for tier in NEVER_MOVED:
        for group in groups(twins, tier=tier):
            piece = twins.client.get(f"/duplicates/groups/{group['id']}").get_data(as_text=True)
            assert 'data-do="move"' not in piece
