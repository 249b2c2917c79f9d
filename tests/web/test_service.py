"""Searches for many at once: the same answers as one by one, limits, and a library that changes meanwhile."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from colour_shelf import NAMES, SURE, ColourModel, paint

from imgsearch.errors import ImgsearchError, MediaError, UsageError
from imgsearch.model import open_numpy
from imgsearch.records import Results
from imgsearch.scenes.dataset import make_set, write_set
from imgsearch.search.engine import Searcher
from imgsearch.search.features.stored import FeatureSource, ImageSource
from imgsearch.search.inference.batched import PIECE, BatchedInference, ImageCaches
from imgsearch.search.inference.direct import DirectInference
from imgsearch.search.query.description import Query
from imgsearch.search.query.parser import ParsedQuery
from imgsearch.storage import writing
from web.problems import Overloaded
from web.services.search_service import SearchService, ServiceLimits

PLAIN = ServiceLimits(batching=False)
TEXTS = ["red", "a green one", "blue", "grey -red", "red folder:c", "blue not red", "folder:a", "green year:2019"]


def key(results: Results) -> list[tuple[int, float, float | None, bool | None]]:
    return [
        (hit.image_id, round(hit.itc, 5), None if hit.itm_logit is None else round(hit.itm_logit, 4), hit.confident)
        for hit in results.hits
    ]


@pytest.fixture
def pair(make_shelf: Callable[..., Any]) -> Iterator[tuple[SearchService, SearchService]]:
    """A service that batches and one that does not, over the same library."""
    shelf = make_shelf(calibration=SURE)
    plain = SearchService(Searcher(shelf.store, ColourModel(), calibration=SURE), PLAIN)  # type: ignore[arg-type]
    yield shelf.service, plain
    plain.close()


def test_service_answers_many_at_once_as_the_searcher_does_one_by_one(pair: Any) -> None:
    batching, plain = pair
    queries = [Query(text, k=k, everything=k > 4, rerank=rerank) for text in TEXTS for k, rerank in ((3, 4), (12, 9))]
    with ThreadPoolExecutor(16) as pool:
        together = list(pool.map(batching.search, queries * 3))
    alone = [key(plain.search(query)) for query in queries]
    assert [key(found) for found in together] == alone * 3
    counts = {name: count for name, (_, count) in batching.counts().items()}
    assert counts["texts_batches"] <= counts["texts_jobs"]
    assert counts["searches_answered"] == len(together) and counts["searches_refused"] == 0


def test_service_pages_are_the_whole_cut_in_pieces(pair: Any) -> None:
    batching, plain = pair
    whole = key(plain.search(Query("red or blue", k=12, everything=True)))
    cursor, pages = None, []
    while True:
        page = batching.search(Query("red or blue", k=5, everything=True, cursor=cursor))
        pages += key(page)
        cursor = page.next_cursor
        if cursor is None:
            break
    assert pages == whole


def test_stream_gives_the_vectors_order_then_the_answer(pair: Any) -> None:
    batching, plain = pair
    first, last = batching.stream(Query("red", k=5))
    assert first.reranked == 0 and last.reranked > 0
    assert key(last) == key(plain.search(Query("red", k=5)))


def test_a_picture_finds_what_is_like_it(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf()
    service, photo = shelf.service, (shelf.photos / "a/green one.gif").read_bytes()
    tokens = service.tokens_of(photo)
    assert tokens.shape == (2, 4) and np.allclose(np.linalg.norm(tokens, axis=1), 1)
    found = service.search(Query("", k=2), tokens)
    assert {hit.path.name for hit in found.hits} == {"green one.gif", "green two.bmp"}
    filtered = service.search(Query("folder:c", k=2), tokens)
    assert all("/c/" in str(hit.path) for hit in filtered.hits)
    told = service.search(Query("red", k=12), tokens)
    assert told.reranked > 0
    after = service.search(Query("", k=2, cursor=found.next_cursor), tokens)
    assert not {hit.image_id for hit in after.hits} & {hit.image_id for hit in found.hits}
    with pytest.raises(UsageError, match="another query"):
        service.search(Query("", k=2, cursor=found.next_cursor), -tokens)
    with pytest.raises(UsageError, match="comes with another"):
        service.search(Query("similar:1", k=2), tokens)
    with pytest.raises(MediaError):
        service.tokens_of(b"not a picture")


@pytest.mark.parametrize("named", ["similar:/etc/passwd", "like:x.png red", "similar:~root", "similar:" + "9" * 19])
def test_paths_are_refused(shelf: Any, named: str) -> None:
    with pytest.raises(UsageError, match="not a path"):
        shelf.service.search(Query(named))
    with pytest.raises(UsageError, match="not a path"):
        shelf.service.stream(Query(named))


def test_a_query_over_the_limit_is_refused(shelf: Any) -> None:
    with pytest.raises(UsageError, match="1,001 characters"):
        shelf.service.search(Query("x" * 1001))


class Held(ColourModel):
    """Embeds nothing before it is let go."""

    def __init__(self) -> None:
        self.go, self.entered, self.embedded = threading.Event(), threading.Event(), 0

    def embed_texts(self, texts: Sequence[str], max_tokens: int = 32) -> np.ndarray:
        self.entered.set()
        assert self.go.wait(20)
        self.embedded += len(texts)
        return super().embed_texts(texts)


def held(shelf: Any, limits: ServiceLimits) -> tuple[SearchService, Held]:
    model = Held()
    return SearchService(Searcher(shelf.store, model), limits), model  # type: ignore[arg-type]


@pytest.mark.parametrize("batching", [True, False])
def test_identical_queries_in_flight_are_answered_once(make_shelf: Callable[..., Any], batching: bool) -> None:
    service, model = held(make_shelf(), ServiceLimits(batching=batching))
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(service.search, Query("red", k=3)) for _ in range(8)]
        other = pool.submit(service.search, Query("blue", k=3)) if batching else None
        while service.counts()["searches_shared"][1] < 7 and not any(future.done() for future in futures):
            threading.Event().wait(0.01)
        model.go.set()
        answers = [key(future.result(20)) for future in futures]
    assert answers == [answers[0]] * 8 and model.embedded == 1 + (other is not None)
    service.close()


def test_equal_queries_are_searched_each_without_coalescing(make_shelf: Callable[..., Any]) -> None:
    service, model = held(make_shelf(), ServiceLimits(coalesce=False, batching=False))
    model.go.set()
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(service.search, [Query("red", k=3)] * 8))
    assert model.embedded == 8 and service.counts()["searches_shared"][1] == 0
    service.close()


def test_an_error_of_a_shared_query_reaches_everybody_and_is_forgotten(make_shelf: Callable[..., Any]) -> None:
    service, model = held(make_shelf(), ServiceLimits())
    failing = [True]

    def embed(texts: Sequence[str], max_tokens: int = 32) -> np.ndarray:
        if failing:
            raise ImgsearchError("broken", "mend it")
        return ColourModel.embed_texts(model, texts)

    model.embed_texts = embed  # type: ignore[method-assign]
    with ThreadPoolExecutor(4) as pool:
        for future in [pool.submit(service.search, Query("red")) for _ in range(4)]:
            assert isinstance(future.exception(20), ImgsearchError)
    failing.clear()
    assert service.search(Query("red")).hits
    service.close()


def test_more_searches_than_the_limit_are_refused_and_the_place_comes_back(make_shelf: Callable[..., Any]) -> None:
    service, model = held(make_shelf(), ServiceLimits(searches=3))
    with ThreadPoolExecutor(3) as pool:
        running = [pool.submit(service.search, Query(text)) for text in ("red", "blue", "green")]
        while service.gauges()["searches_in_flight"][1] < 3:
            threading.Event().wait(0.01)
        with pytest.raises(Overloaded) as raised:
            service.search(Query("grey"))
        assert raised.value.retry_after_s and raised.value.retry_after_s >= 1
        with pytest.raises(Overloaded):
            service.tokens_of(b"")
        model.go.set()
        assert all(future.result(20).hits for future in running)
    assert service.search(Query("grey")).hits
    assert service.counts()["searches_refused"][1] == 2
    service.close()


def test_new_pictures_appear_and_old_ones_go_while_many_search(make_shelf: Callable[..., Any]) -> None:
    shelf = make_shelf()
    service, stop = shelf.service, threading.Event()
    errors: list[BaseException] = []

    def search() -> None:
        while not stop.is_set():
            try:
                results = service.search(Query("red", k=50, everything=True))
                ids = [hit.image_id for hit in results.hits]
                assert len(ids) == len(set(ids)) >= 11
            except BaseException as error:  # noqa: BLE001
                errors.append(error)
                return

    threads = [threading.Thread(target=search) for _ in range(6)]
    for thread in threads:
        thread.start()
    for number in range(8):
        name = f"new/red {number}.png"
        paint(shelf.photos / name, 20 + number)
        shelf.add([name])
        assert name.rpartition("/")[2] in {hit.path.name for hit in service.search(Query("red", k=50)).hits}
        with writing(shelf.store, wait_s=5.0) as writer, writer.transaction() as transaction:
            transaction.remove_files(writer.add_root(shelf.photos).root_id, [NAMES[number % 2] if number < 2 else name])
            transaction.commit()
    stop.set()
    for thread in threads:
        thread.join(20)
    assert errors == [], errors


def test_explain_says_why_and_where(shelf: Any) -> None:
    found = shelf.service.explain("the red folder:a", shelf.id_of("a/red one.png"))
    assert 0.8 < found["itc"] <= 1.001
    assert found["itm_probability"] == pytest.approx(
        1 / (1 + np.exp(-20 * (found["itc"] - 0.9))), abs=0.02
    )  # from int8 features
    assert [word["word"] for word in found["words"]] == ["red"]
    assert np.shape(found["words"][0]["grid"]) == (2, 2)
    with pytest.raises(UsageError, match="no picture"):
        shelf.service.explain("red", 999)
    with pytest.raises(UsageError):
        shelf.service.explain("folder:a", 1)


def test_memories_keep_to_their_budget_and_drop_the_oldest() -> None:
    class Memory:
        size_bytes = 10

    memories = ImageCaches(30)
    kept = {name: Memory() for name in "abcd"}
    for name in "abc":
        memories.put(name, kept[name])
    assert memories.get("a") is kept["a"]
    memories.put("d", kept["d"])
    assert memories.get("b") is None and memories.get("a") is kept["a"] and memories.size_bytes == 30
    memories.put("d", Memory())
    assert memories.size_bytes == 30
    large = Memory()
    large.size_bytes = 31
    memories.put("e", large)
    assert memories.get("e") is None and memories.get("d") is not None


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, list[ImageSource]]:
    """The small model, and sources of drawn pictures."""
    from imgsearch.media.decode import decode_file

    folder = tmp_path_factory.mktemp("scenes")
    write_set(make_set(20, 5), folder)
    model = open_numpy("mini", "cpu")
    paths = sorted((folder / "images").iterdir())
    return model, [ImageSource([path], decode_file(path, model.image_size).facts.content_hash) for path in paths]


def test_reader_matches_as_the_plain_one_does_with_the_small_model(scenes: Any, tmp_path: Path) -> None:
    model, sources = scenes
    plain, batching = DirectInference(model, None), BatchedInference(model, None, workers=2)
    lost = ImageSource([tmp_path / "gone.png"], "00" * 32)
    asked = [
        (ParsedQuery("a red boat left of a tree"), sources[:16]),
        (ParsedQuery("two blue cats", ("snow",)), [lost, *sources[3:20]]),
        (ParsedQuery("", ("a yellow house", "night")), sources[5:9]),
        (ParsedQuery("a very long description of everything " * 9), sources[:1]),
        (ParsedQuery("nothing"), []),
    ]
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda pair: batching.match(*pair, None), asked * 4))
    expected = [plain.match(*pair, None) for pair in asked]
    for place, (matches, notes, complete) in enumerate(answers):
        wanted, wanted_notes, _ = expected[place % len(asked)]
        assert complete and notes == wanted_notes and len(matches) == len(wanted)
        for mine, theirs in zip(matches, wanted, strict=True):
            assert (mine is None) == (theirs is None)
            if mine is not None and theirs is not None:
                assert mine.logit == pytest.approx(theirs.logit, abs=1e-4)
                assert mine.unwanted == pytest.approx(theirs.unwanted, abs=1e-4)
                assert mine.margin == theirs.margin or mine.margin == pytest.approx(theirs.margin, abs=2e-4)
    text = "a green fish"
    assert np.allclose(batching.embed_text(text), plain.embed_text(text), atol=1e-5)
    assert np.array_equal(batching.features(sources[0]), plain.features(sources[0]))
    with pytest.raises(MediaError):
        batching.features(lost)
    batching.close()


def test_an_answer_does_not_depend_on_what_else_waits(scenes: Any) -> None:
    model, sources = scenes
    reader = BatchedInference(model, None, workers=2)
    reading = ParsedQuery("three purple lamps")
    alone = reader.match(reading, sources[:16], None)[0]
    others = [(ParsedQuery(f"{count} red houses"), sources[count : count + 9]) for count in range(11)]
    with ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda pair: reader.match(*pair, None), [(reading, sources[:16]), *others]))
    assert found[0][0] == alone
    reader.close()


def test_a_deadline_leaves_at_least_the_first_piece(scenes: Any) -> None:
    model, sources = scenes
    reader = BatchedInference(model, None, workers=1)
    matches, _, complete = reader.match(ParsedQuery("a boat"), sources[:20], 0.0)
    assert not complete and len(matches) == PIECE < 20
    assert all(match is not None for match in matches)
    reader.close()


def test_features_of_a_source_are_read_once(scenes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, sources = scenes
    reader, read = BatchedInference(model, None, workers=1), []
    features = FeatureSource.features
    monkeypatch.setattr(FeatureSource, "features", lambda self, asked: read.append(asked) or features(self, asked))
    for text in ("a boat", "a tree"):
        reader.match(ParsedQuery(text), sources[:5], None)
    assert len(read) == 5
    reader.close()
