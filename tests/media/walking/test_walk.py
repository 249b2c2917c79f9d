import os
import socket
import tracemalloc
from pathlib import Path

import pytest
from odd_files import encode, photo

from imgsearch.media.walking.walk import Walk
from imgsearch.media.walking.walk_counts import NO_IMAGE, UNREAD


def names(walk: Walk) -> list[str]:
    return [entry.relative_path for entry in walk]


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")


def test_walk_yields_pictures_and_counts_other_files(tmp_path: Path) -> None:
    touch(tmp_path / "b.JPG", tmp_path / "a/c.heic", tmp_path / "a/note.txt", tmp_path / "x.mp4", tmp_path / "y.mp4")
    walk = Walk(tmp_path)
    assert sorted(names(walk)) == ["a/c.heic", "b.JPG"]
    assert (walk.counts.images, walk.counts.other) == (2, 3)
    assert walk.counts.passed_files == {(NO_IMAGE, ".txt"): 1, (NO_IMAGE, ".mp4"): 2}
    assert walk.problems == []


def test_pictures_of_other_formats_are_not_called_other_files(tmp_path: Path) -> None:
    touch(tmp_path / "a.EXR", tmp_path / "b.hdr", tmp_path / "c.xcf", tmp_path / "d.doc")
    walk = Walk(tmp_path)
    assert names(walk) == []
    assert walk.counts.passed_files == {
        (UNREAD, ".exr"): 1,
        (UNREAD, ".hdr"): 1,
        (UNREAD, ".xcf"): 1,
        (NO_IMAGE, ".doc"): 1,
    }


def test_entry_carries_the_stat_of_the_file(tmp_path: Path) -> None:
    touch(tmp_path / "a" / "b.png")
    (entry,) = Walk(tmp_path)
    status = (tmp_path / "a" / "b.png").stat()
    assert entry.path == str(tmp_path / "a" / "b.png")
    assert (entry.size_bytes, entry.mtime_ns) == (status.st_size, status.st_mtime_ns)
    assert (entry.device, entry.inode) == (status.st_dev, status.st_ino)


def test_single_file_is_walked_whatever_its_name(tmp_path: Path) -> None:
    touch(tmp_path / "odd.name")
    (entry,) = Walk(tmp_path / "odd.name")
    assert (entry.relative_path, entry.path) == ("", str(tmp_path / "odd.name"))


def test_hidden_folders_are_left_out_unless_asked_for(tmp_path: Path) -> None:
    touch(tmp_path / ".cache/a.jpg", tmp_path / "b.jpg", tmp_path / "._b.jpg")
    walk = Walk(tmp_path)
    assert names(walk) == ["b.jpg"]
    assert walk.counts.hidden_folders == 1
    assert sorted(names(Walk(tmp_path, hidden=True))) == [".cache/a.jpg", "b.jpg"]


def test_hidden_root_itself_is_walked(tmp_path: Path) -> None:
    touch(tmp_path / ".photos/a.jpg")
    assert names(Walk(tmp_path / ".photos")) == ["a.jpg"]


def test_link_loops_end_and_real_paths_win(tmp_path: Path) -> None:
    touch(tmp_path / "z/real.jpg")
    (tmp_path / "z/up").symlink_to(tmp_path)
    (tmp_path / "a-link").symlink_to(tmp_path / "z")
    (tmp_path / "self.jpg").symlink_to(tmp_path / "self.jpg")
    (tmp_path / "root").symlink_to("/")
    walk = Walk(tmp_path)
    assert names(walk) == ["z/real.jpg"]
    assert [problem.relative_path for problem in walk.problems] == ["self.jpg"]


def test_links_to_outside_are_followed_once(tmp_path: Path) -> None:
    touch(tmp_path / "disk/1.jpg", tmp_path / "disk/2.jpg")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/all").symlink_to(tmp_path / "disk")
    (tmp_path / "root/again.jpg").symlink_to(tmp_path / "disk")  # a folder with a picture's name
    (tmp_path / "root/one.jpg").symlink_to(tmp_path / "disk/1.jpg")
    (tmp_path / "root/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    walk = Walk(tmp_path / "root")
    found = names(walk)
    assert found[0] == "one.jpg"
    assert len(found) == 3
    assert {Path(name).name for name in found[1:]} == {"1.jpg", "2.jpg"}
    assert walk.counts.other == 1


def test_pipes_and_sockets_are_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link.jpg").symlink_to(tmp_path / "pipe.jpg")
    (tmp_path / "device.jpg").symlink_to("/dev/zero")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.png")
        walk = Walk(tmp_path)
        assert names(walk) == []
    assert walk.counts.other == 5


def test_files_without_extension_are_sniffed(tmp_path: Path) -> None:
    (tmp_path / "IMG_1").write_bytes(encode(photo(), "JPEG"))
    (tmp_path / "README").write_bytes(b"read me")
    (tmp_path / "empty").write_bytes(b"")
    walk = Walk(tmp_path)
    assert names(walk) == ["IMG_1"]
    assert walk.counts.other == 2


def test_names_that_are_not_text_survive(tmp_path: Path) -> None:
    odd = [b"caf\xe9.jpg", b"line\nbreak.jpg", b" .jpg", b"-rf.jpg", "\u202egnp.jpg".encode()]
    for name in odd:
        (tmp_path / os.fsdecode(name)).write_bytes(b"x")
    found = list(Walk(tmp_path))
    assert {os.fsencode(entry.relative_path) for entry in found} == set(odd)
    assert all(Path(entry.path).exists() for entry in found)


def test_library_folders_and_skipped_ones_are_never_walked(tmp_path: Path) -> None:
    touch(tmp_path / "lib/thumbs/1.jpg", tmp_path / "mine/1.jpg", tmp_path / "a.jpg")
    touch(tmp_path / "other/catalog.db", tmp_path / "other/segments/0", tmp_path / "other/thumbs/1.jpg")
    touch(tmp_path / "third/catalog.json", tmp_path / "third/segments/0", tmp_path / "third/thumbs/1.jpg")
    (tmp_path / "to-thumbs").symlink_to(tmp_path / "lib/thumbs")
    (tmp_path / "to-thumb.jpg").symlink_to(tmp_path / "lib/thumbs/1.jpg")
    walk = Walk(tmp_path, skip=[tmp_path / "lib"])
    assert sorted(names(walk)) == ["a.jpg", "mine/1.jpg"]
    assert walk.counts.skipped_folders == 4
    assert names(Walk(tmp_path / "lib/thumbs", skip=[tmp_path / "lib"])) == []


def test_missing_root_is_a_problem_not_an_error(tmp_path: Path) -> None:
    walk = Walk(tmp_path / "nothing")
    assert names(walk) == []
    assert [(problem.relative_path, problem.reason) for problem in walk.problems] == [("", "does not exist")]
    assert walk.unread("any/file.jpg")


def test_unreadable_folder_is_reported_and_its_files_are_unknown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    touch(tmp_path / "shut/a.jpg", tmp_path / "open/b.jpg")
    real = os.scandir

    def scandir(path: str) -> object:  # root ignores permissions, so the refusal is made here
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    walk = Walk(tmp_path)
    assert names(walk) == ["open/b.jpg"]
    assert [(each.relative_path, each.reason, each.folder) for each in walk.problems] == [
        ("shut", "no permission to read it", True)
    ]
    assert walk.unread("shut/a.jpg")
    assert not walk.unread("shut.jpg")
    assert not walk.unread("open/b.jpg")


def test_walk_of_many_files_holds_little_memory(tmp_path: Path) -> None:
    for number in range(3000):
        os.close(os.open(tmp_path / f"{number:05}.jpg", os.O_CREAT))
    tracemalloc.start()
    count = sum(1 for _ in Walk(tmp_path))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert count == 3000
    assert peak_bytes < 3_000_000


def test_folders_of_programs_are_passed_over_and_counted(tmp_path: Path) -> None:
    touch(
        tmp_path / "a.jpg",
        tmp_path / "Photos.photoslibrary/originals/0/b.jpg",
        tmp_path / "x/@EADIR/a.jpg/SYNOPHOTO_THUMB_M.jpg",
        tmp_path / "y/@eaDir/a.jpg",
        tmp_path / "shoot/CaptureOne/Cache/Proxies/c.jpg",
        tmp_path / "shoot/CaptureOne/Output/d.jpg",
        tmp_path / ".Trash-1000/files/e.jpg",
        tmp_path / ".hidden/f.jpg",
    )
    (tmp_path / "link").symlink_to(tmp_path / "Photos.photoslibrary/originals")
    (tmp_path / "again.photoslibrary").symlink_to(tmp_path / "x")
    walk = Walk(tmp_path)
    assert sorted(names(walk)) == ["a.jpg", "shoot/CaptureOne/Output/d.jpg"]
    assert walk.counts.program_folders == {
        "an Apple Photos library": 3,
        "thumbnails and system data of a Synology NAS": 2,
        "a Capture One catalog": 1,
        "a recycle bin": 1,
    }
    assert (walk.counts.hidden_folders, walk.counts.skipped_folders) == (1, 0)


def test_include_walks_what_is_passed_over_otherwise(tmp_path: Path) -> None:
    touch(
        tmp_path / "Photos.photoslibrary/originals/b.jpg",
        tmp_path / "sub/Photos.photoslibrary/c.jpg",
        tmp_path / ".hidden/f.jpg",
    )
    below = ["Photos.photoslibrary/originals/b.jpg", "sub/Photos.photoslibrary/c.jpg"]
    assert sorted(names(Walk(tmp_path, include=["PHOTOS.photoslibrary"]))) == below
    assert names(Walk(tmp_path, include=[str(tmp_path / "*.PhotosLibrary")])) == below
    assert names(Walk(tmp_path, include=[str(tmp_path / "sub" / "*.photoslibrary")])) == below[1:]
    assert names(Walk(tmp_path, include=[".hidden"])) == [".hidden/f.jpg"]
    (tmp_path / "Photos.photoslibrary/all").symlink_to(tmp_path / "Photos.photoslibrary/originals")
    assert names(Walk(tmp_path / "Photos.photoslibrary")) == ["originals/b.jpg"]  # named as the root: always
    (tmp_path / "link").symlink_to(tmp_path / "sub/Photos.photoslibrary")
    assert names(Walk(tmp_path / "link")) == ["c.jpg"]
