"""Searches with filters, exclusions, pictures to compare with, pages, a time budget and an end."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from imgsearch.errors import UsageError
from imgsearch.media.decode import decode_file
from imgsearch.records import Hit, Results
from imgsearch.search.calibration import Calibration, ScoreBackground
from imgsearch.search.engine import Searcher
from imgsearch.search.query.description import Query
from imgsearch.storage import FeatureStore, open_store

TEXT = "a blue house to the left of a white boat at sunset"


@pytest.fixture
def searcher(library: Any) -> Any:
    library.add(library.names())
    with Searcher(open_store(library.folder / "library"), library.model) as opened:
        yield opened


def names_of(results: Results) -> list[str]:
    return [hit.path.name for hit in results.hits]


def plain(hits: tuple[Hit, ...]) -> list[tuple[Any, ...]]:
    return [(hit.rank, hit.image_id, hit.itc, hit.itm_logit, hit.confident) for hit in hits]


def tokens_of(library: Any, name: str) -> np.ndarray:
    decoded = decode_file(library.photos / name, library.model.image_size)
    return np.asarray(library.model.embed_images(library.model.preprocess_arrays(decoded.pixels[None])))[0]


@pytest.mark.parametrize("rerank", [0, 4, 12])
@pytest.mark.parametrize("size", [1, 5, 12])
def test_page_after_page_is_the_whole(searcher: Searcher, rerank: int, size: int) -> None:
    whole = searcher.search(Query(TEXT, k=50, rerank=rerank))
    assert len(whole.hits) == 12 and whole.next_cursor is None
    hits: list[Hit] = []
    cursor = None
    for _ in range(20):
        page = searcher.search(Query(TEXT, k=size, rerank=rerank, cursor=cursor))
        hits += page.hits
        cursor = page.next_cursor
        if cursor is None:
            break
    assert plain(tuple(hits)) == plain(whole.hits)


def test_cursor_of_another_query_or_of_nobody_is_refused(searcher: Searcher) -> None:
    cursor = searcher.search(Query(TEXT, k=2)).next_cursor
    assert cursor
    for wrong in (Query("a cat", cursor=cursor), Query(TEXT, cursor=cursor, everything=True)):
        with pytest.raises(UsageError, match="another query"):
            searcher.search(wrong)
    for nonsense in ("", "x", "é", "bm9wZQ", cursor[:-3], "WzEsMl0"):
        with pytest.raises(UsageError, match="no answer gave"):
            searcher.search(Query(TEXT, cursor=nonsense))


def test_cursor_says_when_the_library_has_changed_since(searcher: Searcher, library: Any) -> None:
    first = searcher.search(Query(TEXT, k=3))
    library.remove(["scene03.png"])
    second = searcher.search(Query(TEXT, k=3, cursor=first.next_cursor))
    assert any("changed since" in note for note in second.notes)


def test_filters_work_inside_the_search(searcher: Searcher) -> None:
    """As many come as there are, in the order of the search without a filter, and never another."""
    order = names_of(searcher.search(Query(TEXT, k=50, rerank=0)))
    allowed = [name for name in order if name in ("scene00.png", "scene05.png", "scene11.png")]
    text = f"{TEXT} name:scene00 name:scene05 name:scene11"
    assert names_of(searcher.search(Query(text, k=50, rerank=0))) == allowed
    assert names_of(searcher.search(Query(text, k=2, rerank=0))) == allowed[:2]
    without = names_of(searcher.search(Query(f"{TEXT} -name:scene0*", k=50, rerank=12)))
    assert sorted(without) == ["scene10.png", "scene11.png"]
    nothing = searcher.search(Query(f"{TEXT} type:gif"))
    assert nothing.hits == () and nothing.notes == ("no picture fits the filters",)


def test_filters_alone_list_pictures_the_newest_first(searcher: Searcher) -> None:
    found = searcher.search(Query("name:scene0", k=50))
    assert [hit.image_id for hit in found.hits] == list(range(10, 0, -1))
    assert found.reranked == 0


def test_what_is_unwanted_sinks(searcher: Searcher, library: Any) -> None:
    results = searcher.search(Query(f'{TEXT} -cat not "two trees"', k=12, rerank=12))
    model = library.model
    scores = {}
    for name in library.names():
        decoded = decode_file(library.photos / name, model.image_size)
        features = model.encode_images(model.preprocess_arrays(decoded.pixels[None]))
        scales = features.abs().amax(dim=-1, keepdim=True) / 127
        restored = (features / scales).round() * scales
        unwanted = ("cat", "two trees")
        texts = (TEXT, *unwanted, *(f"{TEXT} and {text}" for text in unwanted))
        wanted, *alone_and_added = (float(model.match_probabilities([text], restored)[0]) for text in texts)
        odds = [one / (1 - one) * (1 - wanted) / wanted * np.exp(2) for one in alone_and_added[2:]]
        scores[name] = wanted * (1 - max(*alone_and_added[:2], *(one / (1 + one) for one in odds)))
    assert names_of(results) == sorted(scores, key=lambda name: -scores[name])


def test_similar_orders_by_tokens_compared_one_with_one(searcher: Searcher, library: Any) -> None:
    tokens = {name: tokens_of(library, name) for name in library.names()}
    scores = {name: float((tokens["scene04.png"] * other).sum(axis=1).mean()) for name, other in tokens.items()}
    order = sorted(scores, key=lambda name: -scores[name])
    by_file = searcher.search(Query(f"similar:{library.photos / 'scene04.png'}", k=50))
    assert names_of(by_file) == order and order[0] == "scene04.png"
    np.testing.assert_allclose([hit.itc for hit in by_file.hits], [scores[name] for name in order], atol=1e-3)
    by_id = searcher.search(Query(f"similar:{by_file.hits[0].image_id}", k=50))
    assert names_of(by_id) == order[1:]
    filtered = searcher.search(Query(f"similar:{by_file.hits[0].image_id} -name:scene0*", k=50))
    assert names_of(filtered) == [name for name in order if name in ("scene10.png", "scene11.png")]


def test_like_adds_the_words_to_the_picture(searcher: Searcher, library: Any) -> None:
    text = np.asarray(library.model.embed_texts(["at night"]))[0]
    base = tokens_of(library, "scene04.png")
    scores = {}
    for name in library.names():
        tokens = tokens_of(library, name)
        scores[name] = float((base * tokens).sum(axis=1).mean() + (tokens @ text).max())
    found = searcher.search(Query(f"like:{library.photos / 'scene04.png'} at night", k=50, rerank=0))
    assert names_of(found) == sorted(scores, key=lambda name: -scores[name])


@pytest.mark.parametrize("text", ["similar:99999", "similar:/no/such/file.jpg", "like:/etc/hostname cats"])
def test_a_picture_that_is_not_there_is_named(searcher: Searcher, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        searcher.search(Query(text))
    assert caught.value.hint


def test_time_that_is_up_is_said(searcher: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgsearch.model.runtime_profile._CHEAP_PAIR_STEP", 4)
    cut = searcher.search(Query(TEXT, k=12, rerank=12, budget_ms=0))
    assert not cut.complete and 0 < cut.reranked < 12 and len(cut.hits) == 12
    assert any(f"after {cut.reranked} of 12" in note for note in cut.notes)
    assert searcher.search(Query(TEXT, k=12, rerank=12, budget_ms=1e9)).complete


def test_stream_gives_the_vectors_order_and_then_the_answer(searcher: Searcher) -> None:
    first, last = searcher.stream(Query(TEXT, k=12, rerank=6))
    assert names_of(first) == names_of(searcher.search(Query(TEXT, k=12, rerank=0)))
    assert first.reranked == 0 and last.reranked == 6
    assert plain(last.hits) == plain(searcher.search(Query(TEXT, k=12, rerank=6)).hits)
    assert len(list(searcher.stream(Query(TEXT, rerank=0)))) == 1


def test_answers_do_not_depend_on_what_was_kept(searcher: Searcher, library: Any) -> None:
    fresh = searcher.search(Query(TEXT, k=12, rerank=12))
    store = open_store(library.folder / "library")
    kept = FeatureStore(store.layout.features, store.model, None)
    with Searcher(store, library.model, features=kept) as other:
        other.search(Query("a cat", k=3, rerank=5))
        for _ in range(2):
            assert plain(other.search(Query(TEXT, k=12, rerank=12)).hits) == plain(fresh.hits)


def calibrated(library: Any, margin: float) -> Searcher:
    rule = Calibration(1.0, 0.0, 0.0, -margin, least_z=0.8)
    return Searcher(open_store(library.folder / "library"), library.model, calibration=rule)


@pytest.mark.parametrize("rerank", [5, 12])
def test_list_ends_where_the_matches_end_and_all_goes_on(searcher: Searcher, library: Any, rerank: int) -> None:
    whole = searcher.search(Query(TEXT, k=12, rerank=rerank))
    margins = sorted(np.log(h.itm_probability / (1 - h.itm_probability)) for h in whole.hits if h.itm_probability)
    middle = float(np.median(margins)) if margins else 0.0
    with calibrated(library, middle) as ends:
        everything = ends.search(Query(TEXT, k=50, rerank=rerank, everything=True))
        matches = ends.search(Query(TEXT, k=50, rerank=rerank))
        assert len(everything.hits) == 12
        assert 0 < len(matches.hits) < 12
        assert all(hit.confident for hit in matches.hits) and matches.next_cursor is None
        assert plain(everything.hits[: len(matches.hits)]) == plain(matches.hits)
        assert not any(hit.confident for hit in everything.hits[len(matches.hits) :])
        for k in (1, 2, 3, 5, 9):
            for every, full in ((True, everything), (False, matches)):
                part = ends.search(Query(TEXT, k=k, rerank=rerank, everything=every))
                assert plain(part.hits) == plain(full.hits[:k])


def test_nothing_that_matches_is_said(searcher: Searcher, library: Any) -> None:
    with Searcher(
        open_store(library.folder / "library"), library.model, calibration=Calibration(1.0, 0.0, 0.0, -1e6, 1e6)
    ) as ends:
        results = ends.search(Query(TEXT))
        assert results.hits == () and any("--all" in note for note in results.notes)
        assert len(ends.search(Query(TEXT, k=5, everything=True)).hits) == 5


def test_no_list_ends_by_vectors_alone(searcher: Searcher, library: Any) -> None:
    with calibrated(library, 1e6) as ends:
        found = ends.search(Query(TEXT, k=50, rerank=0))
        assert len(found.hits) == 12 and {hit.confident for hit in found.hits} == {None}
        first, last = ends.stream(Query(TEXT, k=50, rerank=5))
        assert plain(first.hits) == plain(found.hits)
        assert len(last.hits) < 12


def test_rule_that_reads_parts_judges_by_its_evidence_and_keeps_the_order(searcher: Searcher, library: Any) -> None:
    evidence = {one.image_id: one for one in searcher.evidence(TEXT, 8)}
    assert len(evidence) == 8 and len({one.agreement.held for one in evidence.values()}) == 1
    weights = {"clause_weight": 1.0, "weakest_weight": 0.1, "held_weight": 1.0, "word_weight": 1.0}
    strengths = {key: Calibration(0, 0, 0, 0, 1e6, **weights).judge(one) for key, one in evidence.items()}
    bias = -float(np.median(list(strengths.values())))
    rule = Calibration(0.0, 0.0, 0.0, bias, 1e6, **weights)
    with Searcher(open_store(library.folder / "library"), library.model, calibration=rule) as ends:
        whole = ends.search(Query(TEXT, k=50, rerank=8))
        assert {hit.image_id for hit in whole.hits} == {key for key, one in strengths.items() if one + bias >= 0}
        plain_order = [hit.image_id for hit in searcher.search(Query(TEXT, k=50, rerank=8)).hits]
        order = [hit.image_id for hit in whole.hits]
        assert order == sorted(order, key=plain_order.index) and 0 < len(order) < 8
        assert plain(ends.search(Query(TEXT, k=2, rerank=8)).hits) == plain(whole.hits[:2])


@pytest.mark.parametrize("named", ["similar", "like"])
def test_likeness_is_not_judged(searcher: Searcher, library: Any, named: str) -> None:
    assert searcher.search(Query("similar:1")).hits[0].confident is None
    with calibrated(library, 1e6) as ends:
        found = ends.search(Query(f"{named}:{library.photos / 'scene04.png'} at night", k=50))
        assert len(found.hits) == 12 and {hit.confident for hit in found.hits} == {None}


def test_background_is_the_mean_of_the_maxima() -> None:
    rng = np.random.default_rng(0)
    sample, vector = rng.normal(size=(40, 3, 8)).astype(np.float32), rng.normal(size=(1, 8)).astype(np.float32)
    scores = [max(float(token @ vector[0]) for token in tokens) for tokens in sample]
    background = ScoreBackground.of(sample, vector)
    assert background.z(float(np.mean(scores) + 2 * np.std(scores))) == pytest.approx(2, abs=1e-4)


def test_calibration_comes_back_from_json_and_refuses_other_things() -> None:
    rule = Calibration(1.5, 0.5, 0.25, -2.0, 3.0, "500 scenes")
    assert Calibration.from_json(rule.as_json()) == rule
    for wrong in ("", "[]", "{}", '{"margin_weight": NaN, "itc_weight": 0, "z_weight": 0, "bias": 0, "least_z": 0}'):
        with pytest.raises(UsageError, match="not a calibration"):
            Calibration.from_json(wrong)


def test_several_images_are_compared_by_their_mean_less_a_share_of_the_others(searcher: Searcher) -> None:
    wanted, unwanted = (1, 2), (5,)
    everything = searcher.search(Query("width:>0", k=50)).hits
    tokens = {hit.image_id: searcher.tokens_of(hit.image_id) for hit in everything}

    def mean_to(image_id: int, others: tuple[int, ...]) -> float:
        return float(
            np.mean([np.mean([a @ b for a, b in zip(tokens[image_id], tokens[one], strict=True)]) for one in others])
        )

    expected = {one: mean_to(one, wanted) - 0.25 * mean_to(one, unwanted) for one in tokens if one not in (1, 2, 5)}
    found = searcher.search(Query("similar:1 similar:2 -similar:5", k=50)).hits
    assert [hit.image_id for hit in found] == sorted(expected, key=lambda one: (-expected[one], one))
    assert [hit.itc for hit in found] == pytest.approx([expected[hit.image_id] for hit in found], abs=1e-5)
    (like,) = searcher.search(Query("like:1 -similar:5 a boat", k=1)).hits
    assert like.image_id not in (1, 5)
