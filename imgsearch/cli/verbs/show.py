"""imgsearch show: all that is known of one picture, and where each fact comes from."""

from __future__ import annotations

import argparse
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgsearch.cli.command import Command
from imgsearch.cli.listed import listed_paths
from imgsearch.cli.output.terminal import shown
from imgsearch.errors import MediaError, UsageError

if TYPE_CHECKING:
    from imgsearch.media.decode_pool.shown import ShownPool
    from imgsearch.media.shown import ShownFile
    from imgsearch.records import Word
    from imgsearch.storage import Store

_DESCRIPTION = """\
Show when, where and by what camera a picture was taken, what people wrote about it, its sizes, format and colours, and
which part of the file, which file beside it, or what else tells each of them. PICTURE is a file, or the id of a picture
in the library; - reads names or ids from standard input, one a line. The library need not know the picture, nor exist
unless --library names one; nothing is changed.
"""
_NAMES_OF_SOURCES = {
    "exif": "EXIF",
    "xmp": "XMP",
    "iptc": "IPTC",
    "gps": "GPS clock",
    "png": "PNG text",
    "comment": "a comment in the file",
    "sidecar": "an XMP file beside it",
    "takeout": "Google's notes beside it",
    "name": "the file's name",
    "file": "the file's time",
    "boxes": "the file's boxes irot and imir",
    "codestream": "its codestream",
    "raw": "the camera RAW file",
}
_MOST_SHOWN = 12  # words of one kind; --json has all


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION
    parser.add_argument(
        "pictures", metavar="PICTURE", nargs="+", help="a file, or the id of a picture in the library; - reads stdin"
    )
    parser.add_argument("--library", metavar="DIR", help="where the library is")
    parser.add_argument("--json", action="store_true", help="one JSON object; of several pictures one a line")


def _run(arguments: argparse.Namespace) -> int:
    from imgsearch import storage
    from imgsearch.settings import load_settings

    settings = load_settings(vars(arguments))
    if arguments.library is None and not storage.library_exists(settings.library):
        return _show_all(arguments, None)
    with storage.open_store(settings.library, catalog_url=settings.catalog_url) as store:
        return _show_all(arguments, store)


def _show_all(arguments: argparse.Namespace, store: Store | None) -> int:
    """Show each picture. A single one that cannot be read is refused; among several it does not stop the others."""
    from imgsearch.media.decode_pool.shown import ShownPool

    as_json = arguments.json
    with ShownPool() as pool:
        if arguments.pictures != ["-"] and len(arguments.pictures) == 1:
            return _show(arguments.pictures[0], pool, store, as_json=as_json)
        worst, printed = 0, 0
        for named in listed_paths(arguments.pictures):
            try:
                code = _show(named, pool, store, as_json=as_json, on_a_line=True, below=printed > 0)
                printed += code == 0
            except UsageError as error:
                print(f"imgsearch: {shown(error.message)}", file=sys.stderr)
                code = 3
            worst = max(worst, code)
    return worst


def _show(
    named: str, pool: ShownPool, store: Store | None, *, as_json: bool, on_a_line: bool = False, below: bool = False
) -> int:
    """Nothing but the reason where the picture cannot be shown: half of what is known looks like all of it. JSON has
    what could be read, beside the failure. ``below``: another one stands above."""
    path = _path_of(named, store)
    found = _read(path, pool)
    if as_json:
        print(json.dumps(_as_json(path, found, store), indent=None if on_a_line else 2))
    elif found.fault is not None:
        more = "; --json has what its header tells" if found.is_image else ""
        print(f"imgsearch: {shown(path)} is not shown: {shown(found.fault.message)}{more}", file=sys.stderr)
    else:
        _print(path, _as_json(path, found, store), below=below)
    sys.stdout.flush()
    return 3 if found.fault else 0


def _read(path: Path, pool: ShownPool) -> ShownFile:
    try:
        path.stat()
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise UsageError(f"{path} cannot be read: {reason}", "name a picture, or its id in the library") from exc
    found = pool.read(path)
    if isinstance(found, MediaError):
        raise UsageError(f"{path} cannot be read: {found.message}", "name a picture, or its id in the library")
    return found


def _path_of(named: str, store: Store | None) -> Path:
    """A file of that name goes before an id."""
    path = Path(named).expanduser()
    if path.is_dir():
        raise UsageError(f"{path} is a folder, expected a picture", "name one file in it")
    if named.isdecimal() and not path.exists() and store is not None:
        found = store.paths([int(named)]) if int(named) < 1 << 63 else {}
        if not found:
            raise UsageError(f"the library holds no picture with the id {named}", "ids are in `search --json`")
        path = next(iter(found.values()))
    return path


def _as_json(path: Path, found: ShownFile, store: Store | None) -> dict[str, Any]:
    """Names as in the API; a source stands beside each fact. Paths as `search --json` writes them."""
    from imgsearch.places import named_place

    facts, content, traits = found.facts, found.content, found.traits
    modified = datetime.fromtimestamp(found.mtime_ns / 1e9, UTC).isoformat(timespec="seconds")
    return {
        "path": str(path.absolute()),
        "size_bytes": found.size_bytes,
        "modified_at": modified,
        "content_hash": content.content_hash if content else None,
        "format": content.format if content else None,
        "width": found.size[0] if found.size else None,
        "height": found.size[1] if found.size else None,
        "orientation": content.orientation if content else None,
        "orientation_source": content.orientation_source if content else None,
        "turned_by": found.turned_by,
        "images": traits.images if traits else None,
        "depth": traits.depth if traits else None,
        "has_alpha": traits.has_alpha if traits else None,
        "profile": (traits.profile or "sRGB") if traits else None,
        "lossless": traits.lossless if traits else None,
        "raw": traits.raw if traits else None,
        "film": traits.film if traits else None,
        "software": (traits.software or None) if traits else None,
        "taken_at": facts.taken_at,
        "taken_source": facts.taken_source,
        "camera": facts.camera,
        "latitude": facts.latitude,
        "longitude": facts.longitude,
        "place_source": facts.place_source,
        "place": named_place(facts.latitude, facts.longitude),
        "rating": facts.rating,
        "rating_source": facts.rating_source,
        "title": _first(facts.words, "title"),
        "caption": _first(facts.words, "caption"),
        "tags": [word.text for word in facts.words if word.kind == "tag"],
        "people": [word.text for word in facts.words if word.kind == "person"],
        "words": [word._asdict() for word in facts.words],
        "sidecars": [str(sidecar) for sidecar in found.sidecars],
        "failure": _failure(found.fault),
        "library": None if store is None else _in_library(path, found, store),
    }


def _first(words: tuple[Word, ...], kind: str) -> str | None:
    return next((word.text for word in words if word.kind == kind), None)


def _failure(error: MediaError | None) -> dict[str, Any] | None:
    if error is None:
        return None
    return {"stage": error.stage, "reason": error.message, "transient": error.transient}


def _in_library(path: Path, found: ShownFile, store: Store) -> dict[str, Any]:
    """What the library knows of the content and of the place."""
    image_id = store.image_of(found.content.content_hash) if found.content else None
    files = store.all_paths([image_id]).get(image_id, []) if image_id is not None else []
    return {
        "path": str(store.path),
        "image_id": image_id,
        "indexed": any(os.path.realpath(path) == os.path.realpath(file) for file in files),
        "files": [str(file) for file in files],
        "caption": None if image_id is None else _written(image_id, store),
        "words_read": None if image_id is None else _lines_read(image_id, store),
        "failure": _recorded_failure(path, store),
    }


def _written(image_id: int, store: Store) -> dict[str, Any] | None:
    """What a generator wrote about it."""
    from imgsearch.storage.reads.captions import read_captions

    caption = read_captions(store, [image_id]).get(image_id)
    names = ("text", "probability", "sure", "generator", "made_at")
    return None if caption is None else {name: getattr(caption, name) for name in names}


def _lines_read(image_id: int, store: Store) -> list[str] | None:
    """The lines that were read in it; None if it was never read."""
    from imgsearch.storage.reads.image_texts import read_texts

    text = read_texts(store, [image_id]).get(image_id)
    return None if text is None else [line.text for line in text.lines]


def _recorded_failure(path: Path, store: Store) -> dict[str, Any] | None:
    inside = [root for root in store.roots() if path.absolute().is_relative_to(root.path)]
    for root in inside:
        for failure in store.failures(root.root_id):
            if os.path.realpath(path) == os.path.realpath(failure.path):
                return {"stage": failure.stage, "reason": failure.reason, "transient": failure.transient}
    return None


def _print(path: Path, answer: dict[str, Any], *, below: bool) -> None:
    lines = [("file", f"{shown(path)}, {_size(answer['size_bytes'])}, changed {answer['modified_at']}")]
    lines.append(("picture", _picture(answer)))
    if answer["taken_at"]:
        lines.append(("taken", f"{answer['taken_at'].replace('T', ' ')} ({_source(answer['taken_source'])})"))
    if answer["camera"]:
        lines.append(("camera", shown(answer["camera"])))
    if answer["latitude"] is not None:
        place = f"{answer['latitude']:.6f}, {answer['longitude']:.6f}"
        near = f"; {shown(answer['place']['said'])}" if answer["place"] else ""
        lines.append(("place", f"{place} ({_source(answer['place_source'])}){near}"))
    if answer["rating"] is not None:
        stars = "rejected" if answer["rating"] < 0 else f"{answer['rating']} of 5"
        lines.append(("rating", f"{stars} ({_source(answer['rating_source'])})"))
    for kind in ("title", "caption", "tag", "person"):
        told = [word for word in answer["words"] if word["kind"] == kind]
        lines += _first_lines(kind, [f"{shown(word['text'])} ({_source(word['source'])})" for word in told])
    lines += [("beside it", shown(sidecar)) for sidecar in answer["sidecars"]]
    lines += _library_lines(answer["library"])
    print("\n" * below + "\n".join(f"{name:10} {text}" for name, text in lines))


def _picture(answer: dict[str, Any]) -> str:
    parts = [f"{answer['format']}, {answer['width']:,} x {answer['height']:,}"]
    parts += [f"{answer['depth']} bits", str(answer["profile"])] if answer["depth"] else []
    if (answer["images"] or 1) > 1:
        parts.append(f"{answer['images']:,} pictures")
    parts += [word for word, there in (("transparency", answer["has_alpha"]), ("a film", answer["film"])) if there]
    if answer["orientation"] != 1:
        parts.append(f"orientation {answer['orientation']} ({_source(answer['turned_by'])})")
    return ", ".join(parts)


def _library_lines(library: dict[str, Any] | None) -> list[tuple[str, str]]:
    if library is None:
        return [("library", "there is none")]
    lines = [("library", f"{shown(library['path'])}: " + (_known(library) if library["image_id"] else "not in it"))]
    lines += [("file of it", shown(file)) for file in library["files"]]
    if caption := library["caption"]:
        lines.append(("generated", f"{shown(caption['text'])} ({_belief(caption)})"))
    lines += _first_lines("read in it", [shown(line) for line in library["words_read"] or []])
    if library["failure"]:
        lines.append(("failed", shown(library["failure"]["reason"])))
    return lines


def _first_lines(name: str, texts: list[str]) -> list[tuple[str, str]]:
    more = [f"... and {len(texts) - _MOST_SHOWN:,} more (--json shows all)"] * (len(texts) > _MOST_SHOWN)
    return [(name, text) for text in (*texts[:_MOST_SHOWN], *more)]


def _belief(caption: dict[str, Any]) -> str:
    chance = caption["probability"]
    checked = "not checked" if chance is None else f"{100 * chance:.0f} %"
    return ", ".join([*([] if caption["sure"] else ["unsure"]), checked, f"by {shown(caption['generator'])}"])


def _known(library: dict[str, Any]) -> str:
    return f"picture {library['image_id']}" + ("" if library["indexed"] else ", from another file of the same content")


def _source(name: str | None) -> str:
    return _NAMES_OF_SOURCES.get(name or "exif", str(name))


def _size(size_bytes: int) -> str:
    from imgsearch.wording import describe_size

    return describe_size(size_bytes)


SHOW = Command("all facts of a picture, and where each comes from", _configure, _run)
