"""Checkpoints in LAVIS's form: written, read again to the bit, and as LAVIS's own runner saves them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch

from imgsearch.errors import UsageError
from imgsearch.generation import load_generator
from imgsearch.model import load_model
from imgsearch.model.checkpoints.lavis_export import write_generative
from imgsearch.model.runtimes.torch.lavis_file import export_lavis

GOLDEN = Path(__file__).parents[1] / "golden"
NOT_READ = ("Qformer.cls.", "Qformer.bert.embeddings.position_ids", "opt_model.", "t5_model.")


def saved(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["model"]


@pytest.mark.parametrize("kind", ["lavis", "lavis-vitl"])
def test_a_retrieval_pth_comes_back_to_the_bit(kind, tmp_path):
    original = GOLDEN / kind / "blip2_tiny.pth"
    model = load_model(original, device="cpu", dtype="float32")
    export_lavis(model, tmp_path / "ours.pth")
    expected = {name: value for name, value in saved(original).items() if not name.startswith(NOT_READ)}
    found = saved(tmp_path / "ours.pth")
    assert set(found) == set(expected)
    differing = [name for name in found if name != "temp" and not torch.equal(found[name], expected[name].float())]
    assert differing == []
    assert (tmp_path / "vocab.txt").read_text() == (GOLDEN / kind / "vocab.txt").read_text()
    again = load_model(tmp_path / "ours.pth", device="cpu", dtype="float32")
    theirs = again.slots()
    assert all(torch.equal(value, theirs[name]) for name, value in model.slots().items())


def test_a_directory_becomes_a_pth_that_gives_the_same_vectors(directory, tmp_path):
    model = load_model(directory, device="cpu")
    export_lavis(model, tmp_path / "ours.pth")
    again = load_model(tmp_path / "ours.pth", device="cpu")
    texts = ["a red boat", "snow of the tree"]
    assert torch.equal(torch.as_tensor(model.embed_texts(texts)), torch.as_tensor(again.embed_texts(texts)))
    pixels = torch.rand(2, 3, model.image_size, model.image_size)
    # LAVIS's last norm has an epsilon of 1e-5, this directory's has 1e-6.
    assert torch.allclose(torch.as_tensor(model.embed_images(pixels)), again.embed_images(pixels), atol=2e-5)


def test_what_cannot_be_written_is_refused(directory, tmp_path):
    model = load_model(directory, device="cpu")
    with pytest.raises(UsageError, match=r"ends in \.pth"):
        export_lavis(model, tmp_path / "ours.bin")
    (tmp_path / "vocab.txt").write_text("other\n")
    with pytest.raises(UsageError, match="another model's vocabulary"):
        export_lavis(model, tmp_path / "ours.pth")
    assert not (tmp_path / "ours.pth").exists()


@pytest.mark.parametrize("inside", [True, False])
def test_what_lavis_runner_saves_after_tuning_opens(inside, tmp_path):
    """{"model", "optimizer", "config", "scaler", "epoch"}, without frozen parameters: often without the ViT."""
    state = saved(GOLDEN / "lavis" / "blip2_tiny.pth")
    if not inside:
        state = {name: value for name, value in state.items() if not name.startswith("visual_encoder.")}
        shutil.copy(GOLDEN / "lavis" / "split" / "eva_vit_g.pth", tmp_path)
    network = torch.nn.Linear(3, 3)
    optimizer = torch.optim.AdamW(network.parameters())
    network(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    whole = {
        "model": state,
        "optimizer": optimizer.state_dict(),
        "config": {"run": {"lr_sched": "linear_warmup_cosine_lr"}, "model": {"arch": "blip2", "image_size": 56}},
        "scaler": torch.amp.GradScaler("cpu").state_dict(),
        "epoch": 3,
    }
    torch.save(whole, tmp_path / "checkpoint_best.pth")
    shutil.copy(GOLDEN / "lavis" / "vocab.txt", tmp_path)
    model = load_model(tmp_path / "checkpoint_best.pth", device="cpu")
    assert model.image_size == 56
    texts = ["a red boat"]
    expected = load_model(GOLDEN / "lavis" / "blip2_tiny.pth", device="cpu")
    assert torch.equal(torch.as_tensor(model.embed_texts(texts)), torch.as_tensor(expected.embed_texts(texts)))


@pytest.mark.parametrize(
    ("name", "language"), [("blip2_caption_opt_tiny.pth", "opt"), ("blip2_pretrained_flant5_tiny.pth", "t5")]
)
def test_a_generative_pth_comes_back_to_the_bit(name, language, tmp_path):
    folder = GOLDEN / "generation"
    generator = load_generator(folder / name, folder / language, "cpu", "float32")
    write_generative(tmp_path / "ours.pth", generator.network.state_dict().items(), language)
    expected = {key: value for key, value in saved(folder / name).items() if not key.startswith(NOT_READ)}
    found = saved(tmp_path / "ours.pth")
    assert {key for key in found if not key.startswith("visual_encoder.")} == {
        key for key in expected if not key.startswith("visual_encoder.")
    }
    assert all(torch.equal(found[key], value) for key, value in expected.items())
    again = load_generator(tmp_path / "ours.pth", folder / language, "cpu", "float32")
    state = again.network.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in generator.network.state_dict().items())


def test_the_command_writes_retrieval_models_and_generators(directory, tmp_path, capsys):
    from imgsearch.cli.main import main

    assert main(["models", "export", str(directory), "--format", "lavis", str(tmp_path / "one" / "model.pth")]) == 0
    told = capsys.readouterr()
    assert "load_checkpoint" in told.out and not told.err
    assert "itm_head.weight" in saved(tmp_path / "one" / "model.pth")
    shipped = Path(__file__).parents[2] / "data" / "mini-generator"
    assert main(["models", "export", str(shipped), "--format", "lavis", str(tmp_path / "two" / "words.pth")]) == 0
    assert "6 heads in its Q-Former, where LAVIS has one for every 64 of its 192" in capsys.readouterr().err
    names = saved(tmp_path / "two" / "words.pth")
    assert "opt_proj.weight" in names and not any("language_model" in name for name in names)
    assert main(["models", "export", str(directory), "--format", "lavis"]) == 2
