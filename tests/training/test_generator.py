"""Training the small generator, carried from a retrieval model to a directory at a tiny size."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny import TINY
from tokenizers import Tokenizer
from transformers import AutoTokenizer, Blip2ForConditionalGeneration

from imgsearch.errors import UsageError
from imgsearch.generation import load_generator
from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.graph import Domain, ObjectGroup, Scene, sample_scene
from imgsearch.scenes.truth import true_of
from imgsearch.scenes.vocabulary import COLOURS, KINDS, SETTINGS
from imgsearch.training.build import new_model, new_tokenizer, save_checkpoint_directory
from imgsearch.training.generator import corpus
from imgsearch.training.generator.build import (
    LanguageSizes,
    generator_words,
    new_generator,
    new_generator_tokenizer,
    save_generator_directory,
)
from imgsearch.training.generator.corpus import ChunkPlace, draw_chunk, read_chunk
from imgsearch.training.generator.pointing import Pointers, of_answers
from imgsearch.training.generator.reading import ReadingSettings, query_outputs, see
from imgsearch.training.generator.recipe import GeneratorRecipe, continue_texts, rehearsal, train_generator
from imgsearch.training.generator.run import StageRun
from imgsearch.training.generator.slots import SlotHeads, SlotWords, slot_loss, slot_targets, spoken_loss, spoken_slots
from imgsearch.training.generator.speaking import Read, Speaker, SpeakingSettings, token_losses
from imgsearch.training.generator.texts import Text, caption_text, pack, question_text, texts_of

WORDS = LanguageSizes(width=32, layers=2, heads=2, ffn=64, max_positions=160)
READING = ReadingSettings(steps=3, batch_size=3, warmup_steps=1)
SPEAKING = SpeakingSettings(steps=3, batch_size=2, warmup_steps=1)


@pytest.fixture
def retrieval(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tiny retrieval model in a directory; chunks hold six scenes."""
    monkeypatch.setattr(corpus, "CHUNK_SCENES", 6)
    folder = tmp_path / "retrieval"
    save_checkpoint_directory(new_model(TINY, 0), new_tokenizer(), folder)
    return folder


@pytest.fixture
def place(retrieval: Path, tmp_path: Path) -> ChunkPlace:
    place = ChunkPlace(tmp_path / "chunks", 3, TINY.image_size)
    place.folder.mkdir()
    for number in range(2):
        draw_chunk((place, number))
    return place


def _model() -> Blip2ForConditionalGeneration:
    return new_generator(new_model(TINY, 0), WORDS, 0).eval()


def _scenes(count: int, seed: int = 1) -> list[Scene]:
    rng = random.Random(seed)
    return [sample_scene(rng, Domain()) for _ in range(count)]


def _encode(tokenizer: Tokenizer, text: str) -> list[str]:
    return list(tokenizer.encode(text).tokens)


def test_generator_tokenizer_starts_texts_and_keeps_the_end_of_a_line() -> None:
    tokenizer = new_generator_tokenizer()
    assert _encode(tokenizer, "Question: Zebras?\n") == ["</s>", "question", ":", "<unk>", "?", "\n"]
    assert tokenizer.decode(tokenizer.encode("in the snow, a red ball").ids) == "in the snow, a red ball"
    assert [tokenizer.token_to_id(word) for word in ("<pad>", "</s>")] == [1, 2]  # as OPT's
    assert generator_words()[-1] == "<image>"


def test_generator_texts_hold_only_words_of_the_vocabulary() -> None:
    tokenizer, rng = new_generator_tokenizer(), random.Random(2)
    for scene in _scenes(300):
        for text in texts_of(scene, 2, rng):
            assert "<unk>" not in _encode(tokenizer, text.prompt.replace("<unk>", "the") + " " + text.target)


def test_generator_captions_are_true_and_go_on_from_their_prompt() -> None:
    rng = random.Random(3)
    for scene in _scenes(300):
        text = caption_text(scene, rng)
        assert true_of(text.target, scene).all_true and true_of(f"{text.prompt} {text.target}", scene).all_true


def test_generator_loss_of_packed_texts_is_that_of_one_at_a_time() -> None:
    model, tokenizer, rng = _model(), new_generator_tokenizer(), random.Random(4)
    scenes = _scenes(3)
    texts = [[*texts_of(scene, 1, rng), Text("", "red")][:size] for scene, size in zip(scenes, (7, 2, 4), strict=True)]
    pixels = torch.randn(3, 3, TINY.image_size, TINY.image_size, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        features = model.vision_model(pixels).last_hidden_state
        seen = model.language_projection(query_outputs(model, features))
        packed = token_losses(model, seen, pack(texts, tokenizer)).mean().item()
        summed, count = 0.0, 0
        for number, of_picture in enumerate(texts):
            for text in of_picture:
                loss, said = _loss_alone(model, tokenizer, pixels[number : number + 1], text)
                summed, count = summed + loss * said, count + said
    assert packed == pytest.approx(summed / count, abs=1e-5)


def _loss_alone(model: Any, tokenizer: Tokenizer, pixels: torch.Tensor, text: Text) -> tuple[float, int]:
    """By transformers' own forward: (mean loss, ids that count)."""
    queries = [model.config.image_token_index] * model.config.num_query_tokens
    given = [*queries, *tokenizer.encode(text.prompt).ids]
    said = tokenizer.encode(text.target + "\n", add_special_tokens=False).ids
    ids = torch.tensor([given + said])
    labels = torch.tensor([[-100] * len(given) + said])
    out = model(pixel_values=pixels, input_ids=ids, attention_mask=torch.ones_like(ids), labels=labels)
    return out.loss.item(), len(said)


def test_generator_continues_a_prompt_of_a_batch_as_it_does_alone() -> None:
    model, tokenizer = _model(), new_generator_tokenizer()
    seen = torch.randn(3, TINY.query_tokens, WORDS.width, generator=torch.Generator().manual_seed(1))
    prompts = ["", "a photo of", "Question: What is on the left? Answer:"]
    together = continue_texts(model, tokenizer, seen, prompts, 6)
    alone = [continue_texts(model, tokenizer, seen[n : n + 1], [prompt], 6)[0] for n, prompt in enumerate(prompts)]
    assert together == alone and all(together)


def test_generator_queries_are_taught_the_group_of_their_place() -> None:
    two = Scene(
        "snow", (ObjectGroup("ball", "red", "small", 2, "left"), ObjectGroup("cat", "black", "large", 1, "right")), 1
    )
    one = Scene("sea", (ObjectGroup("cat", "red", "small", 4, "middle"),), 1)
    targets, setting = slot_targets([two, one])
    ball, cat = KINDS.index("ball") + 1, KINDS.index("cat") + 1
    assert targets[0].tolist() == [[ball, cat, 0, 0, 0], [0, 0, 0, 0, cat]]  # left, right, top, bottom, middle
    assert targets[3].tolist() == [[1, 0, -100, -100, -100], [-100, -100, -100, -100, 3]]
    assert [tuple(SETTINGS)[number] for number in setting.tolist()] == ["snow", "sea"]
    heads = SlotHeads(8)
    for head in heads.children():
        torch.nn.init.zeros_(head.weight)  # type: ignore[arg-type]
    with torch.no_grad():
        heads.kind.bias[cat] = heads.colour.bias[list(COLOURS).index("red")] = 9.0
        heads.count.bias[3] = 9.0
    loss, right = slot_loss(heads, torch.zeros(2, 12, 8), [two, one])
    assert right == pytest.approx(1 / 3)  # of the three groups only the last is four red cats
    assert loss.item() > 0


def test_generator_pictures_are_told_in_word_vectors() -> None:
    """With one axis a word, and tokens that are the sum of the right ones, nothing is left to learn; else much is."""
    tokenizer = new_generator_tokenizer()
    scene = Scene("sea", (ObjectGroup("cat", "red", "small", 4, "middle"),), 1)
    vocabulary = tokenizer.get_vocab()
    table = torch.eye(len(vocabulary)) * 9
    named = [f"zero {place}" for place in ("left", "right", "top", "bottom")] + ["cat red small four middle", "sea"]
    seen = torch.stack([table[[vocabulary[word] for word in words.split()]].sum(0) for words in named])[None]
    words = SlotWords(tokenizer)
    assert spoken_loss(seen, table, words, [scene]).item() < 1e-6
    assert spoken_loss(seen.roll(1, dims=1), table, words, [scene]).item() > 9
    assert torch.equal(spoken_slots(table, words, [scene], 6), seen)
    assert torch.equal(spoken_slots(table, words, [scene], 8), torch.cat([seen, seen[:, :2]], dim=1))


def test_generator_words_point_to_the_queries_that_read_them() -> None:
    tokenizer = new_generator_tokenizer()
    ball, cat = ObjectGroup("ball", "red", "small", 2, "left"), ObjectGroup("cat", "black", "large", 1, "right")
    scene = Scene("snow", (ball, cat), 1)
    texts = [
        [Text("", "two red spheres left of a black bell"), Text("Question: Is the cat on the left? Answer:", "no", cat)]
    ]
    packed = pack(texts, tokenizer)
    pointers = Pointers(_model().language_model, tokenizer)
    tokens = [tokenizer.id_to_token(number) for number in packed.ids[0].tolist()]
    found = [(tokens[one.column], one.places) for one in pointers.of_words(packed, [scene])]
    assert found == [("red", (0,)), ("spheres", (0,)), ("black", (1,)), ("cat", (1,)), ("left", (0,))]
    (answer,) = of_answers(packed, texts)
    assert tokens[answer.column : answer.column + 2] == [":", "no"] and answer.places == (1,)


def test_generator_attention_learns_to_find_the_group_asked_for() -> None:
    """From perfect queries, which attention alone can tell apart, within a few steps."""
    model, tokenizer, rng = _model(), new_generator_tokenizer(), random.Random(5)
    language, words = model.language_model, SlotWords(new_generator_tokenizer())
    pointers, found = Pointers(language, tokenizer), []
    optimiser = torch.optim.Adam(language.parameters(), lr=5e-3)
    for _ in range(30):
        scenes = [sample_scene(rng, Domain(two_groups=1.0)) for _ in range(8)]
        texts = [[question_text(scene, kind, rng) for kind in ("colour", "how many")] for scene in scenes]
        packed = pack(texts, tokenizer)
        seen = spoken_slots(model.get_input_embeddings().weight, words, scenes, 6)
        token_losses(model, seen, packed)
        loss, readings = pointers.loss(packed, texts, scenes, 6)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        found.append(readings["words found"])
    assert np.mean(found[-5:]) > 0.15 + np.mean(found[:3])


def test_generator_chunk_is_drawn_the_same_twice(place: ChunkPlace) -> None:
    first = read_chunk(place, 1)
    place.path(1).unlink()
    draw_chunk((place, 1))
    again = read_chunk(place, 1)
    assert again.scenes == first.scenes and np.array_equal(again.pixels, first.pixels)
    assert first.pixels.shape == (6, TINY.image_size, TINY.image_size, 3)
    assert read_chunk(place, 0).scenes != first.scenes


def test_generator_stage_resumes_to_the_same_weights(tmp_path: Path) -> None:
    def trained(path: Path, *stops: int) -> dict[str, torch.Tensor]:
        for stop in stops:
            torch.manual_seed(0)
            model, settings = _model(), SpeakingSettings(steps=stop, batch_size=2, warmup_steps=1, falling=0.0)
            Speaker(model, new_generator_tokenizer()).learn_from_graphs(
                lambda rng: sample_scene(rng, Domain()), settings, path, lambda line: None
            )
        return dict(model.state_dict())

    whole, broken = trained(tmp_path / "whole.pt", 4), trained(tmp_path / "broken.pt", 1, 3, 4)
    assert all(torch.equal(whole[name], broken[name]) for name in whole)
    start = _model().state_dict()
    changed = {name.split(".")[0] for name in whole if not torch.equal(whole[name], start[name])}
    assert changed == {"language_model"}


def test_generator_projection_begins_at_what_the_queries_mean(tmp_path: Path) -> None:
    """Outputs that are perfect queries, turned, are turned back before the first step."""
    model, tokenizer = _model(), new_generator_tokenizer()
    scenes = _scenes(40)
    table = model.get_input_embeddings().weight.detach().clone()
    perfect = spoken_slots(table, SlotWords(tokenizer), scenes, TINY.query_tokens)
    turned, _ = torch.linalg.qr(
        torch.randn(TINY.qformer_width, WORDS.width, generator=torch.Generator().manual_seed(3))
    )
    outputs = (perfect @ turned.T[: WORDS.width] if turned.shape[0] >= WORDS.width else perfect @ turned.T).numpy()
    Speaker(model, tokenizer)._fit_projection(Read(outputs.astype(np.float16), scenes))
    seen = model.language_projection(torch.from_numpy(outputs))
    assert torch.allclose(seen, perfect, atol=0.02)


def test_generator_stage_refuses_a_state_of_other_settings(tmp_path: Path) -> None:
    module = torch.nn.Linear(2, 2)
    parts = [(list(module.parameters()), 1.0)]
    StageRun(tmp_path / "stage.pt", SPEAKING, {"model": module}, parts).save()
    other = SpeakingSettings(steps=4, batch_size=3)
    with pytest.raises(UsageError, match="run with other settings"):
        StageRun(tmp_path / "stage.pt", other, {"model": module}, parts)


def test_generator_recipe_writes_a_directory_that_both_loaders_read(
    retrieval: Path, place: ChunkPlace, tmp_path: Path
) -> None:
    lines: list[str] = []
    recipe = GeneratorRecipe(str(retrieval), WORDS, 2, 2, READING, SPEAKING, SPEAKING, picture_seed=3)
    folder = train_generator(rehearsal(recipe), tmp_path, workers=1, log=lines.append)
    assert [line.split(":")[0] for line in lines] == [
        *("graphs 2/2", "reading 2/2", "images 2/2", "captions", "answers", "for example")
    ]
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer("a red ball").input_ids[0] == tokenizer.bos_token_id == 2
    network, report = Blip2ForConditionalGeneration.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    scene = _scenes(1)[0]
    picture = draw_scene(scene)[0]
    generator = load_generator(folder, device="cpu", dtype="float32")
    with torch.inference_mode():
        seen = network.language_projection(query_outputs(network, see(network, _pixels(picture))))
    expected = continue_texts(network, new_generator_tokenizer(), seen, ["a photo of"], 12, min_new_tokens=1)
    assert [one.text for one in generator.caption([picture], "a photo of", 1, 12)] == expected


def _pixels(picture: Any) -> Any:
    from imgsearch.media.preprocess import resize_to_model

    return resize_to_model(picture, TINY.image_size)[None]


def test_generator_directory_is_half_precision_and_names_the_end(tmp_path: Path) -> None:
    from safetensors import safe_open

    model = _model()
    save_generator_directory(model, new_generator_tokenizer(), tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        names = set(file.keys())
        assert {file.get_tensor(name).dtype for name in names} == {torch.float16}
    assert "language_model.lm_head.weight" not in names  # tied to the embedding
    assert model.config.text_config.eos_token_id == new_generator_tokenizer().token_to_id("\n")
    seen = query_outputs(model, torch.zeros(1, 17, TINY.vision_width))
    assert seen.shape == (1, TINY.query_tokens, TINY.qformer_width)
