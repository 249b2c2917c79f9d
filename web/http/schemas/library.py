"""Schemas of the library, its runs and its problems."""

from __future__ import annotations

from web.http.schemas.parts import (
    COUNT,
    FLAG,
    NUMBER,
    TEXT,
    WHEN,
    Schema,
    list_of,
    object_of,
    optional,
    or_null,
    ref,
    said,
)
from web.services.runs.options import JOB_KINDS

_STATUS = object_of(
    library=TEXT,
    created_at=WHEN,
    generation=said("grows with every commit that can change a search", **COUNT),
    images=COUNT,
    files=COUNT,
    failures=COUNT,
    deleted_images=COUNT,
    model=object_of(name=TEXT, fingerprint=TEXT, recipe=TEXT, dtype=TEXT),
    vectors=object_of(dtype=TEXT, query_tokens=COUNT, dims=COUNT),
    snapshot=or_null(ref("Snapshot")),
    disk_bytes=object_of(segments=COUNT, snapshots=COUNT, features=COUNT, thumbs=COUNT, catalog=COUNT, total=COUNT),
    roots=list_of(object_of(root_id=COUNT, path=TEXT, offline=FLAG, files=COUNT, failures=COUNT)),
)
_FAILURES = object_of(
    failures=list_of(object_of(path=TEXT, stage=TEXT, reason=TEXT, transient=FLAG, size_bytes=COUNT, failed_at=WHEN)),
    next_cursor=or_null(TEXT),
)
_JOB = object_of(
    id=COUNT,
    kind={"enum": list(JOB_KINDS)},
    state={"enum": ["running", "stopping", "pausing", "paused", "finished", "stopped", "failed"]},
    started_at=WHEN,
    finished_at=or_null(WHEN),
    exit_code=or_null({"type": "integer"}),
    message=said("what it said on its standard error", type="string"),
    problem=or_null(object_of(detail=TEXT, hint=TEXT)),
    summary=or_null({"type": "object"}),
    progress=optional(
        ("stage", "walked"),
        stage=said("what it does now", type="string"),
        walked=said("files that were found so far, while folders are looked through", **COUNT),
        total=or_null(said("files to deal with; null until it is known", **COUNT)),
        done=COUNT,
        failed=COUNT,
        images_per_s=or_null(NUMBER),
        seconds_left=or_null(NUMBER),
    ),
)
_PROBLEM: Schema = {
    "type": "object",
    "description": "RFC 9457",
    "properties": {
        "type": TEXT,
        "title": TEXT,
        "status": {"type": "integer"},
        "detail": said("what was received and what was expected", type="string"),
        "hint": said("what mends it", type="string"),
    },
    "required": ["type", "title", "status", "detail"],
    "additionalProperties": False,
}


LIBRARY: dict[str, Schema] = {
    "Snapshot": object_of(kind=TEXT, images=COUNT, size_bytes=COUNT, created_at=WHEN),
    "Status": _STATUS,
    "Failures": _FAILURES,
    "Job": _JOB,
    "Jobs": object_of(jobs=list_of(ref("Job"))),
    "Problem": _PROBLEM,
}
