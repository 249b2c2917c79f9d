"""Several pictures at once: a zip that is made while it is sent, and their paths."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from colour_shelf import NAMES


def zipped(shelf: Any, ids: str) -> Any:
    return shelf.programs.post("/api/v1/selections/zip", data={"ids": ids})


def ids_of(shelf: Any) -> dict[int, Path]:
    paths = shelf.service.store.all_paths(shelf.service.store.view().image_ids.tolist())
    return {int(image_id): found[0] for image_id, found in paths.items()}


def test_zip_holds_every_file_byte_for_byte_with_its_date(shelf: Any) -> None:
    paths = ids_of(shelf)
    answer = zipped(shelf, ",".join(map(str, paths)))
    assert answer.mimetype == "application/zip" and "attachment" in answer.headers["Content-Disposition"]
    with zipfile.ZipFile(io.BytesIO(answer.data)) as packed:
        assert packed.testzip() is None and len(packed.namelist()) == len(NAMES)
        held = [packed.read(name) for name in packed.namelist()]
        assert held == [path.read_bytes() for path in paths.values()]
        assert all(entry.compress_type == zipfile.ZIP_STORED for entry in packed.infolist())
        assert not any("/" in name or "\\" in name for name in packed.namelist())


def test_two_files_of_one_name_are_two_files(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf(["a/red one.png", "b/red ONE.png", "c/red one.png", "d/red 12:30?\u202egnp.png"])
    with zipfile.ZipFile(io.BytesIO(zipped(shelf, "1,2,3,4").data)) as packed:
        names = ["red one.png", "red ONE (2).png", "red one (3).png", "red 12_30__gnp.png"]  # that Windows takes, too
        assert packed.namelist() == names


def test_files_that_are_gone_are_named_and_the_others_come(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf(["red one.png", "red two.png"])
    paths = ids_of(shelf)
    paths[1].unlink()
    with zipfile.ZipFile(io.BytesIO(zipped(shelf, "1,2,99").data)) as packed:
        assert packed.namelist() == ["red two.png", "not in this zip.txt"]
        told = packed.read("not in this zip.txt").decode()
    assert "red one.png" in told and "picture 99" in told


def test_wrong_ids_are_refused_and_no_place_is_lost(shelf: Any) -> None:
    for ids in ("", "x", "1,-2", "1,²", "0", "1," + "9" * 19):
        assert zipped(shelf, ids).status_code == 400, ids
    for _ in range(5):
        assert zipped(shelf, "1").status_code == 200
    assert shelf.client.post("/api/v1/selections/zip", data={"ids": "1"}).status_code == 403, "no token of the page"


def test_paths_come_in_the_order_that_was_asked_for(shelf: Any) -> None:
    paths = ids_of(shelf)
    answer = shelf.programs.post("/api/v1/selections/paths", json={"ids": [3, 1, 3, 77]})
    assert answer.get_json() == {"paths": [str(paths[3]), str(paths[1])]}
    for body in ({"ids": []}, {"ids": [True]}, {"ids": "1"}, {"ids": [1.5]}, [], {"ids": [1], "more": 2}):
        answer = shelf.programs.post("/api/v1/selections/paths", json=body)
        assert answer.status_code == 400, body
