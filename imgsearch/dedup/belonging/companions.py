"""The files beside an image that move along with it: sidecars, notes, sounds, the film of a Live Photo.

Names decide. Files in another folder stay there: Nikon's NKSC_PARAM/X.nksc, Capture One's
CaptureOne/Settings*/X.cos, SILKYPIX_DS; such a folder belongs to its program
(`imgsearch.media.walking.program_folders`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterator

from imgsearch.dedup.belonging.contents import film_seconds, same_companion
from imgsearch.dedup.belonging.folder_names import FolderListing, FolderNames, listing_of
from imgsearch.dedup.belonging.version_names import fold
from imgsearch.media.facts.takeout_names import images_of_notes, notes_of, was_cut
from imgsearch.media.sniff import IMAGE_EXTENSIONS

__all__ = ["FolderListing", "FolderNames", "companions_of", "owners_of", "same_companion", "shared_with"]

FILM_EXTENSIONS = (".mov", ".mp4", ".m4v", ".3gp")
# X.ext beside X.jpg, X.nef. XMP: Adobe and all others. AAE: Apple. VRD, DR4: Canon. DOP: DxO. PP3, ARP: RawTherapee and
# ART. ON1. COS, COF: Capture One. THM, LRV: thumbnails and small films of cameras. MIE, EXV: ExifTool, exiv2. YML:
# PhotoPrism. ACR: Camera Raw's masks. SPD: SILKYPIX. OES: Olympus. WAV: sound notes of cameras; MP3 and the like of
# phones. TXT to MAT: captions, labels and landmarks of data sets. The last ones: where on Earth a scan lies (ESRI world
# files, in short and long form, and GDAL).
_OF_STEM = (
    *(".xmp", ".aae", ".vrd", ".dr4", ".dop", ".pp3", ".arp", ".on1", ".onphoto", ".cos", ".cof", ".thm", ".lrv"),
    *(".mie", ".exv", ".exif", ".yml", ".yaml", ".ufraw", ".nksc", ".wav", ".mp3", ".m4a", ".aac", ".amr"),
    *(".acr", ".spd", ".oes", ".srt", ".ogg", ".opus", ".flac", ".3ga"),
    *(".txt", ".caption", ".tags", ".xml", ".geojson", ".npz", ".npy", ".pts", ".mat"),
    *(".tfw", ".jgw", ".pgw", ".bpw", ".gfw", ".j2w", ".tifw", ".tiffw", ".jpgw", ".jpegw", ".pngw", ".bmpw", ".gifw"),
    *(".tfwx", ".jgwx", ".pgwx", ".wld", ".prj", ".ovr", ".rrd", ".points", ".aux.xml"),
)
# X.jpg.ext: darktable, digiKam and Apple's exports, RawTherapee, DxO, Zoner and others add to the whole name, ExifTool
# "_original" to that of its backup; checksums.
_OF_NAME = (
    *(*_OF_STEM, ".data-zps", ".lzn", ".comask", ".out.pp3", ".txt.json", *FILM_EXTENSIONS),
    *("_original", ".md5", ".sha1", ".sha256", ".sha512"),
)
_APPLE = re.compile(r"^(?P<letters>[a-z0-9_]{4})(?P<number>\d{4,5}(?: ?\(\d+\))?)$")  # IMG_1234: IMG_O1234.AAE
_NIKON = re.compile(r"^dscn(?P<number>\d{4})$")  # DSCN0001.JPG: DSCA0001.WAV, its answer DSCB0001.WAV
_LONGEST_LIVE_S = 10.0  # a Live Photo's film has 3 s, a motion photo's up to 7; a longer one only shares the number


def companions_of(path: str, names_in_folder: Collection[str] | None = None) -> list[str]:
    """The absolute paths of the companions of the image ``path``, sorted; images are never companions.
    ``names_in_folder``: the files of its folder, preferably a `FolderListing` (see `FolderNames`); by default the
    folder is read. Some may belong to other images too: see `owners_of`. 0.2 ms with a listing; a film of a Live Photo
    is opened to read its length."""
    folder, name = os.path.split(path)
    listing = _listing(folder, names_in_folder)
    found = {
        spelled
        for candidate in _candidates(fold(name), listing)
        for spelled in listing.spelled(candidate)
        if spelled != name and not _is_picture(spelled)
    }
    paths = (os.path.join(folder, each) for each in sorted(found))  # noqa: PTH118
    return [each for each in paths if not _is_long_film(each)]


def owners_of(companion: str, names_in_folder: Collection[str] | None = None) -> list[str]:
    """The absolute paths of the images beside ``companion`` to which it belongs: X.xmp belongs to X.nef and to X.jpg.
    It may be moved only with all of them."""
    folder, name = os.path.split(companion)
    listing = _listing(folder, names_in_folder)
    found = {
        picture
        for picture in _possible_owners(fold(name), listing)
        if companion in companions_of(os.path.join(folder, picture), listing)  # noqa: PTH118
    }
    return [os.path.join(folder, each) for each in sorted(found)]  # noqa: PTH118


def shared_with(path: str, names_in_folder: Collection[str] | None = None) -> list[str]:
    """The other images in the folder that share a companion with the image ``path``; for the path of a companion, all
    images that it belongs to."""
    listing = _listing(os.path.dirname(path), names_in_folder)  # noqa: PTH120
    companions = companions_of(path, listing) if _is_picture(path) else [path]
    return sorted({owner for each in companions for owner in owners_of(each, listing)} - {path})


def _listing(folder: str, names: Collection[str] | None) -> FolderListing:
    if names is None:
        return listing_of(folder)
    return names if isinstance(names, FolderListing) else FolderListing(names)


def _is_picture(name: str) -> bool:
    return os.path.splitext(fold(name))[1] in IMAGE_EXTENSIONS  # noqa: PTH122


def _is_long_film(path: str) -> bool:
    if not path.lower().endswith(FILM_EXTENSIONS):
        return False
    return (film_seconds(path) or 0.0) > _LONGEST_LIVE_S


def _candidates(name: str, listing: FolderListing) -> Iterator[str]:
    """The folded names that companions of the image ``name`` may have."""
    stem, extension = os.path.splitext(name)  # noqa: PTH122
    yield from (stem + end for end in _OF_STEM)
    yield from (name + end for end in _OF_NAME)
    yield from (stem + end for end in FILM_EXTENSIONS)
    yield from notes_of(name)
    yield from listing.worded_notes(name)
    yield stem + "_hevc.mov"  # icloudpd, for the HEIC of a Live Photo
    yield stem + "_o.aae"  # osxphotos
    if stem.endswith((".mp", ".mv")):  # PXL_1.MP.jpg: Takeout writes its film as PXL_1.MP
        yield stem
        yield from (stem[:-3] + end for end in FILM_EXTENSIONS)
    if apple := _APPLE.match(stem):
        yield f"{apple['letters']}o{apple['number']}.aae"
    if nikon := _NIKON.match(stem):
        yield from (f"dsc{letter}{nikon['number']}.wav" for letter in "ab")
    for number in range(1, 10):  # darktable's duplicates: X_01.nef.xmp beside X.nef
        twin = f"{stem}_{number:02}{extension}"
        if listing.spelled(twin + ".xmp") and not listing.spelled(twin):
            yield twin + ".xmp"


def _possible_owners(name: str, listing: FolderListing) -> Iterator[str]:
    """Images that the folded name of a companion points to, including some to which it does not belong."""
    bare = name.removesuffix(".aux.xml") if name.endswith(".aux.xml") else os.path.splitext(name)[0]  # noqa: PTH122
    stems = {bare, name, bare.removesuffix("_hevc"), bare.removesuffix("_o")}
    stems |= {f"{bare}.mp", f"{bare}.mv"}
    stems.add(re.sub(r"^(.{4})o(\d{4,5}(?: ?\(\d+\))?)$", r"\1\2", bare))
    stems.add(re.sub(r"^dsc[ab](\d{4})$", r"dscn\1", bare))
    names = {bare, re.sub(r"_\d\d(\.[^.]+)$", r"\1", bare), bare.removesuffix(".out")}
    if name.endswith(".json"):
        names |= set(images_of_notes(name))
        stems |= {os.path.splitext(each)[0] for each in names} | names  # noqa: PTH122
        if beginning := was_cut(name):
            yield from listing.pictures_that_begin(beginning)
    for stem in stems:
        yield from listing.pictures_of_stem(stem)
    for each in names:
        yield from (spelled for spelled in listing.spelled(each) if _is_picture(spelled))
