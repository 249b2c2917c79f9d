"""What the API's description says about each operation beyond its schema, with an example that a test checks."""

from __future__ import annotations

from typing import Any

Part = dict[str, Any]

_HIT: Part = {
    "rank": 1,
    "image_id": 17,
    "itc": 0.412,
    "itm_logit": 2.31,
    "itm_probability": 0.97,
    "confident": True,
    "name": "IMG_2004.jpg",
    "format": "JPEG",
    "width": 4032,
    "height": 3024,
    "taken_at": "2019-07-14T18:02:11",
    "words": "",
    "alt": "a red boat at the quay",
    "favourite": True,
    "hidden": False,
    "thumbnail": "/api/v1/pictures/17/thumbnail/9f86d081884c7d65-2",
    "page": "/pictures/17",
}
_ANSWER: Part = {
    "query": "a red boat year:2019",
    "title": "a red boat (2019)",
    "hits": [_HIT],
    "closest": [],
    "notes": [],
    "next_cursor": None,
    "total": 1,
    "order": "match",
    "judged": True,
    "settled": True,
    "complete": True,
    "reranked": 64,
    "took_ms": {"embed": 9.8, "search": 14.2, "rerank": 103.0, "total": 128.1},
}
_JOB: Part = {
    "id": 3,
    "kind": "index",
    "state": "running",
    "started_at": "2026-11-27T10:00:00.000Z",
    "finished_at": None,
    "exit_code": None,
    "message": "",
    "problem": None,
    "summary": None,
    "progress": {
        "total": 1200,
        "done": 300,
        "failed": 0,
        "images_per_s": 12.5,
        "seconds_left": 72.0,
    },
}
_CAPTION: Part = {
    "image_id": 17,
    "text": "a red boat at the quay",
    "sure": True,
    "itm_probability": 0.93,
    "generator": "mini",
    "prompt": "",
    "made_at": "2026-11-27T10:00:00.000Z",
}

DESCRIPTIONS: dict[str, str] = {
    "search": "Without `q` it lists the library, the newest in it first. With a calibration the list ends where the "
    "matches end; `all=1` goes on to the end of the library. The header `Link` names the next page (RFC 8288).",
    "searchByPicture": "Words and filters may come with the picture. Nothing of the upload is kept.",
    "streamSearch": "For a page that shows the first order at once. Where a calibration ends lists, the first event "
    "holds only what is being re-ranked.",
    "alternatives": "For a query whose filters leave nothing: the nearest years, folders, cameras and types that there "
    "are, and the query without each of its filters.",
    "placeFacets": "A town's count is what `near:` it finds, 20 km around, with the other filters of `q`; circles may "
    "overlap. `search` has it in the place of an earlier `near:`.",
    "facets": "Counts over what the other filters of `q` leave; `search` is the whole query with the value.",
    "picture": "With `q`, the file that its `folder:` and `name:` ask for comes first, and gives the name.",
    "motion": "How pictures move: films inside of them or beside them, and animations that browsers play.",
    "thumbnail": "Made at the first request and kept. Longer than twice their height or width, panoramas get more "
    "pixels, so that they are as sharp as others in a row.",
    "keptThumbnail": "The path names the content: it may be kept for ever.",
    "full": "The original where every browser shows it, an AVIF of 8 bits only to clients whose `Accept` names it; "
    "else a JPEG of the full size, upright, in sRGB, made within limits and kept.",
    "original": "Byte for byte. With `q`, of several files the one that its `folder:` and `name:` ask for.",
    "film": "The film of a Live Photo or a motion photo, or a range of it.",
    "match": "Where the model finds each word of `q` in the picture, and how well the whole fits.",
    "status": "Measured at most every ten seconds, as far as disk use goes.",
    "failures": "By folder and path. The header `Link` names the next page.",
    "duplicates": "As `dedup find` found them, with what was decided since.",
    "duplicateGroup": "As in the list.",
    "decide": "A decision moves nothing; the job `dedup-apply` does.",
    "jobs": "Runs that this server has started.",
    "startJob": "One at a time, in a process of its own. `index` may name `folders` inside those of the library, and "
    "others where this client may choose them (`setup`); `estimate` says what that would take, in its `summary`; "
    "`dedup-find` looks for duplicates and moves nothing; `dedup-apply` moves what was accepted; `dedup-undo` brings a "
    "run's files back. While there is no library, `pull` fetches a model, `index` and `estimate` take a `model`, and "
    "`demo` draws scenes and makes a library of them in a folder beside.",
    "job": "One of the last 20.",
    "stopJob": "After the batch in flight; a second time, at once. A paused run ends.",
    "pauseJob": "`index` and `pull` only: the batch in flight is finished, and the process ends, so that its memory is "
    "free; `state` is `pausing`, then `paused`.",
    "resumeJob": "In a new process, where it was; counts go on.",
    "changes": "For a page that stays open. Without `since` only `newest` is told; `job` is the run that reads "
    "pictures, under way or paused.",
    "setup": "Models and folders are told only to clients that may choose them: those that are logged in or send a "
    "token, or, where nobody has to, programs on this machine of the user that runs the server.",
    "folders": "By name; hidden folders, and links that lead out of the roots, are left out. Without `path` the roots, "
    "or what is in the only one.",
    "leaveDemo": "For the demo alone; its folder stays.",
    "streamJobs": "Ends with the last run.",
    "months": "In the order of `sort`; undated ones come last. The counts add up to the places of `timeline`.",
    "timeline": "Filters of `q` apply; words have an order of their own, and are refused.",
    "zipAlbum": "Made while it is sent, under the album's name; hidden pictures are left out.",
    "zipFavourites": "Made while it is sent; hidden pictures are left out. 404 where nothing is a favourite.",
    "zip": "Made while it is sent; pictures that no file holds any more are named in a text inside.",
    "paths": "The first file of each.",
    "mark": "Favourites are found by `is:favourite`. Hidden pictures are in no answer but to `is:hidden`. "
    "Both stay with the content of a picture when its files are moved. `changed` is what taking it back is about.",
    "albums": "By name. Counts are those of a search by the album: hidden pictures do not count.",
    "createAlbum": "Names differ by more than case, quotes and spaces.",
    "renameAlbum": "As for a new album.",
    "deleteAlbum": "Its pictures stay; for 30 days `restore` brings it back.",
    "restoreAlbum": "Unless another album got its name.",
    "putIntoAlbum": "With `inside: false` they are taken out. Pictures that the library does not hold are passed over.",
    "exportAlbums": "What `imgsearch album export` writes and `imgsearch album import` reads.",
    "openapi": "OpenAPI 3.1.",
    "caption": "404 where there is none and nothing writes one.",
    "makeCaption": "Written anew, checked by the matching head, and stored.",
    "text": "With `q`, words that it asks for are marked.",
}

_ALBUM: Part = {
    "id": "9f86d081884c7d65",
    "name": "Rome 2019",
    "count": 31,
    "cover": "/api/v1/pictures/17/thumbnail/9f86d081884c7d65-2",
    "made_at": "2026-11-27T10:00:00.000Z",
    "search": 'album:"Rome 2019"',
}
_NOTED: Part = {"sha256": "9f86d081884c7d65" * 4, "at": "2026-11-27T10:00:00.000Z", "path": "/photos/IMG_2004.jpg"}

ANSWERS: dict[str, Part] = {
    "mark": {"mark": "favourite", "on": True, "changed": [17]},
    "albums": {
        "albums": [_ALBUM],
        "favourites": {"count": 4, "cover": _ALBUM["cover"], "search": "is:favourite"},
        "hidden": {"count": 0, "cover": None, "search": "is:hidden"},
    },
    "createAlbum": _ALBUM,
    "renameAlbum": _ALBUM,
    "deleteAlbum": _ALBUM,
    "restoreAlbum": _ALBUM,
    "putIntoAlbum": {"album": _ALBUM, "changed": [17]},
    "exportAlbums": {
        "format": "imgsearch-albums",
        "version": 1,
        "written_at": "2026-11-27T10:00:00.000Z",
        "albums": [{"name": "Rome 2019", "made_at": "2026-11-27T10:00:00.000Z", "pictures": [_NOTED]}],
        "favourites": [_NOTED],
        "hidden": [],
    },
    "search": _ANSWER,
    "searchByPicture": _ANSWER
    | {"query": "year:2019", "title": "Pictures: 2019", "order": "likeness", "judged": False, "reranked": 0}
    | {"hits": [_HIT | {"itm_logit": None, "itm_probability": None, "confident": None, "itc": 0.91}]},
    "alternatives": {"alternatives": [{"text": "2021", "search": "a red boat year:2021", "count": 120}]},
    "facets": {
        "years": [{"value": 2019, "count": 31, "query": "year:2019", "search": "a red boat year:2019"}],
        "folders": [],
        "cameras": [],
        "types": [],
    },
    "motion": {
        "motion": [{"image_id": 17, "kind": "film", "source": "/api/v1/pictures/17/film", "size_bytes": 2097152}]
    },
    "match": {"itc": 0.412, "itm_probability": 0.97, "words": [{"word": "boat", "grid": [[0.0, 0.1], [0.9, 1.0]]}]},
    "caption": _CAPTION,
    "makeCaption": _CAPTION,
    "text": {
        "image_id": 17,
        "text": "OPEN",
        "lines": [
            {
                "text": "OPEN",
                "box": [[0.1, 0.1], [0.3, 0.1], [0.3, 0.2], [0.1, 0.2]],
                "confidence": 0.99,
                "words": [],
            }
        ],
        "engine": "PP-OCRv6",
        "made_at": "2026-11-27T10:00:00.000Z",
    },
    "failures": {
        "failures": [
            {
                "path": "/photos/torn.jpg",
                "stage": "decode",
                "reason": "the file ends too early",
                "transient": False,
                "size_bytes": 40960,
                "failed_at": "2026-11-27T10:00:00.000Z",
            }
        ],
        "next_cursor": None,
    },
    "months": {"months": [{"year": 2019, "month": 7, "count": 312}, {"year": 0, "month": 0, "count": 4}], "total": 316},
    "timeline": {
        "start": 0,
        "hits": [_HIT | {"itc": 0, "itm_logit": None, "itm_probability": None, "confident": None}],
    },
    "paths": {"paths": ["/photos/2019/IMG_2004.jpg"]},
    "jobs": {"jobs": [_JOB]},
    "startJob": _JOB,
    "job": _JOB,
    "stopJob": _JOB | {"state": "stopping"},
    "pauseJob": _JOB | {"state": "pausing"},
    "resumeJob": _JOB,
    "changes": {"newest": 4711, "count": 3, "job": None},
    "setup": {
        "ready": True,
        "demo": False,
        "allowed": True,
        "library": "/home/me/.local/share/imgsearch/library",
        "models": [],
        "roots": [{"name": "me", "path": "/home/me"}],
        "memory_free_bytes": 9_000_000_000,
        "disk_free_bytes": 80_000_000_000,
        "job": None,
        "problem": None,
    },
    "folders": {
        "path": "/home/me/Pictures",
        "shown": "/home/me/Pictures",
        "parent": "/home/me",
        "folders": [{"name": "2019", "path": "/home/me/Pictures/2019"}],
        "pictures": 12,
        "elsewhere": 0,
        "cut": False,
    },
}

BODIES: dict[str, Part] = {
    "startJob": {"kind": "index", "folders": ["/photos/2019"]},
    "folders": {"path": "/home/me/Pictures"},
    "decide": {"decide": "accept", "tier": "bytes"},
    "paths": {"ids": [17, 18]},
    "mark": {"mark": "favourite", "ids": [17], "on": True},
    "createAlbum": {"name": "Rome 2019", "ids": [17]},
    "renameAlbum": {"name": "Rome"},
    "putIntoAlbum": {"ids": [17], "inside": True},
}

PARAMETERS: dict[str, Any] = {
    "q": "a red boat year:2019",
    "limit": 20,
    "sort": "newest",
    "rerank": 0,
    "all": 1,
    "size": "large",
    "download": 1,
    "ids": "17,18,19",
    "image_id": 17,
    "album_id": "9f86d081884c7d65",
    "job_id": 3,
    "state": "open",
    "tier": "bytes",
    "version": "9f86d081884c7d65-2",
    "key": "9f86d081884c7d659a2feaa0",
}

_SAID = {
    "image_id": "a picture's number, as answers give it",
    "album_id": "an album's number, as the list of albums gives it",
    "job_id": "a run's number, as the list of runs gives it",
    "key": "a group's key, as the list of groups gives it",
    "version": "as an answer's address of the thumbnail has it; under another one it comes too, not to be kept",
}
_TOLD: dict[str, Part] = {name: {"description": said} for name, said in _SAID.items()}
for _name, _example in PARAMETERS.items():
    _TOLD.setdefault(_name, {})["example"] = _example


def explained(name: str, operation: Part) -> Part:
    """``operation`` with its description and examples."""
    plain = name.removesuffix("OfImage")
    told = dict(operation)
    if plain in DESCRIPTIONS:
        told.setdefault("description", DESCRIPTIONS[plain])
    if plain in ANSWERS:
        status = next(status for status in operation["responses"] if status.startswith("2"))
        operation["responses"][status]["content"]["application/json"]["example"] = ANSWERS[plain]
    if plain in BODIES:
        operation["requestBody"]["content"]["application/json"]["example"] = BODIES[plain]
    told["parameters"] = [_TOLD.get(each["name"], {}) | each for each in operation["parameters"]]
    return told
