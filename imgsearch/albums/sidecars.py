"""Albums and favourites as keywords in XMP sidecars, for programs that know no albums of ours.

No field of a standard means "album" or "favourite". So an album is a keyword (``dc:subject``), and once more the
hierarchical keyword ``Albums|NAME`` (``lr:hierarchicalSubject``, which Lightroom, digiKam and darktable show as a
tree); a favourite has the keyword ``Favourite``. No rating and no label is made up, and nothing is written about hidden
pictures.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from imgsearch.errors import StorageFull
from imgsearch.files import write_whole
from imgsearch.media.facts.beside import sidecars_of
from imgsearch.storage import Store
from imgsearch.storage.catalog.collected.marks import FAVOURITE
from imgsearch.storage.reads.collected import album_images, find_album, read_albums, read_marks

BRANCH = "Albums"
KEYWORD = "Favourite"

_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="imgsearch">
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/" \
xmlns:lr="http://ns.adobe.com/lightroom/1.0/">
   <dc:subject><rdf:Bag>{subjects}</rdf:Bag></dc:subject>
   <lr:hierarchicalSubject><rdf:Bag>{tree}</rdf:Bag></lr:hierarchicalSubject>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""


@dataclass(frozen=True, slots=True)
class AlbumSidecar:
    """A sidecar to be written for a picture, or the reason why it is not: "" for none."""

    picture: Path
    sidecar: Path
    albums: tuple[str, ...]
    favourite: bool
    reason: str = ""

    @property
    def content(self) -> bytes:
        """The XMP packet, UTF-8."""
        subjects = [*self.albums, *([KEYWORD] if self.favourite else [])]
        tree = [f"{BRANCH}|{name.replace('|', '/')}" for name in self.albums]
        tree += [f"{BRANCH}|{KEYWORD}"] if self.favourite else []
        return _PACKET.format(subjects=_items(subjects), tree=_items(tree)).encode("utf-8")


def plan_sidecars(store: Store, album: str | None = None, folder: Path | None = None) -> list[AlbumSidecar]:
    """What `write_sidecars` would write for every file of the pictures in that album, or in any and for favourites:
    beside the file, where it has no sidecar yet; or below ``folder``, by the file's path under its root. Hidden
    pictures are left out. Raises UsageError for an album that is not there."""
    albums = read_albums(store) if album is None else [find_album(store, album)]
    inside: dict[int, list[str]] = {}
    for one in albums:
        for image_id in album_images(store, one.album_id):
            inside.setdefault(image_id, []).append(one.name)
    if album is None:
        from imgsearch.records import Clause, Filters

        for image_id in store.matching_images(Filters((Clause("is", FAVOURITE),))).tolist():
            inside.setdefault(image_id, [])
    marks, paths = read_marks(store, inside), store.all_paths(inside)
    bases = [root.path for root in store.roots()]
    return [
        _planned(path, folder, bases, tuple(inside[image_id]), FAVOURITE in marks.get(image_id, ()))
        for image_id in sorted(inside)
        for path in paths.get(image_id, ())
    ]


def write_sidecars(planned: list[AlbumSidecar]) -> int:
    """Write those that have no reason not to be; each appears complete or not at all. -> how many. Raises StorageFull;
    those before it are written."""
    written = 0
    for one in planned:
        if one.reason or os.path.lexists(one.sidecar):
            continue
        try:
            one.sidecar.parent.mkdir(parents=True, exist_ok=True)
            write_whole(one.sidecar, one.content)
        except OSError as exc:
            raise StorageFull(
                f"{one.sidecar} cannot be written: {exc.strerror}", "name a folder with --to DIR"
            ) from exc
        written += 1
    return written


def _planned(
    path: Path, folder: Path | None, bases: list[Path], albums: tuple[str, ...], favourite: bool
) -> AlbumSidecar:
    name = path.name + ".xmp"
    if folder is None:
        there = [beside for beside in sidecars_of(path) if beside.suffix.lower() == ".xmp"]
        sidecar = there[0] if there else path.with_name(name)
        reason = "it has a sidecar" if there else "" if path.exists() else "the picture is not there"
        return AlbumSidecar(path, sidecar, albums, favourite, reason)
    base = next((base for base in bases if path.is_relative_to(base) and path != base), path.parent)
    sidecar = folder / base.name / path.relative_to(base).with_name(name)
    return AlbumSidecar(path, sidecar, albums, favourite, "it is there already" if os.path.lexists(sidecar) else "")


def _items(texts: list[str]) -> str:
    printable = ("".join(letter for letter in text if letter.isprintable()) for text in texts)
    return "".join(f"<rdf:li>{escape(text)}</rdf:li>" for text in printable)
