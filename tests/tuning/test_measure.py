"""Ranks and differences against definitions written another way, and words that claim nothing inside the interval."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from imgsearch.evaluation.retrieval import image_to_text_ranks, text_to_image_ranks
from imgsearch.tuning.gains.measure import Difference, Ranks, compare, first_true, sign_test
from imgsearch.tuning.gains.words import COLUMNS, conclusion, described, in_columns, rows, verdict_on


def ranks_from(hits: np.ndarray) -> Ranks:
    """Ranks whose first place is right where ``hits`` is True, and never within ten elsewhere."""
    ranks = np.where(hits, 0, 50)
    return Ranks(ranks, ranks, ranks, ranks, np.zeros(len(hits), np.int64))


def differences(before: np.ndarray, after: np.ndarray) -> list[Difference]:
    return compare(ranks_from(before), ranks_from(after), np.arange(len(before)))


def test_first_true_agrees_with_the_authors_ranks_where_each_caption_has_one_picture():
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(7, 14)).round(1).astype(np.float32)  # rounded, so that there are ties
    owners = np.repeat(np.arange(7), 2)
    truth = owners == np.arange(7)[:, None]
    assert (first_true(scores, truth) == image_to_text_ranks(scores, owners)).all()
    assert (first_true(scores.T, truth.T) == text_to_image_ranks(scores, owners)).all()


def test_any_picture_of_which_a_caption_is_true_counts_as_found():
    scores = np.array([[0.9, 0.5, 0.8]], np.float32)
    assert first_true(scores, np.array([[False, True, True]])).tolist() == [1]


def test_interval_holds_the_true_change_in_nineteen_of_twenty_samples(monkeypatch):
    monkeypatch.setattr("imgsearch.tuning.gains.measure.DRAWS", 400)
    rng = np.random.default_rng(3)
    inside = 0
    for _ in range(60):
        before = rng.random(120) < 0.4
        after = np.where(rng.random(120) < 0.2, True, before)  # a fifth are learned: 60 % of them were wrong
        (one,) = (d for d in differences(before, after) if (d.way, d.score, d.at) == ("text to image", "itm", 1))
        inside += one.low <= 100 * 0.2 * 0.6 <= one.high
    assert inside >= 51


def test_captions_of_one_picture_count_as_one_observation():
    before, after = np.zeros(40, bool), np.zeros(40, bool)
    after[:10] = True
    many = compare(ranks_from(np.repeat(before, 5)), ranks_from(np.repeat(after, 5)), np.arange(200))
    owned = compare(
        Ranks(np.full(200, 50), np.full(40, 50), np.full(200, 50), np.full(40, 50), np.zeros(200, np.int64)),
        Ranks(np.where(np.repeat(after, 5), 0, 50), np.full(40, 50), np.full(200, 50), np.full(40, 50), np.zeros(200)),
        np.repeat(np.arange(40), 5),
    )
    assert owned[0].high - owned[0].low > 1.8 * (many[0].high - many[0].low)


def test_sign_test_is_the_share_of_all_equally_likely_outcomes_as_uneven():
    for up, down in ((0, 0), (4, 0), (6, 0), (3, 9), (5, 5)):
        outcomes = list(itertools.product((0, 1), repeat=up + down))
        uneven = sum(abs(2 * sum(one) - (up + down)) >= abs(up - down) for one in outcomes)
        assert sign_test(up, down) == pytest.approx(uneven / len(outcomes))


def test_nothing_is_called_better_inside_the_interval_on_screen_or_in_words(monkeypatch):
    monkeypatch.setattr("imgsearch.tuning.gains.measure.DRAWS", 1000)
    for gained, lost in ((0, 0), (1, 0), (4, 0), (3, 2), (30, 0), (0, 30), (12, 9)):
        before = np.zeros(100, bool)
        before[50:] = True
        after = before.copy()
        after[:gained], after[50 : 50 + lost] = True, False
        found = differences(before, after)
        for one in found:
            certain = (one.low > 0 or one.high < 0) and sign_test(gained, lost) <= 0.05
            assert (one.verdict != "no certain difference") == certain
            assert ("better" in described(one)) == (certain and one.change > 0)
            assert ("worse" in described(one)) == (certain and one.change < 0)
        screen = "\n".join(in_columns([COLUMNS, *rows(found)])) + verdict_on("withheld", found)
        if gained < 30:
            assert "better" not in screen + conclusion(found, differences(before, before))
        if lost < 30:
            assert "worse" not in screen + conclusion(found, differences(before, before))


def test_few_pictures_that_changed_are_not_enough_although_the_bootstrap_is_sure():
    before, after = np.zeros(10, bool), np.zeros(10, bool)
    after[:4] = True
    (one, *_) = differences(before, after)
    assert one.low > 0 and one.verdict == "no certain difference"


def test_loss_of_what_was_known_is_told():
    none, all_right = np.zeros(60, bool), np.ones(60, bool)
    told = conclusion(differences(none, all_right), differences(all_right, none))
    assert "better than before" in told and "lost some" in told
    assert "do not use it" in conclusion(differences(all_right, none), differences(none, none))
