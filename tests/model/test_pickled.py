"""Headers of .pth files, against what torch itself loads; and which ViT belongs to which checkpoint."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from imgsearch.model.checkpoints.pickled import read_pickled
from imgsearch.model.checkpoints.resolve import find_source
from imgsearch.model.checkpoints.tensor_files import read_floats
from imgsearch.model.checkpoints.towers import find_tower

GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.mark.parametrize("path", ["lavis/blip2_tiny.pth", "lavis-vitl/split/clip_vit_L.pth"])
def test_numbers_are_those_that_torch_loads(path):
    state = torch.load(GOLDEN / path, weights_only=True)
    state = state.get("model", state)
    found = read_pickled(GOLDEN / path)
    assert found is not None and found.keys() == state.keys()
    for name, value in state.items():
        assert found[name].shape == tuple(value.shape)
        if value.is_floating_point():
            assert np.array_equal(read_floats(found[name]), value.float().numpy())


def test_every_kind_of_number_and_views_of_one_storage_are_read(tmp_path):
    whole = torch.arange(24.0).reshape(6, 4)
    kinds = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
    state = {str(kind): whole.to(kind) / 7 for kind in kinds}
    state |= {"rows": whole[2:4], "one": torch.tensor(3.5), "parameter": torch.nn.Parameter(whole[1])}
    state |= {"ids": torch.arange(3), "empty": torch.empty(0, 2)}
    torch.save(state, tmp_path / "a.pth")
    found = read_pickled(tmp_path / "a.pth")
    assert found is not None and found.keys() == state.keys() and found["ids"].kind == ""
    for name, value in state.items():
        if value.is_floating_point():
            assert np.array_equal(read_floats(found[name]), value.detach().float().numpy())


class Evil:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (Path.touch, (self.path,))


def test_what_is_not_understood_is_left_to_torch(tmp_path):
    square = torch.arange(4.0).reshape(2, 2)
    torch.save({"a": square}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.save({"a": square.T}, tmp_path / "turned.pth")
    torch.save({"a": square, "b": Evil(tmp_path / "touched")}, tmp_path / "code.pth")
    (tmp_path / "bare.pth").write_bytes(pickle.dumps({"a": 1}))
    torch.save({"a": 1}, tmp_path / "numbers.pth")
    cut = (GOLDEN / "lavis" / "blip2_tiny.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(cut[: len(cut) // 2])
    files = sorted(tmp_path.glob("*.pth"))
    assert len(files) == 6 and [read_pickled(path) for path in files] == [None] * 6
    assert read_pickled(tmp_path / "nowhere.pth") is None
    assert not (tmp_path / "touched").exists()


KEY = "Qformer.bert.encoder.layer.0.crossattention.self.key.weight"


def lay(folder, body, *towers):
    torch.save({"model": body}, folder / "blip2_pretrained.pth")
    (folder / "vocab.txt").write_text("[UNK]\n")
    for name, width in towers:
        key = "conv1.weight" if name == "clip_vit_L.pth" else "patch_embed.proj.weight"
        torch.save({key: torch.zeros(width, 3, 2, 2)}, folder / name)
    return folder / "blip2_pretrained.pth"


@pytest.mark.parametrize(
    ("body", "towers", "expected"),
    [
        ({KEY: torch.zeros(2, 8)}, [], None),
        ({KEY: torch.zeros(2, 8)}, [("eva_vit_g.pth", 8)], "eva_vit_g.pth"),
        ({KEY: torch.zeros(2, 8)}, [("clip_vit_L.pth", 8)], "clip_vit_L.pth"),
        ({KEY: torch.zeros(2, 8)}, [("eva_vit_g.pth", 8), ("clip_vit_L.pth", 6)], "eva_vit_g.pth"),
        ({KEY: torch.zeros(2, 6)}, [("eva_vit_g.pth", 8), ("clip_vit_L.pth", 6)], "clip_vit_L.pth"),
        ({KEY: torch.zeros(2, 8)}, [("eva_vit_g.pth", 8), ("clip_vit_L.pth", 8)], "eva_vit_g.pth"),
        ({"visual_encoder.x": torch.zeros(1)}, [("clip_vit_L.pth", 8)], None),
        ({"visual_encoder.x": torch.zeros(1)}, [("eva_vit_g.pth", 8), ("clip_vit_L.pth", 8)], "eva_vit_g.pth"),
    ],
)
def test_the_vit_beside_a_checkpoint_is_the_one_of_its_width(body, towers, expected, tmp_path):
    path = lay(tmp_path, body, *towers)
    found = find_tower(path)
    assert (found and found.name) == expected
    assert [file.name for file in find_source(path).weights] == [path.name, *([expected] if expected else [])]


def test_of_two_that_fit_the_name_decides(tmp_path):
    path = lay(tmp_path, {KEY: torch.zeros(2, 8)}, ("eva_vit_g.pth", 8), ("clip_vit_L.pth", 8))
    named = path.rename(tmp_path / "blip2_pretrained_vitL.pth")
    assert find_tower(named) == tmp_path / "clip_vit_L.pth"
