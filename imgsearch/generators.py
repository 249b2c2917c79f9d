"""The composition root of all that writes: settings in, a loaded generator out, with what checks it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from imgsearch.app import calibration_of, feature_store, open_model
from imgsearch.errors import ModelUnavailable
from imgsearch.records import ModelId, is_model_free

if TYPE_CHECKING:
    from imgsearch.captions.asking import Asker, QuestionSettings
    from imgsearch.captions.run import Captioner
    from imgsearch.captions.subjects import MatchingSide
    from imgsearch.generation.checked import CaptionSettings
    from imgsearch.settings import Settings
    from imgsearch.storage import Store

SMALL = "mini"
"""The small model that ships, and the small generator beside it."""


@dataclass(frozen=True, slots=True)
class GeneratorOptions:
    """What `load_generator` needs beside the settings."""

    language_model: str | None = None
    quantize: str | None = None


NO_OPTIONS = GeneratorOptions()


def generator_name(settings: Settings, library_model: ModelId | None = None) -> str:
    """What writes captions and answers: what the settings name, or the small generator beside the small model. Raises
    ModelUnavailable where nothing is named: never the small one for photographs, unasked."""
    if settings.generator:
        return settings.generator
    if (library_model.name if library_model else settings.model) == SMALL:
        return SMALL
    raise ModelUnavailable(
        "no generator was named, which would write captions and answers",
        "name one with --generator: blip2-opt-2.7b (imgsearch models pull Salesforce/blip2-opt-2.7b fetches it), a "
        "directory, mini for drawn scenes; or as generator in the settings file",
    )


def open_captioner(
    settings: Settings, store: Store | None, style: CaptionSettings, options: GeneratorOptions = NO_OPTIONS
) -> Captioner:
    """A generator, and what checks its captions, as ``open_matching`` says, with the library's calibration. Raises as
    ``open_model`` and ``load_generator`` do."""
    from imgsearch.captions.judging import CalibratedJudge
    from imgsearch.captions.run import Captioner

    generator = open_generator(settings, store, options)
    matching = open_matching(settings, store) if style.check else None
    rule = calibration_of(store) if matching is not None and store is not None else None
    judge = None if rule is None or matching is None or store is None else CalibratedJudge(store, matching.model, rule)
    return Captioner(generator, style, store=store, matching=matching, judge=judge, quantize=options.quantize)


def open_asker(
    settings: Settings,
    store: Store | None,
    style: QuestionSettings,
    options: GeneratorOptions = NO_OPTIONS,
    *,
    check: bool = True,
) -> Asker:
    """A generator, and with ``check`` what tells how well its answers fit, as ``open_matching`` says. Raises as
    ``open_captioner`` does."""
    from imgsearch.captions.asking import Asker

    return Asker(open_generator(settings, store, options), style, open_matching(settings, store) if check else None)


def open_matching(settings: Settings, store: Store | None) -> MatchingSide | None:
    """What tells how well a text fits a picture: the library's model; without a library the model that the settings
    name, or the small one beside the small generator. None where there is neither. Raises as ``open_model`` does."""
    from imgsearch.captions.subjects import MatchingSide

    if store is not None:
        if is_model_free(store.model):
            return None
        return MatchingSide(open_model(settings, store.model), feature_store(settings, store))
    if settings.model:
        return MatchingSide(open_model(settings))
    return MatchingSide(open_model(replace(settings, model=SMALL))) if settings.generator == SMALL else None


def open_generator(settings: Settings, store: Store | None, options: GeneratorOptions = NO_OPTIONS) -> Any:
    """The loaded generator of ``generator_name``. Raises as ``load_generator`` does."""
    from imgsearch.generation import load_generator

    name = generator_name(settings, None if store is None else store.model)
    return load_generator(name, options.language_model, settings.device, settings.dtype, quantize=options.quantize)
