"""Checkpoints with something wrong leave no library behind, and an empty library takes another model."""

from __future__ import annotations

import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from imgsearch.app import open_store
from imgsearch.cli import main
from imgsearch.errors import CheckpointInvalid, ImgsearchError, ModelMismatch
from imgsearch.model import check_model
from imgsearch.model.checkpoints.resolve import shipped_folder
from imgsearch.model.tokenizer import read_vocabulary, require_own_vocabulary
from imgsearch.records import MODEL_FREE
from imgsearch.scenes.dataset import make_set, write_set
from imgsearch.settings import load_settings

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A copy of the small model, to be damaged."""
    return Path(shutil.copytree(shipped_folder(), tmp_path / "model"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    write_set(make_set(2, 3), folder)
    return folder / "images"


def cut_tokenizer(folder: Path) -> None:
    path = next(folder.glob("tokenizer.json"))
    path.write_bytes(path.read_bytes()[:100])


def tokenizer_of_nothing(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")


def other_vocabulary(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join([*WORDS, "boat"]))


def longer_vocabulary(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("\n".join([*WORDS, *(f"word{number}" for number in range(300))]))


def cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])


def other_shapes(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["qformer_config"]["hidden_size"] *= 2
    (folder / "config.json").write_text(json.dumps(config))


def without_a_tensor(folder: Path) -> None:
    path = folder / "model.safetensors"
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    del header["itm_head.weight"]
    text = json.dumps(header).encode().ljust(length)
    path.write_bytes(data[:8] + text + data[8 + length :])


def no_config(folder: Path) -> None:
    (folder / "config.json").write_text("not json")


DAMAGES = [
    cut_tokenizer,
    tokenizer_of_nothing,
    other_vocabulary,
    longer_vocabulary,
    cut_weights,
    other_shapes,
    without_a_tensor,
    no_config,
]


def test_the_model_that_ships_is_sound() -> None:
    check_model("mini")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_checkpoint_is_refused_before_a_library_is_made(
    damage: Callable[[Path], None], checkpoint: Path, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(checkpoint)
    with pytest.raises(ImgsearchError) as caught:
        check_model(checkpoint)
    assert caught.value.hint
    library = tmp_path / "library"
    assert main(["index", str(photos), "--model", str(checkpoint), "--library", str(library), "--quiet"]) == 4
    assert str(checkpoint) in capsys.readouterr().err
    assert not library.exists()


@pytest.mark.parametrize(
    ("rows", "fits"),
    [(5, True), (6, True), (13, True), (4, False), (14, False), (30_523, False), (64, True), (128, True), (192, False)],
)
def test_a_vocabulary_fits_its_own_model_only(rows: int, fits: bool, tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("\n".join([*WORDS, "boat"]))
    tokenizer = read_vocabulary(tmp_path / "vocab.txt")
    if fits:
        require_own_vocabulary(tokenizer, rows, "")
    else:
        with pytest.raises(CheckpointInvalid, match="another"):
            require_own_vocabulary(tokenizer, rows, "")


def test_an_empty_library_takes_another_model_and_a_full_one_does_not(
    checkpoint: Path, photos: Path, tmp_path: Path
) -> None:
    library, empty = tmp_path / "library", tmp_path / "empty"
    empty.mkdir()
    settings = load_settings({"library": library})
    assert main(["index", str(empty), "--model", MODEL_FREE, "--library", str(library), "--quiet"]) == 0
    assert main(["index", str(empty), "--model", str(checkpoint), "--library", str(library), "--quiet"]) == 0
    with open_store(settings) as store:
        assert store.model.name == str(checkpoint)
        (before,) = store.roots()
        assert before.path == empty
    vocabulary = checkpoint / "tokenizer.json"
    text = vocabulary.read_text()
    vocabulary.write_text(text + "\n")  # other bytes, the same meaning: the model was mended
    assert main(["index", str(photos), "--library", str(library), "--quiet"]) == 0
    with open_store(settings) as store:
        assert store.stats().images == 2
        bound = store.model
    vocabulary.write_text(text)
    assert main(["index", str(photos), "--model", str(checkpoint), "--library", str(library), "--quiet"]) == 2
    with open_store(settings) as store:
        assert store.model == bound


def test_only_an_empty_library_is_rebound(photos: Path, tmp_path: Path) -> None:
    from imgsearch.storage.upkeep.rebinding import rebind_store

    library = tmp_path / "library"
    assert main(["index", str(photos), "--model", "mini", "--library", str(library), "--quiet"]) == 0
    with open_store(load_settings({"library": library})) as store, pytest.raises(ModelMismatch):
        rebind_store(store, store.model)
