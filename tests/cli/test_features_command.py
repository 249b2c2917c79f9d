"""`imgsearch features`: the model's own states, in files that other programs read."""

from __future__ import annotations

import csv
import errno
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgsearch.cli.main import parser_of
from imgsearch.cli.parser import spoken
from imgsearch.cli.verbs.features import FEATURES
from imgsearch.errors import StorageFull, UsageError
from imgsearch.extraction import FeatureRow, feature_file
from imgsearch.model.runtimes.torch.extract import extract_pairs, extract_texts


@pytest.fixture
def shelf(library: Any) -> Any:
    library.add(library.names(5))
    return library


def features(shelf: Any, *words: str) -> int:
    parser = parser_of("features", FEATURES)
    given = [*words, "--library", str(shelf.store.path), "--device", "cpu", "--quiet"]
    return FEATURES.run(parser.parse_args(spoken(parser, given)))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_images_are_written_as_the_library_holds_them(shelf: Any, tmp_path: Path, capsys: Any) -> None:
    (shelf.photos / "scene02.png").unlink()
    out = tmp_path / "f.npy"
    assert features(shelf, "--all", "--out", str(out), "--batch-size", "2", "--json") == 3
    assert json.loads(capsys.readouterr().out)["rows"] == 4
    states, projected = np.load(out), np.load(tmp_path / "f.proj.npy", mmap_mode="r")
    assert states.shape == (4, 32, 128) and states.dtype == np.float32
    view = shelf.store.view()
    held = view.read(view.live_slots)[[0, 1, 3, 4]]
    assert np.abs(projected - held).max() < 1e-3  # the library keeps 16 bits
    rows = rows_of(tmp_path / "f.rows.csv")
    assert [row["image_id"] for row in rows] == ["1", "2", "4", "5"] and rows[0]["path"].endswith("scene00.png")
    assert sorted(path.name for path in tmp_path.glob("*f.*")) == ["f.npy", "f.proj.npy", "f.rows.csv"]


def test_texts_are_filled_up_in_numpy_and_whole_in_parquet(shelf: Any, tmp_path: Path, capsys: Any) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    texts = ["a dog", "two red boats on the sea"]
    (tmp_path / "texts").write_text("\n".join(texts))
    for name in ("t.npy", "t.parquet"):
        given = ("--mode", "text", "--texts", str(tmp_path / "texts"), "--out", str(tmp_path / name))
        assert features(shelf, *given) == 0
    expected = extract_texts(shelf.model, texts)
    states = np.load(tmp_path / "t.npy")
    lengths = [int(row["tokens"]) for row in rows_of(tmp_path / "t.rows.csv")]
    table = parquet.read_table(tmp_path / "t.parquet").to_pylist()
    for place, (one, length) in enumerate(zip(expected, lengths, strict=True)):
        assert len(one.embeds) == length and np.allclose(states[place, :length], one.embeds, atol=1e-5)
        assert not states[place, length:].any()
        assert np.allclose(np.reshape(table[place]["embeds"], one.embeds.shape), one.embeds, atol=1e-5)
        assert np.allclose(np.reshape(table[place]["embeds_proj"], (length, -1)), one.projected, atol=1e-5)
    capsys.readouterr()


def test_pictures_with_texts_are_read_together(shelf: Any, tmp_path: Path, capsys: Any) -> None:
    from imgsearch.media.decode import decode_file

    given = ("--mode", "multimodal", "--text", "a dog", "--text", "a boat", "--out", str(tmp_path / "m.npy"))
    assert features(shelf, "1", "2", *given) == 0
    files = [shelf.photos / "scene00.png", shelf.photos / "scene01.png"]
    pixels = np.stack([decode_file(path, shelf.model.image_size).pixels for path in files])
    expected = np.stack([one.embeds for one in extract_pairs(shelf.model, pixels, ["a dog", "a boat"])])
    assert np.allclose(np.load(tmp_path / "m.npy"), expected, atol=1e-5)
    assert not (tmp_path / "m.proj.npy").exists()
    capsys.readouterr()


def test_no_rows_are_an_empty_table(shelf: Any, tmp_path: Path, capsys: Any) -> None:
    assert features(shelf, "name:nothing", "--out", str(tmp_path / "e.npy")) == 0
    assert len(np.load(tmp_path / "e.npy")) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--out", "x.npy"], "no picture was named"),
        (["1", "--text", "a", "--out", "x.npy"], "reads none"),
        (["1", "--mode", "text", "--text", "a", "--out", "x.npy"], "reads none"),
        (["1", "--mode", "multimodal", "--out", "x.npy"], "no text was given"),
        (["1", "2", "3", "--mode", "multimodal", "--text", "a", "--text", "b", "--out", "x.npy"], "2 texts were given"),
        (["1", "--out", "x.txt"], "expected a name that ends"),
        (["1", "--out", "/nowhere/x.npy"], "there is no folder"),
    ],
)
def test_what_cannot_be_is_told(shelf: Any, words: list[str], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        features(shelf, *words)


def test_file_that_is_there_is_kept(shelf: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgsearch.app.open_model", lambda *given: pytest.fail("loaded a model first"))
    (tmp_path / "f.rows.csv").write_text("mine")
    with pytest.raises(UsageError, match="is there already"):
        features(shelf, "1", "--out", str(tmp_path / "f.npy"))
    assert (tmp_path / "f.rows.csv").read_text() == "mine" and len(list(tmp_path.glob("*f.*"))) == 1


@pytest.mark.parametrize("name", ["f.npy", "f.parquet"])
def test_second_run_to_one_file_is_refused_and_a_killed_one_is_written_over(tmp_path: Path, name: str) -> None:
    pytest.importorskip("pyarrow")
    out = tmp_path / name
    (tmp_path / f".{name}.part").write_bytes(b"left by a run that was killed")
    row = FeatureRow(np.ones((2, 3), np.float32), None, text="a cat")
    with feature_file(out, 0) as file:
        file.append([row])
        with pytest.raises(UsageError, match="another run is writing"), feature_file(out, 0):
            pass
        file.append([row])
    assert sorted(path.name for path in tmp_path.glob(".*")) == []
    if out.suffix == ".npy":
        assert np.load(out).tolist() == np.ones((2, 2, 3)).tolist()


def test_full_disk_is_told_and_leaves_no_file(tmp_path: Path) -> None:
    row = FeatureRow(np.ones((2, 3), np.float32), None, text="a cat")
    with (
        pytest.raises(StorageFull, match=r"f.npy cannot be written: No space"),
        feature_file(tmp_path / "f.npy", 0) as f,
    ):
        f.append([row])
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []
