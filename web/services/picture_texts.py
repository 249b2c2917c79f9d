"""What is written about the library's pictures: the captions that it keeps, new ones, and answers to questions."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from PIL import Image

from imgsearch.errors import LibraryError, MediaError
from imgsearch.generation.checked import CaptionSettings, CheckedCaption, checked_captions, picture_seed
from imgsearch.media.decode import decode_file
from imgsearch.media.decoded import DecodedImage
from imgsearch.search.features.stored import ImageSource
from imgsearch.search.rerank import MatchPrompt
from imgsearch.storage import StoredCaption, writing
from imgsearch.storage.reads.captions import read_captions
from web.problems import Gone
from web.services.generation import GenerationService, Hearing, Wish

if TYPE_CHECKING:
    from imgsearch.generation.contract import Answer, Captions, Generator, Watch
    from imgsearch.search.engine import Searcher

_LOG = logging.getLogger("imgsearch.web")

MAX_QUESTION_CHARS = 500
MAX_TURNS = 8
"""Questions and answers before the one that is asked: more would leave a small language model no room."""

ANSWER_TOKENS = 30
_KEPT = 1000  # captions in memory, of libraries that cannot be written to now


@dataclass(frozen=True, slots=True)
class Turn:
    """A question that was asked before, and what was answered."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Said:
    """An answer; ``statement`` is question and answer as one sentence, and ``probability`` that it fits the picture by
    ITM; None where there is no such sentence."""

    question: str
    answer: str
    statement: str | None
    probability: float | None
    generator: str


class PictureTexts:
    """See the module. Safe between threads. Whoever makes it closes ``generation``."""

    def __init__(self, searcher: Searcher, generation: GenerationService) -> None:
        self._searcher, self.generation = searcher, generation
        self._lock = threading.Lock()
        self._unsaved: OrderedDict[int, StoredCaption] = OrderedDict()

    def stored(self, image_id: int) -> StoredCaption | None:
        """The caption that there is already."""
        found = read_captions(self._searcher.store, [image_id]).get(image_id)
        with self._lock:
            return found or self._unsaved.get(image_id)

    def caption(self, image_id: int, source: ImageSource, gone: Callable[[], bool]) -> StoredCaption | None:
        """Write a caption now, checked by ITM, and keep it; None where the client went away meanwhile. Raises as
        `GenerationService.write` and its answer do."""
        hearing = self.generation.write(Wish(self._caption, _reader(source), source), gone)
        try:
            for name, value in hearing:
                if name == "done":
                    return self._kept(image_id, *value)
        finally:
            hearing.drop()
        return None

    def ask(self, source: ImageSource, question: str, turns: Sequence[Turn], gone: Callable[[], bool]) -> Hearing:
        """Queue a question about a picture; ("done", the text) is for `said`. Raises as `GenerationService.write`."""
        return self.generation.write(Wish(_answer, _reader(source), (question, tuple(turns))), gone)

    def said(self, source: ImageSource, question: str, answer: str) -> Said:
        """The answer with its statement's probability."""
        statement = statement_of(question, answer)
        probability = None
        if statement:
            ((match,), _, _) = self._searcher.reader.match(MatchPrompt(statement), [source], None)
            probability = None if match is None else match.probability
        return Said(question, answer, statement, probability, self.generation.name)

    def _caption(
        self, generator: Generator, images: Sequence[Image.Image], sources: Sequence[ImageSource], watch: Watch
    ) -> list[tuple[CheckedCaption, Generator, CaptionSettings]]:
        settings = CaptionSettings()
        seeds = [picture_seed(source.content_hash, settings.seed) for source in sources]
        features = [self._searcher.reader.features(source) for source in sources]
        listened: Any = _Listened(generator, watch)
        model: Any = self._searcher.model
        found = checked_captions(listened, model, images, settings, seeds=seeds, features=features)
        return [(caption, generator, settings) for caption in found]

    def _kept(
        self, image_id: int, found: CheckedCaption, generator: Generator, settings: CaptionSettings
    ) -> StoredCaption:
        made = StoredCaption(
            image_id,
            found.text,
            found.probability,
            found.sure,
            generator.name,
            generator.fingerprint,
            str(getattr(generator, "dtype", "")),
            settings.prompt,
            settings.as_json(),
        )
        try:
            with writing(self._searcher.store) as writer:
                writer.write_captions([made])
        except LibraryError as error:  # somebody indexes, or the disk is full: the caption is as good
            _LOG.info("the caption of picture %s is not stored: %s", image_id, error.message)
            with self._lock:
                self._unsaved[image_id] = replace(made, made_at=datetime.now(UTC).isoformat(timespec="seconds"))
                while len(self._unsaved) > _KEPT:
                    self._unsaved.popitem(last=False)
        else:
            with self._lock:
                self._unsaved.pop(image_id, None)
        return self.stored(image_id) or made


class _Listened:
    """A generator whose captions are listened to."""

    def __init__(self, generator: Generator, watch: Watch) -> None:
        self._generator, self._watch = generator, watch

    def caption(self, *arguments: Any, **settings: Any) -> list[Captions]:
        return self._generator.caption(*arguments, **settings, watch=self._watch)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)


def _answer(
    generator: Generator,
    images: Sequence[Image.Image],
    asked: Sequence[tuple[str, tuple[Turn, ...]]],
    watch: Watch,
) -> list[str]:
    """Greedy, so that what was streamed stays."""
    prompts = [prompt_of(generator, question, turns) for question, turns in asked]
    answers: list[Answer] = generator.answer(
        images, prompts, "{}", num_beams=1, max_new_tokens=ANSWER_TOKENS, length_penalty=0.0, watch=watch
    )
    return [answer.text for answer in answers]


def prompt_of(generator: Any, question: str, turns: Sequence[Turn]) -> str:
    """As BLIP-2's authors ask each language model, the turns before in the same words."""
    before = "".join(f"Question: {turn.question} Answer: {turn.answer}. " for turn in turns)
    return f"{before}Question: {question} Answer:"


def statement_of(question: str, answer: str) -> str | None:
    """Question and answer as one sentence; None where that is not defined."""
    return None


def _reader(source: ImageSource) -> Callable[[int], Image.Image]:
    """The picture from the first file that still holds it, as indexing decodes it."""

    def read(size: int) -> Image.Image:
        reason = "no file holds it any more"
        for path in source.paths:
            try:
                decoded = decode_file(path, size, told=source.told)
            except MediaError as error:
                reason = error.message
                continue
            assert isinstance(decoded, DecodedImage)  # no known hashes were given
            if decoded.facts.content_hash == source.content_hash:
                return Image.fromarray(decoded.pixels)
            reason = f"{path.name} has changed since it was indexed"
        raise Gone(f"the picture cannot be read: {reason}", "`imgsearch index` brings the library up to date")

    return read


def events_of(hearing: Hearing, said: Callable[[str], dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    """(name, data) of a stream: ``waiting`` with a sentence, ``token`` with what came last and the text so far, and
    ``answer`` with what ``said`` makes of the text; "" now and then."""
    before, quiet = "", 0
    for name, value in hearing:
        quiet = 0 if name else quiet + 1
        if name == "state":
            yield "waiting", {"reason": value}
        elif name == "text" and value != before:
            yield "token", {"token": value.removeprefix(before), "text": value}
            before = value
        elif name == "done":
            yield "answer", said(value)
        elif quiet == 25:  # 5 s
            quiet = 0
            yield "", "still here"
