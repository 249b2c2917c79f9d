"""`imgsearch alt-text`: the library's captions for other programs."""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgsearch.cli.command import Command
from imgsearch.cli.named_images import found_ids, read_named
from imgsearch.cli.output.terminal import shown
from imgsearch.cli.parser import whole
from imgsearch.cli.rewriting import agreed, bring_back, write_into_images, write_sidecars
from imgsearch.errors import UsageError
from imgsearch.settings import load_settings
from imgsearch.wording import counted

if TYPE_CHECKING:
    from imgsearch.settings import Settings
    from imgsearch.storage import Store, StoredCaption

_DESCRIPTION = """\
Give the captions that `imgsearch caption` wrote to other programs, as alternative texts. PICTURE is a file or an id of
the library, or a query over it; without any, all pictures with a caption. Unsure captions are left out.

--csv and --json print a list. --xmp puts each text into the picture's XMP sidecar (Iptc4xmpCore:AltTextAccessibility),
--into-pictures into the XMP inside the picture (JPEG, PNG, WebP; nothing is encoded again), --html FILE into every
<img> of a page that has no alt. All three show what they would do and ask; without a terminal they want --yes. An
alternative text that is there stays. The originals of changed pictures and sidecars are kept in the library until
--undo brings them back and takes new sidecars away; that of a page is kept beside it as NAME.bak.
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION
    parser.add_argument("words", nargs="*", metavar="PICTURE", help="pictures, or a query over the library")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--csv", action="store_true", help="a table on standard output (unless another form is named)")
    form.add_argument("--json", action="store_true", help="a list of objects on standard output")
    form.add_argument("--xmp", action="store_true", help="XMP sidecars")
    form.add_argument("--html", type=Path, metavar="FILE", help="the pictures of a web page")
    form.add_argument("--into-pictures", action="store_true", help="the XMP inside the pictures")
    form.add_argument("--undo", action="store_true", help="bring back what was changed last, or in a named run")
    parser.add_argument("--unsure", action="store_true", help="unsure captions too")
    parser.add_argument("--yes", action="store_true", help="write what is shown, and do not ask")
    parser.add_argument("--top", type=whole(1, 10_000_000), default=1000, metavar="N", help="of a query, most (1000)")
    parser.add_argument("--library", metavar="DIR", help="where the library is")


def _run(arguments: argparse.Namespace) -> int:
    from imgsearch.app import open_store

    settings = load_settings({"library": arguments.library})
    with open_store(settings) as store:
        if arguments.undo:
            return bring_back(store, arguments.words)
        if arguments.html is not None:
            if arguments.words:
                raise UsageError("received pictures and --html, which reads them from the page", "leave them out")
            return _describe_page(store, arguments)
        found = list(_captions(store, arguments, settings))
        if arguments.xmp or arguments.into_pictures:
            write = write_sidecars if arguments.xmp else write_into_images
            return write(store, found, yes=arguments.yes) or _told(len(found))
    if arguments.json:
        print(json.dumps([_as_json(path, caption) for path, caption in found], indent=2))
    else:
        table = csv.writer(sys.stdout, lineterminator="\n")
        table.writerow(("path", "alt", "probability", "sure"))
        for path, caption in found:
            table.writerow((_text(path), caption.text, caption.probability, int(caption.sure)))
    return _told(len(found))


def _captions(store: Store, arguments: argparse.Namespace, settings: Settings) -> Iterator[tuple[Path, StoredCaption]]:
    """The best file of each picture with its caption."""
    from imgsearch.storage.reads.captions import read_captions

    ids = _ids(store, arguments, settings)
    for first in range(0, len(ids), 1000):
        part = ids[first : first + 1000]
        captions, paths = read_captions(store, part), store.paths(part)
        for number in part:
            caption = captions.get(number)
            if number in paths and caption is not None and caption.text and (caption.sure or arguments.unsure):
                yield paths[number], caption


def _ids(store: Store, arguments: argparse.Namespace, settings: Settings) -> list[int]:
    named = read_named(arguments.words)
    if named.query:
        return found_ids(named.query, settings, store, arguments.top)
    if not named.images:
        return [int(number) for number in store.view().image_ids]
    ids = []
    for one in named.images:
        number = one if isinstance(one, int) else _image_of(store, one)
        if number is None:
            raise UsageError(f"the library does not hold {shown(str(one))}", "index it, then caption it")
        ids.append(number)
    return ids


def _image_of(store: Store, path: Path) -> int | None:
    from imgsearch.media.fingerprint import content_hash

    try:
        return store.image_of(content_hash(path.read_bytes()))
    except OSError as exc:
        raise UsageError(f"{shown(path)} cannot be read: {exc.strerror}", "name a picture") from exc


def _describe_page(store: Store, arguments: argparse.Namespace) -> int:
    from imgsearch.captions.alt_text import keep_original
    from imgsearch.captions.pages import describe_page
    from imgsearch.files import write_whole

    page = arguments.html.expanduser()
    try:
        content = page.read_bytes()
    except OSError as exc:
        raise UsageError(f"{shown(page)} cannot be read: {exc.strerror}", "name an HTML file") from exc
    changed, images = describe_page(content, page.absolute().parent, _caption_reader(store, unsure=arguments.unsure))
    for image in images:
        what = f"{shown(image.text)}" if image.text else "no caption" if image.path else "not a file beside the page"
        print(f"line {image.line}: {shown(image.source)}: {what}")
    texts = sum(image.text is not None for image in images)
    if texts and agreed(f"Write {counted(texts, 'text')} into {shown(page)}?", yes=arguments.yes):
        try:
            kept = keep_original(page, content)
            write_whole(page, changed, mode=page.stat().st_mode & 0o777)
        except OSError as exc:
            raise UsageError(f"{shown(page)} cannot be written: {exc.strerror}", "make its folder writable") from exc
        print(f"{counted(texts, 'text')} written; the original is {shown(kept)}", file=sys.stderr)
    return _told(texts)


def _caption_reader(store: Store, *, unsure: bool) -> Callable[[Path], str | None]:
    from imgsearch.storage.reads.captions import read_captions

    def read(path: Path) -> str | None:
        try:
            number = _image_of(store, path)
        except UsageError:  # it cannot be read
            return None
        caption = None if number is None else read_captions(store, [number]).get(number)
        return caption.text if caption and caption.text and (caption.sure or unsure) else None

    return read


def _told(count: int) -> int:
    if not count:
        print("there is no sure caption; `imgsearch caption` writes them, --unsure takes others too", file=sys.stderr)
    return 0 if count else 1


def _as_json(path: Path, caption: StoredCaption) -> dict[str, Any]:
    fields = ("image_id", "text", "probability", "sure", "generator", "prompt", "made_at")
    return {"path": str(path), **{name: getattr(caption, name) for name in fields}}


def _text(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


ALT_TEXT = Command("give captions to other programs as alternative texts", _configure, _run, words=True)
