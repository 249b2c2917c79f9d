from __future__ import annotations

import json
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from imgsearch.model.text import clean_text

ABOUT = json.loads((Path(__file__).parents[1] / "golden" / "lavis" / "about.json").read_text())


def test_captions_are_cleaned_as_lavis_cleans_them():
    assert [clean_text(caption) for caption in ABOUT["captions"]] == ABOUT["captions_as_processed"]


def test_every_mark_becomes_a_space():
    assert clean_text('a.b!c"d(e)f*g#h:i;j~k') == "a b c d e f g h i j k"
    assert clean_text("isn't it, well-known? 50% & [more]") == "isn't it, well-known? 50% & [more]"


def test_only_marks_leave_nothing():
    assert clean_text(' .!"()*#:;~ \n\t') == ""


def test_lone_surrogates_become_replacement_characters():
    assert clean_text("caf\udce9") == "caf\ufffd"


@given(st.text(max_size=200))
def test_cleaning_twice_is_cleaning_once(text):
    assert clean_text(clean_text(text)) == clean_text(text)


@given(st.lists(st.sampled_from(["boat", "A", "tree.", "x"]), min_size=1, max_size=120))
def test_at_most_fifty_words_stay(words):
    assert clean_text(" ".join(words)).split() == [word.lower().strip(".") for word in words][:50]
