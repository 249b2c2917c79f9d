"""The keep rule: words, order, reasons."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgsearch.dedup.groups.keep import DEFAULT, WORDS, parse_keep, rank, reason
from imgsearch.errors import UsageError


def first(copies, text, reference=()):
    return rank(copies, parse_keep(text, reference))[0].path


def test_each_word_prefers_its_copy(copy):
    big = copy("/p/deep/er/big.jpg", 1, width=20, size_bytes=50, mtime_ns=3)
    told = copy(
        "/p/told.jpg", 2, taken_at="2020-01-01T00:00:00", latitude=1.0, longitude=2.0, size_bytes=90, mtime_ns=2
    )
    plain = copy("/p/x/plain.png", 3, format="PNG", size_bytes=70, mtime_ns=1)
    copies = [big, told, plain]
    winners = {
        "resolution": big,
        "metadata": told,
        "lossless": plain,
        "largest": told,
        "smallest": big,
        "oldest": plain,
        "newest": big,
        "shallowest": told,
        "shortest": told,
        "folder:x": plain,
        "folder:/p/deep": big,
        "folder:deep/er": big,
    }
    assert {word for word in winners if not word.startswith("folder:")} == {*WORDS} - {"folder:NAME"}
    for word, expected in winners.items():
        assert first(copies, word) == expected.path, word


def test_folder_is_a_whole_name_and_not_a_part_of_one(copy):
    near, inside = copy("/p/originals-old/a.jpg", 1), copy("/p/originals/b.jpg", 2)
    assert first([near, inside], "folder:originals") == inside.path
    assert first([near, inside], "folder:/p/originals") == inside.path
    assert first([near, inside], "folder:b.jpg") == near.path, "the file's own name is no folder"


def test_reference_comes_before_every_wish(copy):
    large, small = copy("/p/large.jpg", 1, width=1000), copy("/ref/small.jpg", 2)
    rule = parse_keep("resolution", ["/ref"])
    assert rank([large, small], rule) == [small, large]
    assert reason(small, [large], rule) == "in a reference folder"
    assert not rule.is_reference(copy("/ref2/small.jpg", 3))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
@given(data=st.data())
def test_rank_is_one_order_whatever_order_the_copies_come_in(copy, data):
    small = st.integers(0, 2)
    count = data.draw(st.integers(1, 5))
    copies = [
        copy(f"/p/{number}", number, width=data.draw(small), mtime_ns=data.draw(small), size_bytes=data.draw(small))
        for number in range(count)
    ]
    words = data.draw(st.permutations([word for word in WORDS if word != "folder:NAME"]))
    rule = parse_keep(",".join(words))
    expected = rank(copies, rule)
    assert rank(data.draw(st.permutations(copies)), rule) == expected
    for better, worse in itertools.combinations(expected, 2):
        assert reason(better, [worse], rule) != "the only one"


def test_reason_names_what_decided_in_the_rules_order(copy):
    rule = parse_keep("resolution,lossless,oldest")
    keeper = copy("/p/a.png", 1, width=20, format="PNG", mtime_ns=1)
    smaller, lossy = copy("/p/b.png", 2, format="PNG"), copy("/p/c.jpg", 3, width=20)
    twin = copy("/p/d.png", 4, width=20, format="PNG", mtime_ns=1)
    assert reason(keeper, [lossy, smaller], rule) == "more pixels, lossless"
    assert reason(keeper, [twin], rule) == "first by name"
    assert reason(keeper, [], rule) == "the only one"


@pytest.mark.parametrize("text", ["", "resolutoin", "resolution,,oldest", "folder:", "oldest,oldest"])
def test_parse_refuses_with_the_known_words(text):
    with pytest.raises(UsageError) as caught:
        parse_keep(text)
    assert "resolution" in caught.value.hint


def test_default_is_made_of_known_words():
    assert parse_keep().text == DEFAULT
    assert set(DEFAULT.split(",")) <= set(WORDS)
