"""What the generator learns to say of a scene, packed so that all texts of a picture share its query tokens."""

from __future__ import annotations

import random
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer

from imgsearch.scenes.captions import Mention, SceneStatement, relation_between, say
from imgsearch.scenes.graph import ObjectGroup, Scene
from imgsearch.scenes.questions import QUESTION_KINDS, Question, ask, follow_up
from imgsearch.scenes.vocabulary import NUMBERS, OPENINGS
from imgsearch.training.generator.build import END, PAD, UNKNOWN

FORMS = ("Question: {} Answer:", "Question: {} Answer:", "Question: {} Answer:", "Question: {} Short answer:")
_PROMPTS = ("", "", "a photo of", "a picture of")
_UNKNOWN_SHARE = 0.1  # of the questions, in which a word becomes "<unk>", as other people's words will
_DIALOGUE_SHARE = 0.15  # of the questions, that have a question before them
# The words that may: a question means the same without them.
_SPARE = frozenset(
    (
        "the",
        "this",
        "can",
        "you",
        "see",
        "do",
        "does",
        "stand",
        "shown",
        "image",
        "picture",
        "thing",
        "object",
        "scene",
        "any",
    )
)
IGNORED = -100  # cross_entropy's ignore_index


@dataclass(frozen=True, slots=True)
class Text:
    """What is given and what is to be said; ``group``: the one that a question is about."""

    prompt: str
    target: str
    group: ObjectGroup | None = None


def caption_statement(scene: Scene, rng: random.Random) -> SceneStatement:
    """What a caption says: both groups with number and colour, mostly how they stand, half the time the setting."""
    groups = list(scene.groups)
    rng.shuffle(groups)
    sized = rng.random() < 0.08
    setting = scene.setting if rng.random() < 0.5 else None
    related = len(groups) == 2 and rng.random() < 0.5
    placed = not related and rng.random() < 0.5
    mentions = tuple(
        Mention(g.kind, g.count, g.colour, g.size if sized else None, g.position if placed else None) for g in groups
    )
    return SceneStatement(mentions, setting, relation_between(groups[0], groups[1]) if related else None)


def caption_text(scene: Scene, rng: random.Random) -> Text:
    """A caption without an opening ("there is"), or after the one that is given."""
    words = say(caption_statement(scene, rng), rng.getrandbits(32))
    for opening in sorted((*OPENINGS, "there are "), key=len, reverse=True):
        if words.startswith(opening):
            words = words[len(opening) :]
            break
    setting_first = words.split(" ", 1)[0] not in ("a", "an", *NUMBERS)
    return Text("" if setting_first else rng.choice(_PROMPTS), words)


def question_text(scene: Scene, kind: str, rng: random.Random) -> Text:
    """A question in its form, now and then after another question and its answer."""
    question = ask(scene, kind, rng)
    if rng.random() < _DIALOGUE_SHARE:
        after = follow_up(question, rng)
        return Text(f"{_said(question)} {_asked(after, rng)}", after.answer, after.about)
    return Text(_asked(question, rng), question.answer, question.about)


def _said(question: Question) -> str:
    return f"Question: {question.text} Answer: {question.answer}."


def _asked(question: Question, rng: random.Random) -> str:
    words = question.text.split(" ")
    if rng.random() < _UNKNOWN_SHARE:
        free = [number for number, word in enumerate(words) if word.lower() in _SPARE]
        if free:
            words[rng.choice(free)] = UNKNOWN
    return rng.choice(FORMS).format(" ".join(words))


def texts_of(scene: Scene, captions: int, rng: random.Random) -> list[Text]:
    """So many captions, and a question of every kind."""
    questions = [question_text(scene, kind, rng) for kind in QUESTION_KINDS]
    return [*(caption_text(scene, rng) for _ in range(captions)), *questions]


@dataclass(frozen=True, slots=True)
class Packed:
    """``ids``, ``labels`` and ``positions`` int64 [B, T] (position 0 is the text's start; `IGNORED` where nothing is
    to be said), ``owner`` int64 [B, T]: the text that a token belongs to, -1 for padding."""

    ids: torch.Tensor
    labels: torch.Tensor
    positions: torch.Tensor
    owner: torch.Tensor


def pack(texts: list[list[Text]], tokenizer: Tokenizer) -> Packed:
    """The texts of each picture one after the other in a row. ``labels`` stand at the token that is to be foretold."""
    vocabulary = tokenizer.get_vocab()
    end, pad = vocabulary[END], vocabulary[PAD]
    rows: list[tuple[list[int], list[int], list[int], list[int]]] = []
    for of_picture in texts:
        ids: list[int] = []
        labels: list[int] = []
        positions: list[int] = []
        owner: list[int] = []
        for number, text in enumerate(of_picture):
            given = tokenizer.encode(text.prompt).ids
            said = [*tokenizer.encode(text.target, add_special_tokens=False).ids, end]
            ids += given + said
            labels += [IGNORED] * len(given) + said
            positions += range(len(given) + len(said))
            owner += [number] * (len(given) + len(said))
        rows.append((ids, labels, positions, owner))
    length = max(len(row[0]) for row in rows)
    filled = [
        torch.tensor([row[part] + [filler] * (length - len(row[part])) for row in rows])
        for part, filler in enumerate((pad, IGNORED, 0, -1))
    ]
    return Packed(*filled)


def attention_mask(packed: Packed, queries: int) -> torch.Tensor:
    """bool [B, 1, Q + T, Q + T], True where a token may look: queries at the queries before them and themselves, a
    text's tokens at all queries and at their own text so far; padding at itself, so that no row is empty."""
    batch, length = packed.ids.shape
    whole = queries + length
    causal = torch.ones(whole, whole, dtype=torch.bool).tril()
    same = packed.owner[:, :, None] == packed.owner[:, None, :]
    mask = torch.zeros(batch, whole, whole, dtype=torch.bool)
    mask[:, :, :queries] = True
    mask[:, queries:, queries:] = same
    return (mask & causal)[:, None]
