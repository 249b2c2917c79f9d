"""What of a text a model can know: with the small model's vocabulary, and with one cut as BERT's is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from imgsearch.evaluation.probes import scene_texts
from imgsearch.model.tokenizer import TextTokenizer, read_tokenizer
from imgsearch.search.query.description import Query
from imgsearch.search.query.parser import parse_query
from imgsearch.search.query.understanding import read_by_model, understand, understanding_notes

# As BERT's uncased vocabulary has and cuts them.
PIECES = """
[PAD] [UNK] [CLS] [SEP] [MASK] a b q x 2 20 2019 ' - . red boat ray the cat hat chat rouge un mug ##s gi ##raf
##fe as ##df ##gh ##wer ##ty sun ##flower к ##р ##а 一 上
"""


@pytest.fixture(scope="module")
def mini() -> TextTokenizer:
    return read_tokenizer(Path(__file__).parents[3] / "data" / "mini")


@pytest.fixture(scope="module")
def like_bert() -> TextTokenizer:
    whole = [*PIECES.split(), *(f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(600))]  # a Latin vocabulary
    pieces = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate(whole)}, unk_token="[UNK]"))
    pieces.normalizer = normalizers.BertNormalizer(lowercase=True)
    pieces.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return TextTokenizer(pieces, Path("test"))


@pytest.mark.parametrize(
    "text", ["fish", "a fish", "two red boats at night", "the cat's hat", "boat, cat", "at sunset", "a large fish"]
)
def test_known_words_are_understood_bare_or_not(mini: TextTokenizer, text: str) -> None:
    assert understand(mini.words(text)).sure


@pytest.mark.parametrize(
    "text",
    [
        "قارب أحمر",
        "красная лодка",
        "asdfgh qwerty",
        "红色的船",
        "빨간 배",
        "เรือสีแดง",
        "סירה",
        "ein rotes Boot",
        "2019",
        "redish",
        "| boat",
    ],
)
def test_words_of_other_scripts_and_mashed_keys_are_not(mini: TextTokenizer, text: str) -> None:
    found = understand(mini.words(text))
    assert not found.sure
    assert found.unknown


@pytest.mark.parametrize(
    "text", ["of", "the", "on the left", "a photo of", "there are two", "a ?", "zero", "large small", "big"]
)
def test_words_that_name_nothing_are_no_description(mini: TextTokenizer, text: str) -> None:
    found = understand(mini.words(text))
    assert (found.sure, found.unknown) == (False, ())
    assert understanding_notes(found, [])[0].startswith("the words name nothing")


def test_one_unknown_word_among_known_ones_is_named(mini: TextTokenizer) -> None:
    found = understand(mini.words("a red dragon beside a Boat"))
    assert found.unknown == ("dragon",)
    assert understanding_notes(found, []) == [
        'this word was not understood by the model: "dragon"; no picture is called a sure match'
    ]


def test_unknown_words_that_are_excluded_alone_are_named(mini: TextTokenizer) -> None:
    read = read_by_model(parse_query(Query("-dragon")), {"dragon": mini.words("dragon")}, 0)
    assert read.notes == ('this word was not understood by the model: "dragon"; no picture is called a sure match',)
    known = {"boat": mini.words("boat")}
    assert read_by_model(parse_query(Query("-boat type:png")), known, 0).notes == ()


def test_true_captions_are_all_understood(mini: TextTokenizer) -> None:
    assert all(understand(mini.words(text)).sure for text in scene_texts(300, 8))


@pytest.mark.parametrize(
    ("text", "unknown"),
    [
        ("a giraffe", ()),  # in pieces that are words' parts
        ("sunflowers", ()),
        ("mugs", ()),
        ("2 boats", ()),  # its vocabulary has numbers
        ("x-ray", ()),
        ("asdfgh", ("asdfgh",)),
        ("qwerty", ("qwerty",)),
        ("кра", ("кра",)),
        ("上 一", ("上", "一")),  # a few letters of a script are no vocabulary of it
        ("b boat", ("b",)),
    ],
)
def test_a_large_vocabulary_knows_words_that_it_cuts_in_parts(
    like_bert: TextTokenizer, text: str, unknown: tuple[str, ...]
) -> None:
    assert understand(like_bert.words(text)).unknown == unknown


@settings(max_examples=200, deadline=None, derandomize=True)
@given(text=st.text(max_size=30))
def test_any_text_can_be_looked_at(mini: TextTokenizer, text: str) -> None:
    found = understand(mini.words(text))
    assert found.sure == (found.telling and not found.unknown)
