"""Review of duplicates: the groups of the plan that `imgsearch dedup find` wrote, and decisions about them
(docs/http-api.md)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from flask import Blueprint, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from imgsearch.dedup.evidence.mapping import evidence_as_dict
from imgsearch.dedup.evidence.records import NEVER_MOVED, TIERS, Copy, Group, Member
from imgsearch.dedup.plan.review import STATES, UNDECIDED, Decision, content_pairs, file_key
from imgsearch.dedup.reports.report_page import freed_bytes
from imgsearch.dedup.reports.words import TIER_TITLES, describe_evidence
from imgsearch.errors import UsageError
from imgsearch.wording import one_line
from web.http.answers import read_number, version_of
from web.http.context import current_reviews, rooted
from web.http.parameters import require_json, require_known
from web.problems import Conflict
from web.services.review_service import ReviewGroup, ReviewService, review_json

blueprint = Blueprint("duplicates", __name__)

GROUPS, MOST_GROUPS = 20, 100
"""Groups a page: by default, and at most."""

MOST_FILES = 40
"""Files of a group that are shown beside its keeper."""

DECISIONS = ("accept", "distinct", "reopen", "keeper", "stay", "move")
"""The first three are about whole groups, the others about a file of one."""

_FIELDS: tuple[tuple[str, Any], ...] = (("decide", ""), ("groups", []), ("tier", ""), ("file", ""))
_MOST_BYTES = 200_000  # of a request's decisions: 5,000 groups by name


@dataclass(frozen=True, slots=True)
class DecisionRequest:
    """The decision in a request: about the named groups, or all open ones of a tier; about one file of one group."""

    decide: str
    groups: tuple[str, ...] = ()
    tier: str = ""
    file: str = ""


@blueprint.get("/duplicates")
def show_duplicates() -> ResponseReturnValue:
    """The page, with the first groups in it."""
    reviews = current_reviews()
    groups, following = groups_json(reviews)
    return render_template(
        "duplicates.html",
        review=review_json(reviews),
        groups=groups,
        following=following,
        state=_state(),
        tier=_tier(),
        **_words(),
    )


def _words() -> dict[str, Any]:
    """The words about tiers for templates."""
    return {"titles": TIER_TITLES, "never_moved": NEVER_MOVED}


@blueprint.get("/duplicates/groups")
def show_more_groups() -> ResponseReturnValue:
    """The next groups, as a piece of the page."""
    groups, following = groups_json(current_reviews())
    return render_template(
        "groups.html", groups=groups, following=following, titles=TIER_TITLES, never_moved=NEVER_MOVED
    )


@blueprint.get("/duplicates/groups/<key>")
def show_group(key: str) -> ResponseReturnValue:
    """One group as it is now, as a piece of the page."""
    groups = [group_json(current_reviews().find(key))]
    return render_template("groups.html", groups=groups, following=None, **_words())


@blueprint.get("/api/v1/duplicates")
def list_duplicates() -> ResponseReturnValue:
    """Groups, a page at a time."""
    reviews = current_reviews()
    groups, following = groups_json(reviews)
    return jsonify({"review": review_json(reviews), "groups": groups, "next_cursor": following})


@blueprint.get("/api/v1/duplicates/groups/<key>")
def show_duplicate(key: str) -> ResponseReturnValue:
    """One group."""
    return jsonify(group_json(current_reviews().find(key)))


@blueprint.post("/api/v1/duplicates/decisions")
def decide() -> ResponseReturnValue:
    """Decide about groups, or about a file of one."""
    request.max_content_length = _MOST_BYTES
    reviews = current_reviews()
    changed = _decide(reviews, _read_wanted())
    return jsonify({"changed": changed, "review": review_json(reviews)})


def groups_json(reviews: ReviewService) -> tuple[list[dict[str, Any]], str | None]:
    """The requested groups, and the cursor of those behind them."""
    state, tier, limit = _state(), _tier(), read_number(request.args, "limit", GROUPS, 1, MOST_GROUPS)
    waiting = (
        shown
        for shown in _after(reviews, request.args.get("cursor"))
        if _state_of(shown) == state and tier in ("", shown.tier)
    )
    found = list(islice(waiting, limit + 1))
    return [group_json(shown) for shown in found[:limit]], found[limit - 1].key if len(found) > limit else None


def group_json(shown: ReviewGroup) -> dict[str, Any]:
    """A group in the API's form, which the page shows too."""
    group = shown.group or replace(shown.original, members=())
    others = [("kept", member) for member in group.kept]
    others += [("move" if member.move else "stay", member) for member in group.members]
    files = [_file_json("keep", group.keeper), *(_file_json(role, one.copy, one) for role, one in others[:MOST_FILES])]
    return {
        "id": shown.key,
        "state": _state_of(shown),
        "tier": shown.tier,
        "reason": one_line(group.reason),
        "movable": shown.movable,
        "moved": sum(member.move for member in group.members),
        "freed_bytes": freed_bytes(group.members),
        "files": files,
        "more": max(0, len(others) - MOST_FILES),
        "also": [
            {"id": key, "name": one_line(os.path.basename(path))}  # noqa: PTH119  bytes-safe
            for key, path in shown.also
        ],
    }


def _file_json(role: str, copy: Copy, member: Member | None = None) -> dict[str, Any]:
    facts, evidence = copy.facts, None if member is None else member.evidence
    companions = member.companions if member is not None and role == "move" else ()
    return {
        "id": file_key(copy),
        "role": role,
        "image_id": copy.image_id,
        "name": one_line(os.path.basename(copy.path)),  # noqa: PTH119  bytes-safe
        "path": one_line(copy.path),
        "there": os.path.lexists(copy.path),
        "width": facts.width,
        "height": facts.height,
        "format": facts.format,
        "size_bytes": copy.size_bytes,
        "taken_at": facts.taken_at,
        "camera": None if facts.camera is None else one_line(facts.camera),
        "evidence": None if evidence is None else evidence_as_dict(evidence),
        "words": "" if evidence is None else describe_evidence(evidence),
        "stays": one_line(member.stays) if member is not None and role == "stay" else "",
        "companions": [one_line(os.path.basename(one.path)) for one in companions],  # noqa: PTH119  bytes-safe
        "thumbnail": rooted(f"/api/v1/pictures/{copy.image_id}/thumbnail/{version_of(facts)}"),
        "page": rooted(f"/pictures/{copy.image_id}"),
    }


def _after(reviews: ReviewService, cursor: str | None) -> Any:
    groups = reviews.shown()
    if cursor and all(shown.key != cursor for shown in groups):  # continues behind it, if it is there
        raise UsageError(f"got the cursor {one_line(cursor[:40])!r}, which no answer gave", "leave it out")
    return groups


def _state_of(shown: ReviewGroup) -> str:
    return shown.decision.state if shown.group is not None else "distinct"


def _state() -> str:
    state = request.args.get("state", "open")
    if state not in STATES:
        raise UsageError(f"got state={one_line(state[:40])}, expected one of {', '.join(STATES)}", "leave state out")
    return state


def _tier() -> str:
    tier = request.args.get("tier", "")
    if tier and tier not in TIERS:
        raise UsageError(f"got tier={one_line(tier[:40])}, expected one of {', '.join(TIERS)}", "leave tier out")
    return tier


def _read_wanted() -> DecisionRequest:
    """Raises UsageError for a body that decides nothing, UnsupportedMediaType for one that is not called JSON."""
    require_json()
    try:
        told = request.get_json(silent=True)
    except RecursionError:  # thousands of brackets
        told = None
    told = told if isinstance(told, dict) else {}
    require_known(told, (name for name, _ in _FIELDS), "field")
    what, groups, tier, file = (told.get(name, default) for name, default in _FIELDS)
    named = isinstance(groups, list) and all(isinstance(key, str) for key in groups) and bool(groups) != bool(tier)
    of_file = what in DECISIONS[3:] or (what == "distinct" and bool(file))
    one = isinstance(file, str) and bool(file) and not tier and named and len(groups) == 1
    if what not in DECISIONS or tier not in ("", *TIERS) or not named or not (one if of_file else file == ""):
        hint = 'send {"decide": "accept", "groups": ["ID"]}; keeper, stay and move name a "file" of one group'
        raise UsageError("the request decides nothing about a group of the plan", hint)
    return DecisionRequest(what, tuple(groups), tier, file)


def _decide(reviews: ReviewService, wanted: DecisionRequest) -> int:
    """The number of changed groups. Raises NotFound, Conflict for a group whose files have been moved."""
    if wanted.tier:
        chosen = [shown for shown in reviews.shown() if shown.tier == wanted.tier and _state_of(shown) == "open"]
    else:
        chosen = [reviews.find(key) for key in dict.fromkeys(wanted.groups)]
    if any(shown.decision.state == "applied" for shown in chosen):
        raise Conflict("the group's files have been moved", "undo the run that moved them first")
    if wanted.decide == "accept":
        chosen = [shown for shown in chosen if shown.movable]
    if not chosen:  # without a plan, there is no folder to write to either
        return 0
    _remember(reviews, wanted, chosen)
    with reviews.decisions.changing() as decisions:
        for shown in chosen:
            decisions[shown.key] = _changed(decisions.get(shown.key, UNDECIDED), shown.original, wanted)
    return len(chosen)


def _remember(reviews: ReviewService, wanted: DecisionRequest, chosen: Sequence[ReviewGroup]) -> None:
    """Stores a person's statements about contents where they outlive the plan."""
    if wanted.decide == "distinct":
        files = (wanted.file,) if wanted.file else ()
        reviews.evidence().remember_distinct(pair for shown in chosen for pair in content_pairs(shown.original, files))
    elif wanted.decide == "reopen":
        apart = [shown for shown in chosen if shown.decision.state == "distinct" or shown.decision.apart]
        if apart:
            reviews.evidence().forget_distinct(pair for shown in apart for pair in content_pairs(shown.original))


def _changed(decision: Decision, group: Group, wanted: DecisionRequest) -> Decision:
    file = wanted.file
    if wanted.decide == "reopen":
        return UNDECIDED
    if wanted.decide == "accept":
        return replace(decision, state="accepted")
    keys = {file_key(copy) for copy in (group.keeper, *(member.copy for member in group.members))}
    if file and file not in keys:
        raise UsageError(f"the group has no file {one_line(file[:40])!r}", "GET /api/v1/duplicates names its files")
    if wanted.decide == "keeper":
        return replace(decision, keeper="" if file == file_key(group.keeper) else file, stay=(), move=())
    if wanted.decide == "distinct":
        whole = not file or file == (decision.keeper or file_key(group.keeper))  # what differs from it differs from all
        return replace(decision, state="distinct") if whole else replace(decision, apart=(*decision.apart, file))
    stay, move = ([key for key in known if key != file] for known in (decision.stay, decision.move))
    (stay if wanted.decide == "stay" else move).append(file)
    return replace(decision, stay=tuple(stay), move=tuple(move))
