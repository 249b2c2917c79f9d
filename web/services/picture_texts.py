"""Texts about the library's images: the captions that it keeps, new ones, and answers to questions."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from PIL import Image

from imgsearch.captions.asking import Answered, checked_answer
from imgsearch.captions.judging import CalibratedJudge
from imgsearch.errors import LibraryError, MediaError
from imgsearch.generation.checked import CaptionSettings, CheckedCaption, checked_captions, image_seed
from imgsearch.generation.questions import (
    ANSWER_TOKENS,
    answer_length_penalty,
    dialogue_prompt,
    question_form,
    statement_of,
)
from imgsearch.media.decode import decode_file
from imgsearch.media.decoded import DecodedImage
from imgsearch.search.features.stored import ImageSource
from imgsearch.storage import StoredCaption, writing
from imgsearch.storage.reads.captions import read_captions
from web.problems import Gone
from web.services.generation import GenerationService, Hearing, Wish

if TYPE_CHECKING:
    from imgsearch.generation.contract import Captions, Generator, Watch
    from imgsearch.search.engine import Searcher

_LOG = logging.getLogger("imgsearch.web")

MAX_QUESTION_CHARS = 500
MAX_TURNS = 8
"""Earlier questions and answers that are passed on; more would leave a small language model no room."""

MAX_BEAMS = 8
_QUIET = 25  # polls after which a stream says that it is still there
_KEPT = 1000  # captions in memory, for libraries that cannot be written now


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question and its answer."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class ImageQuestion:
    """A question about an image, and the earlier ones. One beam is greedy, so that streamed text stays."""

    question: str
    turns: tuple[Turn, ...] = ()
    num_beams: int = 1

    @property
    def before(self) -> list[tuple[str, str]]:
        """Question and answer of each turn."""
        return [(turn.question, turn.answer) for turn in self.turns]


class PictureTexts:
    """See the module. Safe between threads. Whoever makes it closes ``generation``."""

    def __init__(self, searcher: Callable[[], Searcher], generation: GenerationService) -> None:
        self._now, self.generation = searcher, generation
        self._lock = threading.Lock()
        self._unsaved: OrderedDict[int, StoredCaption] = OrderedDict()
        self._judging: tuple[Searcher, CalibratedJudge | None] | None = None

    @property
    def _searcher(self) -> Searcher:
        """What searches now: another one after a switch."""
        return self._now()

    @property
    def _judge(self) -> CalibratedJudge | None:
        searcher, known = self._searcher, self._judging
        if known is None or known[0] is not searcher:
            rule = searcher.calibration
            judge = None if rule is None else CalibratedJudge(searcher.store, searcher.model, rule)
            known = self._judging = searcher, judge
        return known[1]

    def stored(self, image_id: int) -> StoredCaption | None:
        """The existing caption."""
        found = read_captions(self._searcher.store, [image_id]).get(image_id)
        with self._lock:
            return found or self._unsaved.get(image_id)

    def caption(self, image_id: int, source: ImageSource, gone: Callable[[], bool]) -> StoredCaption | None:
        """Write a caption now, checked by ITM, and keep it; None if the client has gone. Raises like
        `GenerationService.write` and its result."""
        hearing = self.generation.write(Wish(self._caption, _reader(source), source), gone)
        try:
            for name, value in hearing:
                if name == "done":
                    return self._kept(image_id, *value)
        finally:
            hearing.drop()
        return None

    def ask(self, source: ImageSource, asked: ImageQuestion, gone: Callable[[], bool]) -> Hearing:
        """Queue a question about an image; ("done", the text) is for `said`. Raises like `GenerationService.write`."""
        return self.generation.write(Wish(_Answering(asked.num_beams), _reader(source), asked), gone)

    def said(self, source: ImageSource, question: str, answer: str) -> Answered:
        """The answer with its statement, and the probability of that by ITM."""
        if statement_of(question, answer) is None:
            return Answered(question, answer)
        model: Any = self._searcher.model
        return checked_answer(model, question, answer, self._searcher.backend.features(source))

    def _caption(
        self, generator: Generator, images: Sequence[Image.Image], sources: Sequence[ImageSource], watch: Watch
    ) -> list[tuple[CheckedCaption, Generator, CaptionSettings]]:
        settings = CaptionSettings()
        seeds = [image_seed(source.content_hash, settings.seed) for source in sources]
        features = [self._searcher.backend.features(source) for source in sources]
        listened: Any = _Listened(generator, watch)
        model: Any = self._searcher.model
        found = checked_captions(listened, model, images, settings, seeds=seeds, features=features, judge=self._judge)
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
            self.generation.dtype,
            settings.prompt,
            settings.as_json(self._searcher.store.model.fingerprint),
        )
        try:
            with writing(self._searcher.store) as writer:
                writer.write_captions([made])
        except LibraryError as error:  # an index run writes, or the disk is full: the caption is as good
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


@dataclass(frozen=True, slots=True)
class _Answering:
    """Answers with so many beams; questions with the same settings share a batch."""

    num_beams: int

    def __call__(
        self, generator: Generator, images: Sequence[Image.Image], asked: Sequence[ImageQuestion], watch: Watch
    ) -> list[str]:
        form = question_form(generator)
        answers = generator.answer(
            images,
            [dialogue_prompt(form, one.before, one.question) for one in asked],
            "{}",
            num_beams=self.num_beams,
            max_new_tokens=ANSWER_TOKENS,
            length_penalty=answer_length_penalty(generator),
            watch=watch,
        )
        return [answer.text for answer in answers]


def _reader(source: ImageSource) -> Callable[[int], Image.Image]:
    """The image from the first file that still holds it, decoded as for indexing."""

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


def events_of(hearing: Hearing, said: Callable[[str], dict[str, Any]], *, settled: bool) -> Iterator[tuple[str, Any]]:
    """(name, data) of a stream: ``waiting`` with a reason, ``token`` with the newest text and the text so far, and
    ``answer`` with the result of ``said`` for the text; "" now and then. The tokens together are the text. ``settled``:
    whether text that was sent stays; otherwise everything comes in one token."""
    before, quiet = "", 0
    for name, value in hearing:
        quiet = 0 if name else quiet + 1
        if name == "state":
            yield "waiting", {"reason": value}
        elif name in ("text", "done"):
            if (settled or name == "done") and value != before and value.startswith(before):
                yield "token", {"token": value.removeprefix(before), "text": value}
                before = value
            if name == "done":
                yield "answer", said(value)
        elif quiet == _QUIET:
            quiet = 0
            yield "", "still here"
