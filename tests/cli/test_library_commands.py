from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imgsearch.cli import main


def run(library: Any, *arguments: str) -> int:
    return main([*arguments, "--library", str(library.folder / "library")])


def answer(library: Any, capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> Any:
    assert run(library, *arguments, "--json") == code
    return json.loads(capsys.readouterr().out)


@pytest.fixture
def indexed(library: Any) -> Any:
    library.add(library.names(5))
    return library


def fail(library: Any, name: str) -> None:
    from imgsearch.storage import FailedFile, writing

    with writing(library.store) as writer:
        root = writer.add_root(library.photos)
        with writer.transaction() as transaction:
            transaction.record_failures([FailedFile(root.root_id, name, "decode", "it is\nno picture", False, 3, 4)])
            transaction.commit()


def test_stats_count_pictures_files_and_failures(indexed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    fail(indexed, "bad.jpg")
    indexed.remove(["scene04.png"])
    stats = answer(indexed, capsys, "stats")
    assert (stats["images"], stats["deleted_images"], stats["files"], stats["failures"]) == (4, 1, 4, 1)
    assert stats["model"]["fingerprint"] == indexed.model.model_id.fingerprint
    assert [root["root"]["path"] for root in stats["roots"]] == [str(indexed.photos)]
    assert run(indexed, "stats") == 0
    text = capsys.readouterr().out
    assert "pictures   4 (1 deleted" in text and str(indexed.photos) in text


def test_failures_name_file_stage_and_reason(indexed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(indexed, "failures") == 0
    assert "no file failed" in capsys.readouterr().err
    fail(indexed, "bad.jpg")
    assert run(indexed, "failures") == 0
    captured = capsys.readouterr()
    assert captured.out == f"{indexed.photos / 'bad.jpg'}: it is\\nno picture (decode)\n"
    failures = answer(indexed, capsys, "failures")["failures"]
    assert [(one["stage"], one["reason"], one["transient"]) for one in failures] == [
        ("decode", "it is\nno picture", False)
    ]


def test_verify_is_clean_then_finds_and_repairs_a_flipped_bit(indexed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert answer(indexed, capsys, "verify") == {"clean": True, "problems": [], "repaired": None}
    segment = max((path for path in (indexed.folder / "library" / "segments").rglob("*") if path.is_file()),
                  key=lambda path: path.stat().st_size)  # fmt: skip
    with segment.open("r+b") as file:
        file.seek(-7, 2)
        byte = file.read(1)[0]
        file.seek(-7, 2)
        file.write(bytes([byte ^ 16]))
    found = answer(indexed, capsys, "verify", code=4)
    assert not found["clean"] and found["problems"]
    assert run(indexed, "verify") == 4
    assert "--repair" in capsys.readouterr().err
    assert run(indexed, "verify", "--repair") == 0
    capsys.readouterr()
    assert answer(indexed, capsys, "verify")["clean"]


def test_compact_removes_deleted_pictures(indexed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    indexed.remove(["scene00.png", "scene02.png"])
    done = answer(indexed, capsys, "compact")
    assert done["images_removed"] == 2
    assert done["bytes_after"] < done["bytes_before"]
    assert answer(indexed, capsys, "stats")["deleted_images"] == 0
    assert main(["search", "cat", "--json", "--rerank", "0", "--library", str(indexed.folder / "library")]) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    assert sorted(Path(hit["path"]).name for hit in hits) == ["scene01.png", "scene03.png", "scene04.png"]
    assert run(indexed, "compact") == 0
    assert "0 deleted pictures removed" in capsys.readouterr().out


def test_forget_takes_a_folder_out_and_leaves_its_files(indexed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    gone = answer(indexed, capsys, "forget", str(indexed.photos))["forgotten"]
    assert [(one["files"], one["images"], one["root"]["path"]) for one in gone] == [(5, 5, str(indexed.photos))]
    assert len(list(indexed.photos.iterdir())) == 12
    assert answer(indexed, capsys, "stats")["images"] == 0


def test_forget_of_an_unknown_folder_is_a_clear_error(indexed: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(indexed, "forget", str(indexed.folder / "other")) in (2, 4)
    error = capsys.readouterr().err
    assert "other" in error and "Traceback" not in error


@pytest.mark.parametrize("verb", ["stats", "failures", "verify", "compact"])
def test_every_verb_says_when_there_is_no_library(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([verb, "--library", str(tmp_path / "nowhere")]) == 2
    assert "imgsearch index" in capsys.readouterr().err
    assert not (tmp_path / "nowhere").exists()
