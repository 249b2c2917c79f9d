"""What the Python interface writes about pictures: `Library.caption` and `Library.ask` (docs/python.md)."""

from __future__ import annotations

import operator
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, cast, overload

from imgsearch.errors import MediaError, UsageError

if TYPE_CHECKING:
    from PIL import Image

    from imgsearch.captions.asking import Answered
    from imgsearch.captions.run import CaptionSummary
    from imgsearch.captions.subjects import MatchingSide, Subject
    from imgsearch.generation.checked import CheckedCaption
    from imgsearch.search.engine import Searcher
    from imgsearch.settings import Settings

    Picture: TypeAlias = int | str | os.PathLike[str] | Image.Image


class WritesTexts:
    """The part of a library that writes. The generator is loaded by the first call and kept; calls wait for each
    other."""

    _settings: Settings
    _writing: threading.Lock
    _generators: dict[tuple[str | None, str | None], Any]

    @property
    def _searcher(self) -> Searcher:
        raise NotImplementedError

    @overload
    def caption(self, pictures: None = None, **options: Any) -> CaptionSummary: ...
    @overload
    def caption(self, pictures: Picture, **options: Any) -> CheckedCaption: ...
    @overload
    def caption(self, pictures: Sequence[Picture], **options: Any) -> list[CheckedCaption]: ...
    def caption(self, pictures: Any = None, **options: Any) -> Any:
        """Describe one picture, or several, by image id, path or Pillow image; without any, describe all pictures of
        the library whose caption was not made in this way, and keep the captions there.

        ``options``: the fields of `imgsearch.generation.checked.CaptionSettings` (prompt, method, num_beams, seed,
        check, ...), ``language_model`` and ``quantize`` as `load_generator` has them. The generator is the setting
        ``generator`` of `imgsearch.open`.

        -> each with ``text``, ``probability`` and ``sure``; without pictures what was done. Raises UsageError,
        MediaError for a picture that cannot be read, ModelUnavailable where no generator was named or is there,
        LibraryBusy. Cost: that of the generator; loads torch."""
        from imgsearch.captions.run import Captioner, CaptionSummary
        from imgsearch.captions.subjects import library_subjects
        from imgsearch.generation.checked import checked_captions, image_seed
        from imgsearch.storage.single_runs import single_run

        searcher = self._searcher
        language_model, quantize = options.pop("language_model", None), options.pop("quantize", None)
        style = _style(options)
        with self._writing:
            generator = self._generator(language_model, quantize)
            matching, judge = self._matching(), self._judge()
            if pictures is None:
                captioner = Captioner(
                    generator, style, store=searcher.store, matching=matching, judge=judge, quantize=quantize
                )
                with single_run(searcher.store, "caption"):
                    waiting = captioner.waiting(searcher.store)
                    summary = CaptionSummary(wanted=len(waiting))
                    for batch in captioner.run(library_subjects(searcher.store, waiting)):
                        summary.add(batch)
                return summary
            many = isinstance(pictures, (list, tuple))
            images, hashes, features = self._read(list(pictures) if many else [pictures], generator, matching)
            seeds = [image_seed(content, style.seed) for content in hashes]
            found = checked_captions(
                generator, matching.model, images, style, seeds=seeds, features=features, judge=judge
            )
        return found if many else found[0]

    @overload
    def ask(self, pictures: Picture, questions: str, **options: Any) -> Answered: ...
    @overload
    def ask(self, pictures: Picture, questions: Sequence[str], **options: Any) -> list[Answered]: ...
    @overload
    def ask(self, pictures: Sequence[Picture], questions: str, **options: Any) -> list[Answered]: ...
    @overload
    def ask(self, pictures: Sequence[Picture], questions: Sequence[str], **options: Any) -> list[list[Answered]]: ...
    def ask(self, pictures: Any, questions: Any, **options: Any) -> Any:
        """Ask one question, or several, about one picture, or several, as `caption` takes them.

        ``options``: the fields of `imgsearch.captions.asking.QuestionSettings` (dialogue, num_beams, form, ...),
        ``language_model`` and ``quantize``. -> each with ``text``, and ``statement`` and ``probability`` where question
        and answer make a statement. Raises as `caption` does, UsageError for a question that is too long too."""
        from imgsearch.captions.asking import QuestionSettings, ask_images
        from imgsearch.generation.questions import require_question

        self._searcher  # noqa: B018  raises where it is closed
        language_model, quantize = options.pop("language_model", None), options.pop("quantize", None)
        style = _made(QuestionSettings, options)
        single = isinstance(questions, str)
        for question in [questions] if single else questions:
            if not isinstance(question, str):
                raise UsageError(f"got {question!r:.60} for a question, expected a text", "see docs/python.md")
        asked = [require_question(question) for question in ([questions] if single else questions)]
        many = isinstance(pictures, (list, tuple))
        with self._writing:
            generator = self._generator(language_model, quantize)
            matching = self._matching()
            images, _, features = self._read(list(pictures) if many else [pictures], generator, matching)
            answers = ask_images(generator, matching.model, images, asked, style, features)
        by_picture = [each[0] for each in answers] if single else answers
        return by_picture if many else by_picture[0]

    def _generator(self, language_model: str | None, quantize: str | None) -> Any:
        from imgsearch.generators import GeneratorOptions, open_generator

        key = (None if language_model is None else str(language_model), quantize)
        if key not in self._generators:
            self._generators[key] = open_generator(self._settings, self._searcher.store, GeneratorOptions(*key))
        return self._generators[key]

    def _matching(self) -> MatchingSide:
        from imgsearch.captions.subjects import MatchingSide

        return MatchingSide(self._searcher.model, self._searcher.features)

    def _judge(self) -> Any:
        from imgsearch.captions.judging import CalibratedJudge

        searcher = self._searcher
        if searcher.calibration is None:
            return None
        return CalibratedJudge(searcher.store, searcher.model, searcher.calibration)

    def _read(
        self, pictures: list[Any], generator: Any, matching: MatchingSide
    ) -> tuple[list[Any], list[str], list[Any]]:
        """Images, names of their contents, and features. Raises MediaError."""
        from imgsearch.captions.subjects import read_subjects
        from imgsearch.generation.checked import content_of_image, features_of_images

        images: list[Any] = []
        hashes: list[str] = []
        features: list[Any] = []
        for picture in pictures:
            if hasattr(picture, "tobytes") and hasattr(picture, "getbands"):
                images.append(picture)
                hashes.append(content_of_image(picture))
                features += features_of_images(matching.model, [picture])
                continue
            (one,) = read_subjects([self._subject(picture)], generator, matching)
            if isinstance(one, MediaError):
                raise one
            images.append(one.image)
            hashes.append(one.content_hash)
            features.append(one.features)
        return images, hashes, features

    def _subject(self, picture: Any) -> Subject:
        from imgsearch.captions.subjects import file_subject, library_subjects

        if isinstance(picture, (str, os.PathLike)):
            path = Path(picture).expanduser()
            if not path.is_file():
                raise UsageError(f"there is no file {path}", "give a path, an image id or a Pillow image")
            return file_subject(path)
        try:
            number = -1 if isinstance(picture, bool) else operator.index(picture)
        except TypeError:
            number = -1
        if number < 0:
            raise UsageError(
                f"got {picture!r:.60}, expected an image id, a path or a Pillow image", "see docs/python.md"
            )
        found = list(library_subjects(self._searcher.store, [number])) if number < 1 << 63 else []
        if not found:
            raise UsageError(f"the library holds no picture with the id {number}", "hit.image_id is one")
        return found[0]


def _style(options: dict[str, Any]) -> Any:
    from imgsearch.generation.checked import CaptionSettings

    return _made(CaptionSettings, options)


def _made(kind: Any, options: dict[str, Any]) -> Any:
    from imgsearch.settings import refuse_unknown

    refuse_unknown(options, cast("dict[str, Any]", kind.__dataclass_fields__), "the call")
    try:
        return kind(**options)
    except TypeError as exc:
        raise UsageError(f"an option has a wrong type: {exc}", "see docs/python.md") from exc
