"""`imgsearch album VERB`: albums of pictures."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from imgsearch.cli.albums.choosing import add_pictures, agreed, chosen
from imgsearch.cli.command import Command
from imgsearch.cli.output.terminal import ask, shown
from imgsearch.settings import load_settings
from imgsearch.wording import counted

if TYPE_CHECKING:
    from imgsearch.albums.sidecars import AlbumSidecar
    from imgsearch.storage import Store
    from imgsearch.storage.catalog.collected.albums import Album

_DESCRIPTION = """\
Keep pictures together in albums. An album holds pictures, not files: it stays as it is when files are moved or the
library is indexed anew, and deleting it deletes no picture. album:"Rome 2019" in a query finds its pictures.

  imgsearch album create "Rome 2019" "Rome year:2019"     with what a query finds (shown first)
  imgsearch album add "Rome 2019" ~/Pictures/IMG_2041.jpg
  imgsearch album list
  imgsearch album export                                   all albums, favourites and hidden pictures as JSON
  imgsearch album export "Rome 2019" --xmp                 as keywords in XMP sidecars, for other programs
"""


def _configure(parser: argparse.ArgumentParser) -> None:
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.description = _DESCRIPTION
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    listed = _verb(verbs, "list", "all albums, and how many pictures each has")
    listed.add_argument("--deleted", action="store_true", help="those that can be brought back")
    for name, text in (("create", "make an album"), ("add", "put pictures in"), ("remove", "take pictures out")):
        each = _verb(verbs, name, text)
        each.add_argument("album", metavar="ALBUM", help="its name")
        add_pictures(each, needed=name != "create")
        each.add_argument("--yes", action="store_true", help="do not ask")
    renamed = _verb(verbs, "rename", "give an album another name")
    renamed.add_argument("album", metavar="ALBUM", help="its name")
    renamed.add_argument("name", metavar="NAME", help="the new one")
    deleted = _verb(verbs, "delete", "delete an album; its pictures stay, and `restore` brings it back for 30 days")
    deleted.add_argument("album", metavar="ALBUM", help="its name")
    deleted.add_argument("--yes", action="store_true", help="do not ask")
    _verb(verbs, "restore", "bring a deleted album back").add_argument("album", metavar="ALBUM", help="its name")
    exported = _verb(verbs, "export", "write albums down, as JSON or in XMP sidecars")
    exported.add_argument("album", nargs="?", metavar="ALBUM", help="one album (default: all, and favourites)")
    exported.add_argument("--xmp", action="store_true", help="new sidecars beside the pictures, or below --to")
    exported.add_argument(
        "--to", type=Path, metavar="PATH", help="JSON: a file (default: standard output); XMP: a folder"
    )
    exported.add_argument("--yes", action="store_true", help="write what is shown, and do not ask")
    _verb(verbs, "import", "add what `export` wrote as JSON").add_argument("file", type=Path, metavar="FILE")


def _verb(verbs: Any, name: str, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=text, description=text)
    parser.add_argument("--library", metavar="DIR", help="where the library is")
    parser.add_argument("--json", action="store_true", help="JSON")
    return parser


def _run(arguments: argparse.Namespace) -> int:
    from imgsearch.app import open_store

    with open_store(load_settings({"library": arguments.library})) as store:
        return _VERBS[arguments.verb](store, arguments)


def _list(store: Store, arguments: argparse.Namespace) -> int:
    from imgsearch.storage.reads.collected import count_marks, read_albums

    albums = read_albums(store, removed=arguments.deleted)
    marks = {mark: count for mark, (count, _) in count_marks(store).items()}
    if arguments.json:
        print(json.dumps({"albums": [_as_json(album) for album in albums], **marks}, indent=2, ensure_ascii=False))
        return 0
    for album in albums:
        print(f"{album.images:>9,}  {shown(album.name)}")
    if not arguments.deleted:
        for mark, shown_as in (("favourite", "favourites (is:favourite)"), ("hidden", "hidden (is:hidden)")):
            if marks.get(mark):
                print(f"{marks[mark]:>9,}  {shown_as}")
    if not albums:
        print("there is no deleted album" if arguments.deleted else "there is no album yet", file=sys.stderr)
    return 0 if albums or marks else 1


def _create(store: Store, arguments: argparse.Namespace) -> int:
    from imgsearch.storage.collecting import Collecting, valid_name

    name = valid_name(arguments.album)
    ids = chosen(store, arguments, load_settings({"library": arguments.library})) if arguments.words else []
    if arguments.words and not agreed(store, ids, lambda many: f"Make the album {shown(name)} of {many}?", arguments):
        return 1
    album = Collecting(store).create(name, ids)
    return _told(arguments, album, ids, f"the album {shown(album.name)} is made, with {counted(len(ids), 'picture')}")


def _put(store: Store, arguments: argparse.Namespace) -> int:
    from imgsearch.storage.collecting import Collecting
    from imgsearch.storage.reads.collected import find_album

    inside = arguments.verb == "add"
    album = find_album(store, arguments.album)
    ids = chosen(store, arguments, load_settings({"library": arguments.library}))
    where = f"{'into' if inside else 'out of'} the album {shown(album.name)}"
    if not agreed(store, ids, lambda many: f"{'Put' if inside else 'Take'} {many} {where}?", arguments):
        return 1
    changed = Collecting(store).put(album.album_id, ids, inside=inside)
    return _told(
        arguments, album, changed, f"{counted(len(changed), 'picture')} {'put' if inside else 'taken'} {where}"
    )


def _rename(store: Store, arguments: argparse.Namespace) -> int:
    from imgsearch.storage.collecting import Collecting
    from imgsearch.storage.reads.collected import find_album

    album = find_album(store, arguments.album)
    Collecting(store).rename(album.album_id, arguments.name)
    return _told(arguments, album, [], f"{shown(album.name)} is called {shown(arguments.name)} now")


def _delete(store: Store, arguments: argparse.Namespace) -> int:
    from imgsearch.storage.collecting import Collecting
    from imgsearch.storage.reads.collected import album_images, find_album

    album = find_album(store, arguments.album)
    if not arguments.yes:
        many = counted(len(album_images(store, album.album_id)), "picture")
        ask(f"Delete the album {shown(album.name)}? It has {many}, which stay.", "nothing was deleted")
    Collecting(store).delete(album.album_id)
    return _told(arguments, album, [], f"{shown(album.name)} is deleted; `imgsearch album restore` brings it back")


def _restore(store: Store, arguments: argparse.Namespace) -> int:
    from imgsearch.storage.collecting import Collecting
    from imgsearch.storage.reads.collected import removed_album

    album = Collecting(store).restore(removed_album(store, arguments.album).album_id)
    return _told(arguments, album, [], f"{shown(album.name)} is back")


def _export(store: Store, arguments: argparse.Namespace) -> int:
    if arguments.xmp:
        return _export_sidecars(store, arguments)
    from imgsearch.albums.exchange import as_json
    from imgsearch.errors import UsageError
    from imgsearch.files import write_whole

    text = json.dumps(as_json(store, arguments.album), indent=1, ensure_ascii=False) + "\n"
    if arguments.to is None:
        sys.stdout.write(text)
        return 0
    path = arguments.to.expanduser()
    if path.exists() and not arguments.yes:
        ask(f"{shown(path)} is there. Write over it?", "nothing was written")
    try:
        write_whole(path, text.encode())
    except OSError as exc:
        raise UsageError(f"{shown(path)} cannot be written: {exc.strerror}", "name another file") from exc
    return 0


def _export_sidecars(store: Store, arguments: argparse.Namespace) -> int:
    from imgsearch.albums.sidecars import plan_sidecars, write_sidecars

    planned = plan_sidecars(store, arguments.album, None if arguments.to is None else arguments.to.expanduser())
    for one in planned:
        print(f"{'leave' if one.reason else 'new'}: {shown(one.sidecar)}: {one.reason or _keywords(one)}")
    waiting = [one for one in planned if not one.reason]
    left = len(planned) - len(waiting)
    if left and arguments.to is None:
        print(f"{counted(left, 'picture')} left; with --to DIR all sidecars are written there", file=sys.stderr)
    if not waiting:
        return 0 if planned else 1
    if not arguments.yes:
        ask(f"Write {counted(len(waiting), 'sidecar')}?", "nothing was written")
    print(f"{counted(write_sidecars(waiting), 'sidecar')} written", file=sys.stderr)
    return 0


def _keywords(one: AlbumSidecar) -> str:
    return ", ".join([shown(name) for name in one.albums] + (["favourite"] if one.favourite else []))


def _import(store: Store, arguments: argparse.Namespace) -> int:
    from imgsearch.albums.exchange import read_document, take_in

    found = take_in(store, read_document(arguments.file.expanduser()))
    if arguments.json:
        told = {"albums": found.albums, "pictures": found.pictures, "elsewhere": found.elsewhere}
        print(json.dumps(told))
        return 0
    print(f"{counted(found.albums, 'new album')}, {counted(found.pictures, 'picture')} put into albums")
    if found.elsewhere:
        print(
            f"{counted(found.elsewhere, 'picture')} of the file are not in this library; they take their places when "
            "they come",
            file=sys.stderr,
        )
    return 0


def _told(arguments: argparse.Namespace, album: Album, changed: list[int], text: str) -> int:
    print(json.dumps({"album": album.name, "changed": changed}, ensure_ascii=False) if arguments.json else text)
    return 0


def _as_json(album: Album) -> dict[str, Any]:
    found = {"name": album.name, "id": album.album_id, "pictures": album.images, "made_at": album.made_at}
    return found | ({"deleted_at": album.removed_at} if album.removed_at else {})


_VERBS = {
    "list": _list,
    "create": _create,
    "add": _put,
    "remove": _put,
    "rename": _rename,
    "delete": _delete,
    "restore": _restore,
    "export": _export,
    "import": _import,
}

ALBUM = Command("keep pictures together in albums, and give these to others", _configure, _run)
