"""Jobs: runs that the page starts, stops and watches: of the index, and those that move duplicates or bring them back
(docs/http-api.md)."""

from __future__ import annotations

from typing import Any, cast

from flask import Blueprint, Flask, current_app, jsonify, request
from flask.typing import ResponseReturnValue

from imgsearch.errors import UsageError
from web.http.context import current_desk, current_service, draining, rooted
from web.http.parameters import require_json, require_known
from web.http.routes.streams import stream_events
from web.services.runs import Run, Runs, changes

blueprint = Blueprint("jobs", __name__, url_prefix="/api/v1")

RUNS = "imgsearch.runs"
_MOST_BYTES = 10_000  # of a job's description
_FIELDS = {
    "index": ("kind", "folders"),
    "dedup-find": ("kind",),
    "dedup-apply": ("kind",),
    "dedup-undo": ("kind", "run_id"),
}
_ALL_FIELDS = ("kind", "folders", "run_id")


@blueprint.get("/jobs")
def show_jobs() -> ResponseReturnValue:
    """The runs of this server, the newest first."""
    return jsonify({"jobs": [run.as_dict() for run in current_runs().all()]})


@blueprint.post("/jobs")
def start_job() -> ResponseReturnValue:
    """Start a run: of the index, a search for duplicates, an apply of those that were accepted, or an undo of one."""
    require_json()
    request.max_content_length = _MOST_BYTES
    try:
        wanted = request.get_json(silent=True)
    except RecursionError:  # thousands of brackets
        wanted = None
    run = _started(wanted if isinstance(wanted, dict) else {})
    answer = jsonify(run.as_dict())
    answer.status_code = 202
    answer.headers["Location"] = rooted(f"/api/v1/jobs/{run.run_id}")
    return answer


def _started(wanted: dict[str, Any]) -> Run:
    runs, kind, run_id = current_runs(), wanted.get("kind"), wanted.get("run_id")
    require_known(wanted, _FIELDS.get(kind, _ALL_FIELDS) if isinstance(kind, str) else _ALL_FIELDS, "field")
    folders = wanted.get("folders", [])
    if kind == "index" and isinstance(folders, list) and all(isinstance(one, str) for one in folders):
        return runs.start(folders)
    if kind == "dedup-find":
        return runs.start_find()
    if kind == "dedup-apply":
        return runs.start_apply(current_desk().write_accepted)
    if kind == "dedup-undo" and isinstance(run_id, str):
        return runs.start_undo(current_desk().known_run(run_id))
    raise UsageError("the request names no job that there is", 'send {"kind": "index"} as application/json')


@blueprint.get("/jobs/<int:job_id>")
def show_job(job_id: int) -> ResponseReturnValue:
    """One run."""
    return jsonify(current_runs().get(job_id).as_dict())


@blueprint.delete("/jobs/<int:job_id>")
def stop_job(job_id: int) -> ResponseReturnValue:
    """Stop a run as Ctrl-C does; a second time, at once."""
    run = current_runs().get(job_id)
    run.stop()
    return jsonify(run.as_dict()), 202


@blueprint.get("/jobs/stream")
def stream_jobs() -> ResponseReturnValue:
    """``jobs``, then ``job`` at every change, ``end`` when no run is left."""
    return stream_events(changes(current_runs(), draining().is_set))


def close_runs(app: Flask) -> None:
    """Stop the current run, as Ctrl-C does, and wait a little, because the server is about to stop."""
    runs = app.extensions.get(RUNS)
    if runs is not None:
        runs.close()


def current_runs() -> Runs:
    """The runs of this app."""
    known = current_app.extensions.get(RUNS)
    if known is None:
        known = current_app.extensions.setdefault(RUNS, Runs(current_service().store))
    return cast(Runs, known)
