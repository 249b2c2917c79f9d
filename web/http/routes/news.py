"""What is new since a page was made: pictures that came, and the run that brings them (docs/http-api.md)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, request
from flask.typing import ResponseReturnValue

from imgsearch.records import Filters
from imgsearch.search.query.description import readable
from imgsearch.search.query.parser import parse
from imgsearch.storage.reads.arrivals import count_later, newest_image_id
from web.config import MAX_QUERY_CHARS
from web.http.answers import read_number
from web.http.context import current_runs, current_service, current_setup
from web.http.operations import Part, operation, parameter, q
from web.http.setup_access import may_set_up
from web.http.tagging import tagged_json
from web.services.runs import Run

blueprint = Blueprint("news", __name__)

_MOST = (1 << 62) - 1


@blueprint.get("/api/v1/changes")
def show_changes() -> ResponseReturnValue:
    """The newest picture's id, and how many pictures with a later id than ``since`` the filters of ``q`` leave."""
    store = current_service().store
    newest = newest_image_id(store)
    since = read_number(request.args, "since", newest, 0, _MOST)
    parsed = parse(readable(request.args.get("q", ""))[:MAX_QUERY_CHARS])
    count = count_later(store, since, parsed.filters or Filters()) if newest > since else 0
    return tagged_json({"newest": newest, "count": count, "job": current_index_job()})


def current_index_job() -> dict[str, Any] | None:
    """The run that reads pictures, under way or paused; None for none."""
    run = next((run for run in _index_runs() if not run.over), None)
    return None if run is None else run.as_dict()


@blueprint.app_template_global("job_to_tell")
def job_to_tell() -> dict[str, Any] | None:
    """That run, or one that has ended just now."""
    ended = next((run.as_dict() for run in _index_runs() if run.over_just_now), None)
    return current_index_job() or ended


def _index_runs() -> list[Run]:
    return [run for run in current_runs().all() if run.kind in ("index", "demo")]


@blueprint.app_template_global("is_demo")
def is_demo() -> bool:
    """Whether the demo is open."""
    return current_setup().demo


@blueprint.app_template_global("newest_picture")
def newest_picture() -> int:
    """The id of the picture that came last."""
    return newest_image_id(current_service().store)


@blueprint.app_template_global("adds_folders")
def adds_folders() -> bool:
    """Whether the page may add folders, for the client of this request."""
    setup = current_setup()
    return bool(setup.rules.roots) and not setup.demo and may_set_up()


NEWS_SCHEMAS: dict[str, Part] = {
    "Changes": {
        "type": "object",
        "properties": {
            "newest": {"type": "integer", "minimum": 0, "description": "the id of the picture that came last"},
            "count": {"type": "integer", "minimum": 0},
            "job": {"anyOf": [{"$ref": "#/components/schemas/Job"}, {"type": "null"}]},
        },
        "required": ["newest", "count", "job"],
        "additionalProperties": False,
    }
}


def paths() -> dict[str, Part]:
    """The operation, for the API's description."""
    since = parameter("since", {"type": "integer", "minimum": 0, "maximum": _MOST}, "`newest` of an earlier answer")
    return {"/changes": {"get": operation("changes", "How many pictures came since", "Changes", [q(), since])}}
