"""Folders that belong to a program: their images are parts of a library, thumbnails or deleted.

An image moved out of such a folder breaks what the program knows, or is a copy that the program makes again. Therefore
`index` does not walk them, and no dedup plan touches a file in them.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import NamedTuple

# Words for people, then names, compared without case. ``*.x`` matches endings and ``x*`` beginnings. ``a/b`` is b
# directly in a. ``a + b`` is a, if the path b relative to it exists too, because the name alone is too common. A name
# that people may give to a folder of their own appears only in one of the last two forms.
_TABLE: tuple[tuple[str, tuple[str, ...]], ...] = (
    # Libraries of photo programs.
    # Apple, "Photos User Guide" (libraries are packages); packages of iPhoto and Aperture, and what migration leaves.
    ("an Apple Photos library", ("*.photoslibrary",)),
    ("an iPhoto library", ("*.photolibrary", "*.migratedphotolibrary", "iPhoto Library", "iPod Photo Cache")),
    ("an Aperture library", ("*.aplibrary", "*.migratedaplibrary", "*.apvault")),
    ("a Photo Booth library", ("Photo Booth Library",)),
    # Adobe, "Lightroom Classic: back up the catalog", "Lightroom preference and other file locations".
    ("Lightroom's previews and catalog data", ("*.lrdata", "*.lrlibrary", "*.lrcat-data", "*.lrcat-wal")),
    # Capture One, "Catalogs overview" and "Sessions overview": a session keeps CaptureOne/Cache and CaptureOne/Settings
    # beside the pictures; its own folder of pictures is walked.
    (
        "a Capture One catalog",
        ("*.cocatalog", "*.cosessiondb", "*.cocatalogdb", "CaptureOne/Cache", "CaptureOne/Settings*"),
    ),
    # Skylum, "Luminar Neo: catalog": PreviewCache, CacheDocuments and Backups lie in it.
    ("a Luminar catalog", ("Luminar Neo Catalog", "Luminar AI Catalog", "Luminar Catalog", "Luminar 4 Catalog")),
    # Picasa: originals of edited pictures (Google, "Picasa: how edits are saved"); ACDSee: likewise.
    ("originals that Picasa keeps of its edits", (".picasaoriginals",)),
    ("originals that ACDSee keeps of its edits", ("[Originals]", "[Developed]")),
    # Nikon NX Studio, "Adjustment files".
    ("settings of Nikon NX Studio", ("NKSC_PARAM",)),
    # Eagle, "library structure"; Hydrus Network, "database layout": pictures under names that only it can read.
    ("an Eagle library", ("*.library + metadata.json",)),
    ("a Hydrus library", ("client_files + f00",)),
    # Packages of macOS that hold pictures (Apple, "Bundle Programming Guide"; UTIs of com.apple.package).
    ("a video project or library", ("*.imovielibrary", "*.fcpbundle", "*.theater", "*.tvlibrary", "*.musiclibrary")),
    ("a program or a document that is a folder", ("*.app", "*.rtfd", "*.pages", "*.numbers", "*.key", "*.xcassets")),
    # Adobe and Microsoft: caches in a home folder (Microsoft, "KNOWNFOLDERID"; Apple, "File System Basics").
    ("caches of programs", ("AppData/Local", "AppData/LocalLow", "Library/Caches", ".cache/*")),
    # Stores of packages and of versions (npm, "folders"; Python, "site"; git, "gitrepository-layout").
    ("packages of a programming language", ("node_modules", "site-packages", "dist-packages")),
    ("a store of versions", (".git", ".svn", ".hg", ".bzr", ".dvc")),
    # Thumbnails and indexes.
    # freedesktop.org, "Thumbnail Managing Standard": ~/.thumbnails, ~/.cache/thumbnails, .sh_thumbnails in a folder;
    # Android writes DCIM/.thumbnails; xv and The GIMP wrote .xvpics, gThumb .comments, Geeqie .geeqie, GQview .gqview.
    ("thumbnails of a file manager", (".thumbnails", ".sh_thumbnails", ".cache/thumbnails", ".thumbs", ".thumb")),
    ("thumbnails and comments of a picture viewer", (".xvpics", ".comments", ".geeqie", ".gqview", ".gthumb")),
    ("data of Shotwell", (".shotwell", "shotwell/thumbs")),
    ("data of darktable", (".darktable", ".dtcache")),
    # Sony, "XAVC S: structure of the folders on a card".
    ("thumbnails of films on a camera's card", ("M4ROOT/THMBNL",)),
    # Synology, "What are @eaDir folders"; QNAP, "What are .@__thumb folders"; ASUSTOR and TerraMaster likewise.
    ("thumbnails and system data of a Synology NAS", ("@eaDir", "@tmp", "@SynoResource", ".SynologyWorkingDirectory")),
    ("thumbnails and system data of a QNAP NAS", (".@__thumb", "@__thumb", ".@*", "@Transcode", ".streams", ".qpkg")),
    ("attributes that macOS keeps for files", ("__MACOSX", ".AppleDouble", ".AppleDesktop", ".AppleDB")),
    # Photo servers.
    # PhotoPrism, pkg/fs/const.go: hidden folder and storage marker. Its originals are ordinary folders.
    ("PhotoPrism's storage", (".photoprism", "storage + .ppstorage")),
    # Immich, "System integrity": it puts a file .immich into each folder of its upload location.
    ("Immich's storage", ("thumbs + .immich", "encoded-video + .immich", "profile + .immich", "backups + .immich")),
    # Nextcloud and ownCloud, "Admin manual": previews, deleted files, versions, unfinished uploads.
    ("previews and versions of Nextcloud", ("appdata_*/preview", "files_trashbin", "files_versions", "appdata_oc*")),
    # Piwigo, "File structure": _data/i and pwg_representative; Lychee, "Directories"; Gallery 3; LibrePhotos.
    ("thumbnails of Piwigo", ("_data/i", "pwg_representative", "pwg_high", "pwg_format")),
    ("thumbnails of Lychee", ("thumb + ../thumb2x", "small + ../thumb2x", "medium + ../thumb2x", "thumb2x + ../thumb")),
    ("thumbnails of Lychee", ("small2x + ../thumb2x", "medium2x + ../thumb2x")),
    ("thumbnails of Gallery", ("var/thumbs", "var/resizes")),
    ("thumbnails of LibrePhotos", ("protected_media",)),
    ("data of PhotoStructure", (".photostructure",)),
    # Plex, "Where is the Plex Media Server data directory located"; Jellyfin, "Trickplay"; Kodi, ".actors".
    ("data of a media server", ("Plex Media Server", "*.trickplay", ".actors")),
    # Recycle bins.
    # Microsoft: FAT, NTFS before and since Vista; recovery folders.
    ("a recycle bin of Windows", ("$Recycle.Bin", "Recycle.Bin", "RECYCLER", "RECYCLED", "$RECYCLE")),
    ("system data of Windows", ("System Volume Information", "$Extend", "$WINDOWS.~BT", "$WinREAgent")),
    # freedesktop.org, "Trash specification": .Trash and .Trash-$uid, ~/.local/share/Trash. Apple: .Trash, .Trashes.
    # Android galleries (Samsung, Xiaomi, Huawei); Unraid .Recycle.Bin; Samba's vfs_recycle(8): .recycle.
    (
        "a recycle bin",
        (".Trash", ".Trashes", ".Trash-*", "share/Trash", ".trashBin", ".globalTrash", ".recycle", ".Recycle.Bin"),
    ),
    ("a recycle bin", (".RecycleBin", "Network Trash Folder", ".$recycle_bin$", ".deleted", "LOST.DIR")),
    ("a recycle bin of a NAS", ("#recycle", "@Recycle", "@sharebin", "Network Recycle Bin*", "trashbox")),
    ("digiKam's recycle bin", (".dtrash",)),
    # Snapshots: Synology, QNAP, NetApp, ZFS, snapper(8), Ceph and UFS, Samba's vfs_shadow_copy2(8), Time Machine.
    (
        "snapshots",
        ("#snapshot", "@Recently-Snapshot", "@sharesnap", "~snapshot", ".snapshot", ".snapshots", ".snap", ".zfs"),
    ),
    ("snapshots", ("@GMT-*", ".ckpt", "@snapshots", ".timeshift", ".MobileBackups", "timeshift/snapshots*")),
    ("a Time Machine backup", ("Backups.backupdb", "*.backupbundle", "*.sparsebundle", "*.backupdb")),
    # Apple: what a volume carries. ext(5): lost+found.
    (
        "system data of macOS",
        (".Spotlight-V100", ".fseventsd", ".DocumentRevisions-V100", ".TemporaryItems", "Temporary Items", ".vol"),
    ),
    ("system data of macOS", (".PKInstallSandboxManager", "TheVolumeSettingsFolder")),
    ("files that a disk check found", ("lost+found", "FOUND.000")),
    # Syncthing, "Versioning"; Resilio Sync, ".sync folder"; Dropbox; Google Drive; MEGA; Seafile; GoodSync.
    ("versions that Syncthing keeps", (".stversions", ".stfolder")),
    (
        "a store of a sync program",
        (".dropbox.cache", ".sync", ".SyncArchive", ".SyncTrash", ".tmp.drivedownload", ".tmp.driveupload", ".debris"),
    ),
    ("a store of a sync program", ("_gsdata_", ".seafile-data", "seafile-data", ".qsync")),
)

_ORIGINALS: tuple[tuple[str, tuple[str, ...]], ...] = (
    # Immich's `upload` and `library` are what a person wants to find, under paths that stand in its database.
    ("Immich's originals", ("library + .immich", "upload + .immich")),
)
"""Folders that are walked but that no dedup plan touches: a program's images, stored as ordinary files."""


class ProgramFolder(NamedTuple):
    """A folder that belongs to a program."""

    path: str  # absolute, as it was written
    words: str  # for people: "an Apple Photos library"


class Included:
    """Folders that are walked although they are hidden or belong to a program, because a person named them: by a name
    (`Photos Library.photoslibrary`, `*.lrdata`) or a path, with ``*``, ``?`` and ``[...]``, compared without case.
    ``*`` in a path also matches slashes. A relative path begins at ``folder``, by default the current one."""

    def __init__(self, patterns: Iterable[str] = (), folder: str = "") -> None:
        self._names: list[str] = []
        self._paths: list[str] = []
        for pattern in patterns:
            bare = pattern.rstrip("/" + os.sep)
            if "/" in bare or os.sep in bare or bare.startswith("~"):
                whole = os.path.join(folder, os.path.expanduser(bare))  # noqa: PTH111, PTH118
                self._paths.append(_fold(os.path.abspath(whole)))  # noqa: PTH100
            elif bare:
                self._names.append(_fold(bare))

    def __bool__(self) -> bool:
        return bool(self._names or self._paths)

    def matches(self, path: str) -> bool:
        """Whether the folder at this absolute path is one of them. A name is also compared literally, so that
        ``[Originals]`` means the folder of this name."""
        if not self:
            return False
        name = _fold(os.path.basename(path))  # noqa: PTH119
        if any(name == pattern or fnmatchcase(name, pattern) for pattern in self._names):
            return True
        return self.names_path(path)

    def names_path(self, path: str) -> bool:
        """Whether one of the paths (not of the names) is this absolute path, of a folder or a file."""
        paths = {_fold(path), _fold(_real(path))} if self._paths else ()
        return any(one == pattern or fnmatchcase(one, pattern) for one in paths for pattern in self._paths)


class _Patterns:
    """One kind of rows of the table, prepared for look-up."""

    def __init__(self, table: Iterable[tuple[str, tuple[str, ...]]]) -> None:
        self.names: dict[str, str] = {}
        self.endings: dict[str, str] = {}  # ".photoslibrary"
        self.beginnings: dict[str, str] = {}  # ".trash-"
        self.parents: dict[str, list[tuple[str, str]]] = {}  # "captureone": the folder in it, words
        self.markers: dict[str, list[tuple[str, str]]] = {}  # name or ending: what must be there, words
        for words, names in table:
            for name in names:
                self._add(name.lower(), words)

    def _add(self, name: str, words: str) -> None:
        name, _, marker = name.partition(" + ")
        if marker:
            self.markers.setdefault(name.lstrip("*"), []).append((marker, words))
        elif "/" in name:
            above, _, below = name.partition("/")
            self.parents.setdefault(above, []).append((below, words))
        elif name.startswith("*"):
            self.endings[name[1:]] = words
        elif name.endswith("*"):
            self.beginnings[name[:-1]] = words
        else:
            self.names[name] = words


_SAVED_PAGE = "a saved web page"
# Microsoft, "Manage the file system: connected files": how Windows names the folder of a page in its languages, and
# with it Firefox, Chrome ("_files" everywhere) and Word.
_PAGE_ENDINGS = (
    *("_files", ".files", "-files", "-dateien", "_fichiers", "_bestanden", "_file", "_archivos", "-filer", "_soubory"),
    *("_tiedostot", "_pliki", "_elemei", "_ficheiros", "_arquivos", "_dosyalar", "_datoteke", "_fitxers", "_failid"),
    *("_fails", "_bylos", "_fajlovi", "_fitxategiak"),
)
_PAGES = (".html", ".htm", ".xhtml", ".HTML", ".HTM")

_PATTERNS, _ORIGINAL_PATTERNS = _Patterns(_TABLE), _Patterns(_ORIGINALS)
_BEGINNINGS, _MARKED = tuple(_PATTERNS.beginnings), tuple(_PATTERNS.markers)


def program_folder(name: str) -> str | None:
    """The program that a folder of this name belongs to, in words ("an Apple Photos library"); None for an ordinary
    name, or if the name alone does not decide."""
    return _by_name(name.lower())


def program_folder_in(folder: str, name: str) -> str | None:
    """`program_folder` of the folder ``name`` in the absolute path ``folder``. It also decides where the name alone
    does not: CaptureOne/Cache, Immich's thumbs. Reads the disk only for a few names. Never raises."""
    lower = name.lower()
    if found := _by_name(lower):
        return found
    parent = folder[folder.rfind(os.sep) + 1 :].lower()
    rows = _PATTERNS.parents.get("appdata_*" if parent.startswith("appdata_") else parent)
    if rows and (found := next((words for pattern, words in rows if fnmatchcase(lower, pattern)), None)):
        return found
    return _by_marker(_PATTERNS, folder, name) if lower.endswith(_MARKED) else None


def program_folder_above(path: str, *, originals: bool = True) -> ProgramFolder | None:
    """The outermost folder on the absolute ``path`` (itself included) that belongs to a program, with the program's
    name; None for an ordinary path. ``originals``: also those that a walk enters and no plan may touch, such as
    Immich's and those of saved web pages. About 6 us a folder. Never raises."""
    found = None
    above, name = os.path.split(path.rstrip("/" + os.sep))
    while name:
        words = program_folder_in(above, name)
        if words is None and originals:
            words = _by_marker(_ORIGINAL_PATTERNS, above, name) or _by_page(above, name)
        if words:
            found = ProgramFolder(os.path.join(above, name), words)  # noqa: PTH118
        above, name = os.path.split(above)
    return found


def _by_name(lower: str) -> str | None:
    found = _PATTERNS.names.get(lower)
    if found is None and (dot := lower.rfind(".")) > 0:
        found = _PATTERNS.endings.get(lower[dot:])
    if found is None and lower.startswith(_BEGINNINGS):
        return next(words for start, words in _PATTERNS.beginnings.items() if lower.startswith(start))
    return found


def _by_marker(patterns: _Patterns, folder: str, name: str) -> str | None:
    lower = name.lower()
    rows = patterns.markers.get(lower) or patterns.markers.get(lower[lower.rfind(".") :])
    for marker, words in rows or ():
        try:
            if os.path.lexists(os.path.normpath(os.path.join(folder, name, marker))):  # noqa: PTH118
                return words
        except ValueError:  # a null byte, which no path can have
            return None
    return None


def _by_page(folder: str, name: str) -> str | None:
    """What belongs to a web page that a browser or an office program saved beside the folder."""
    ending = next((ending for ending in _PAGE_ENDINGS if name.lower().endswith(ending)), None)
    if not ending or "\0" in name:
        return None
    stem = os.path.join(folder, name[: -len(ending)])  # noqa: PTH118
    return _SAVED_PAGE if any(os.path.lexists(stem + suffix) for suffix in _PAGES) else None


def _real(path: str) -> str:
    try:
        return os.path.realpath(path)
    except (OSError, ValueError):  # links in a circle, or a null byte
        return path


def _fold(name: str) -> str:
    """A name in the form used for comparison: macOS returns accents as two characters."""
    return unicodedata.normalize("NFC", name).casefold()
