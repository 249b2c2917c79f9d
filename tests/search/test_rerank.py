from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imgsearch.model.runtime_profile import RuntimeProfile
from imgsearch.search.features.stored import FeatureSource, ImageSource
from imgsearch.search.inference.direct import match_and_replace, match_candidates
from imgsearch.search.query.parser import ParsedQuery
from imgsearch.search.rerank import Match, fused_order, match_texts
from imgsearch.storage import FeatureStore

LAVIS = Path(__file__).parents[1] / "golden" / "lavis"


def source(*paths: Path, of: Path | None = None) -> ImageSource:
    return ImageSource(paths, hashlib.sha256((of or paths[0]).read_bytes()).hexdigest())


def match(model: Any, text: str, sources: list[ImageSource], kept: FeatureStore | None = None) -> Any:
    matches, notes, complete = match_candidates(model, ParsedQuery(text), sources, FeatureSource(model, kept))
    assert complete
    return matches, notes


def test_match_candidates_give_lavis_logits(tiny: Any) -> None:
    paths = [LAVIS / "images" / f"scene{number:02d}.png" for number in (4, 1, 9)]
    matches, notes = match(tiny, "A photo of a black house on grass under a blue sky.", [*map(source, paths)])
    expected = np.load(LAVIS / "lavis_answers.npz")["itm_logits"][[4, 1, 9], 1].astype(np.float64)  # text 1
    assert notes == []
    # int8 features move a logit of this random checkpoint by up to 1.3e-2.
    np.testing.assert_allclose([match.logit for match in matches if match], expected[:, 1], atol=2e-2)
    softmax = np.exp(expected[:, 1]) / np.exp(expected).sum(1)
    np.testing.assert_allclose([match.probability for match in matches if match], softmax, atol=2e-2)


def test_match_candidates_leave_out_what_is_gone_broken_or_changed(tiny: Any, tmp_path: Path) -> None:
    good, broken, changed = tmp_path / "good.png", tmp_path / "broken.png", tmp_path / "changed.png"
    shutil.copy(LAVIS / "images" / "scene00.png", good)
    broken.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    Image.new("RGB", (60, 60), "red").save(changed)
    gone = tmp_path / "gone.png"
    sources = [
        source(gone, of=good),
        source(broken),
        source(changed, of=good),
        source(good),
        source(gone, broken, good, of=good),
        ImageSource((), "0" * 64),
    ]
    matches, notes = match(tiny, "a cat", sources)
    assert [match is not None for match in matches] == [False, False, False, True, True, False]
    assert matches[3] is not None and matches[4] is not None
    assert matches[3].logit == pytest.approx(matches[4].logit, abs=1e-5)
    assert len(notes) == 1
    assert notes[0].startswith("4 candidates were not re-ranked")


def test_match_candidates_of_nothing_are_nothing(tiny: Any) -> None:
    assert match(tiny, "a cat", []) == ([], [])


@given(st.data())
def test_fused_order_follows_its_rule(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    itc = np.sort(data.draw(st.lists(st.floats(-1, 1, width=32), min_size=count, max_size=count)))[::-1]
    ids = np.array(data.draw(st.permutations(range(count))), np.int64)
    logit = st.one_of(st.none(), st.sampled_from([-2.0, 0.0, 0.5]))
    logits = data.draw(st.lists(logit, max_size=count))
    matches = [None if one is None else Match(one, 0.0) for one in logits]
    order = fused_order(np.array(itc, np.float32), matches, ids, ParsedQuery("a cat")).tolist()
    assert sorted(order) == list(range(count))
    for place in range(count):  # without a match: where it was
        if place >= len(logits) or logits[place] is None:
            assert order[place] == place
    matched = [place for place in order if place < len(logits) and logits[place] is not None]
    fused = [round((float(np.float32(itc[place])) + logits[place]) * 1e5) for place in matched]
    assert all(a > b or (a == b and ids[x] < ids[y])
               for a, b, x, y in zip(fused, fused[1:], matched, matched[1:], strict=False))  # fmt: skip


def test_kept_features_give_the_very_answers_of_fresh_ones(tiny: Any, tmp_path: Path) -> None:
    """Whatever part of them is kept."""
    names = [f"scene{number:02d}.png" for number in range(6)]
    sources = [source(LAVIS / "images" / name) for name in names]
    fresh, _ = match(tiny, "a black house", sources)
    kept = FeatureStore(tmp_path / "features", tiny.model_id, None)
    match(tiny, "something else", [sources[1], sources[4]], kept)
    for _ in range(2):  # two of six are kept, then all
        assert match(tiny, "a black house", sources, kept)[0] == fresh


def test_kept_features_need_no_picture(tiny: Any, tmp_path: Path) -> None:
    picture = tmp_path / "picture.png"
    shutil.copy(LAVIS / "images" / "scene00.png", picture)
    kept = FeatureStore(tmp_path / "features", tiny.model_id, 10**7)
    one = source(picture)
    first, _ = match(tiny, "a cat", [one], kept)
    picture.unlink()
    assert match(tiny, "a cat", [one], kept) == (first, [])


class _Words:
    """A model whose answer is the number of pictures so far, to see what is asked of it."""

    device, image_size = "cpu", 64
    profile = RuntimeProfile("numpy", "cpu", "float32", image_gflop=0.1, pair_gflop=0.1, weight_bytes=1)

    def match_both(self, texts: Any, features: Any) -> Any:
        assert len(texts) == len(features)
        margin = {"a cat": 2.0, "a dog": -1.0, "a hat": 1.0, "a cat and a dog": 1.5, "a cat and a hat": -4.0}[texts[0]]
        return np.array([[0.5, 0.5 + margin]] * len(texts), np.float32)


class _Ready:
    def features(self, sources: Any) -> Any:
        return [np.zeros((2, 3), np.float32) for _ in sources], []


def test_what_is_not_wanted_counts_by_its_most_probable_text() -> None:
    matches, _, _ = match_candidates(_Words(), ParsedQuery("a cat", ("a dog", "a hat")), [None] * 3, _Ready())  # type: ignore
    sigmoid = 1 / (1 + np.exp(-np.array([2.0, 1.0, 1.5 - 2.0 + 2.0])))  # with the dog it matches nearly as well
    assert [m.logit for m in matches if m] == [2.5] * 3
    assert [m.probability for m in matches if m] == pytest.approx([sigmoid[0]] * 3)
    assert [m.unwanted for m in matches if m] == pytest.approx([sigmoid[2]] * 3)
    only_unwanted, _, _ = match_candidates(_Words(), ParsedQuery("", ("a hat",)), [None], _Ready())  # type: ignore
    assert only_unwanted[0] is not None
    assert (only_unwanted[0].probability, only_unwanted[0].unwanted) == pytest.approx((1.0, sigmoid[1]))


def test_what_is_not_wanted_is_read_alone_and_together_with_the_description() -> None:
    reading = ParsedQuery("a boat", ("at night", "two trees"))
    assert match_texts(reading) == ("a boat", "at night", "two trees", "a boat at night", "a boat and two trees")
    assert match_texts(ParsedQuery("", ("a hat",))) == ("a hat",)
    assert match_texts(ParsedQuery("a boat " * 12, ("at night",))) == ("a boat " * 12, "at night")


def test_with_something_unwanted_the_order_is_by_p_a_times_one_less_p_b() -> None:
    matches = [Match(9.0, 3.0, 0.9), Match(1.0, 0.0, 0.1), None, Match(2.0, 2.0, 0.1)]
    order = fused_order(np.array([4, 3, 2, 1], np.float32), matches, np.arange(4), ParsedQuery("a", ("b",)))
    assert order.tolist() == [3, 1, 2, 0]


def test_no_time_left_still_reads_the_first_few_and_says_that_it_stopped() -> None:
    matches, _, complete = match_candidates(_Words(), ParsedQuery("a cat"), [None] * 30, _Ready(), deadline=0.0)  # type: ignore
    assert not complete and 0 < len(matches) < 30


@pytest.mark.parametrize(
    ("shown", "read"),
    [
        ("..........", 4),
        ("b.........", 5),
        ("bb.b......", 7),
        ("bbbbbbbbbb", 8),
        ("....bbbbbb", 4),
        ("bbb", 3),
        ("b.", 2),
    ],
)
def test_for_each_that_shows_what_is_not_wanted_one_more_is_read(shown: str, read: int) -> None:
    """``shown``: by picture, b where it shows the unwanted; four are read, and those that stand in."""
    reached: list[Any] = []

    def matching(reading: ParsedQuery, sources: Any) -> Any:
        reached.extend(sources)
        return [Match(0.0, 0.0, 0.5 if one[0] == "b" else 0.4) for one in sources], [], True

    pictures: Any = [f"{mark}{place}" for place, mark in enumerate(shown)]
    found = match_and_replace(matching, ParsedQuery("a boat", ("a cat",)), pictures, 4)
    assert reached == pictures[:read]
    assert (len(found.matches), found.due, found.complete) == (read, read, True)


def test_nothing_stands_in_where_the_time_was_up() -> None:
    found = match_and_replace(lambda *_: ([Match(0.0, 0.0, 0.9)] * 2, [], False), ParsedQuery("a"), [None] * 9, 4)  # type: ignore
    assert (len(found.matches), found.due, found.complete) == (2, 6, False)
