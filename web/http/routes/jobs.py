"""Jobs: runs that the page starts, stops and watches: of the index, those that move duplicates or bring them back, and
those of a first run (docs/http-api.md)."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, jsonify, request
from flask.typing import ResponseReturnValue

from imgsearch.errors import UsageError
from web.http.context import RUNS, current_reviews, current_runs, current_setup, draining, rooted
from web.http.operations import Part, event_stream, operation
from web.http.parameters import require_json, require_known
from web.http.routes.streams import stream_events
from web.http.schemas import TEXT, Schema
from web.http.setup_access import require_setup
from web.services.runs import Run, changes
from web.services.runs.options import JOB_KINDS

blueprint = Blueprint("jobs", __name__, url_prefix="/api/v1")

_MOST_BYTES = 10_000  # of a job's description
_FIELDS = {
    "index": ("kind", "folders", "model"),
    "estimate": ("kind", "folders", "model"),
    "pull": ("kind", "model"),
    "dedup-undo": ("kind", "run_id"),
}
_ALL_FIELDS = ("kind", "folders", "model", "run_id")


@blueprint.get("/jobs")
def show_jobs() -> ResponseReturnValue:
    """The runs of this server, the newest first."""
    return jsonify({"jobs": [run.as_dict() for run in current_runs().all()]})


@blueprint.post("/jobs")
def start_job() -> ResponseReturnValue:
    """Start a run: of the index, an estimate of one, a search for duplicates, an apply of those that were accepted, an
    undo of one; before there is a library, fetch a model, or make the demo."""
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
    known = isinstance(kind, str) and kind in JOB_KINDS
    require_known(wanted, _FIELDS.get(str(kind), ("kind",)) if known else _ALL_FIELDS, "field")
    folders, model = wanted.get("folders", []), wanted.get("model", "")
    if not isinstance(folders, list) or not all(isinstance(one, str) for one in (*folders, model)):
        kind = None
    if kind == "index":
        return current_setup().index(folders, model, require_setup)
    if kind == "estimate":
        return current_setup().estimate(folders, model, require_setup)
    if kind in ("pull", "demo"):
        require_setup()
        return current_setup().pull(model) if kind == "pull" else current_setup().open_demo()
    if kind == "dedup-find":
        return runs.start_find()
    if kind == "dedup-apply":
        return runs.start_apply(current_reviews().write_accepted)
    if kind == "dedup-undo" and isinstance(run_id, str):
        return runs.start_undo(current_reviews().known_run(run_id))
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


@blueprint.post("/jobs/<int:job_id>/pause")
def pause_job(job_id: int) -> ResponseReturnValue:
    """Stop a run in such a way that it can go on."""
    run = current_runs().get(job_id)
    run.pause()
    return jsonify(run.as_dict()), 202


@blueprint.post("/jobs/<int:job_id>/resume")
def resume_job(job_id: int) -> ResponseReturnValue:
    """Let a paused run go on."""
    return jsonify(current_setup().resume(job_id).as_dict()), 202


@blueprint.get("/jobs/stream")
def stream_jobs() -> ResponseReturnValue:
    """``jobs``, then ``job`` at every change, ``end`` when no run is left."""
    return stream_events(changes(current_runs(), draining().is_set))


def close_runs(app: Flask) -> None:
    """Stop the current run, as Ctrl-C does, and wait a little, because the server is about to stop."""
    runs = app.extensions.get(RUNS)
    if runs is not None:
        runs.close()


def paths() -> dict[str, Part]:
    """The operations, for the API's description."""
    job = {"name": "job_id", "in": "path", "required": True, "schema": {"type": "integer", "minimum": 1}}
    told = "Index folders, look for duplicates, move those that were accepted, bring a run's files back, or set up"
    start = operation("startJob", told, "Job", [], (404, 409, 413, 415), status=202)
    kinds = {
        "kind": {"enum": list(JOB_KINDS)},
        "run_id": {"type": "string", "description": "of dedup-undo: the run whose files come back"},
        "folders": {"type": "array", "items": TEXT, "description": "of index and estimate: what is looked through"},
        "model": {"type": "string", "description": "of pull, and of index and estimate before there is a library"},
    }
    body: Schema = {"type": "object", "properties": kinds, "required": ["kind"], "additionalProperties": False}
    start["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    stream = operation("streamJobs", "Runs as they go on", None, [])
    stream["responses"]["200"] = event_stream(
        "`jobs` with all, `job` with one that changed, `end` when none goes on", ["jobs", "job", "end"]
    )
    stop = operation("stopJob", "Stop a run, as Ctrl-C does", "Job", [job], (404,), status=202)
    pause = operation("pauseJob", "Stop a run so that it can go on", "Job", [job], (404, 409), status=202)
    resume = operation("resumeJob", "Let a paused run go on", "Job", [job], (404, 409), status=202)
    return {
        "/jobs": {"get": operation("jobs", "Runs of this server, the newest first", "Jobs", []), "post": start},
        "/jobs/{job_id}": {"get": operation("job", "One run", "Job", [job], (404,)), "delete": stop},
        "/jobs/{job_id}/pause": {"post": pause},
        "/jobs/{job_id}/resume": {"post": resume},
        "/jobs/stream": {"get": stream},
    }
