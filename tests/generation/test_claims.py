"""What captions of one image agree on, and a caption without the rest."""

from __future__ import annotations

import pytest

from imgsearch.generation.claims import Consensus, things_of, unnumbered


@pytest.mark.parametrize(
    ("text", "things"),
    [
        ("two red balls on the left and a cat above a house", ["two red balls", "a cat", "a house"]),
        ("in the snow, three white kites at the top", ["three white kites"]),
        ("A dog to the left of one blue cup", ["a dog", "one blue cup"]),
        ("dogs running", []),
        ("", []),
    ],
)
def test_things_of_a_caption_are_its_phrases_without_their_places(text: str, things: list[str]) -> None:
    assert things_of(text) == things


def test_number_is_left_out_and_an_article_is_not() -> None:
    assert [unnumbered(each) for each in ("two red balls", "12 keys", "a cat", "ten")] == [
        "red balls",
        "keys",
        "a cat",
        "ten",
    ]


def consensus(*weighted: tuple[float, str]) -> Consensus:
    return Consensus.of([text for _, text in weighted], [weight for weight, _ in weighted])


def test_agreed_caption_stays_as_it_is() -> None:
    said = consensus((9, "two red balls and a cat"), (1, "two red balls and a dog"))
    assert said.share("a cat") == pytest.approx(0.9)
    assert said.agreed("two red balls and a cat", 0.85) == "two red balls and a cat"
    assert said.agreed("nothing to see", 0.85) == "nothing to see"


def test_doubted_number_is_left_out_where_the_thing_is_agreed() -> None:
    said = consensus((2, "a cat on the left of two red balls"), (1, "three red balls and a cat"))
    assert said.share_unnumbered("two red balls") == pytest.approx(1)
    assert said.agreed("A cat on the left of Two red balls", 0.8) == "A cat on the left of red balls"


def test_doubted_thing_is_left_out_and_the_agreed_one_kept() -> None:
    said = consensus((2, "a cat above two red balls"), (1, "a cat above two red kites"))
    assert said.agreed("a cat above two red balls", 0.8) == "a cat"
    mixed = consensus((1, "three cats and a ball"), (1, "two cats and a kite"), (0.1, "a kite"))
    assert mixed.agreed("three cats and a ball", 0.8) == "cats"


def test_nothing_is_agreed_where_all_say_something_else() -> None:
    said = consensus((1, "a cat"), (1, "a dog"), (1, "two kites"))
    assert said.agreed("a cat", 0.5) == ""
    assert said.agreed("a cat", 0.0) == "a cat"
