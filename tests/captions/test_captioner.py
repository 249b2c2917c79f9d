"""Captions of a library: kept batch by batch, the same in any batches, made once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from imgsearch.captions.judging import CalibratedJudge
from imgsearch.captions.run import Captioner, CaptionOutcome, CaptionSummary
from imgsearch.captions.subjects import MatchingSide, file_subject, library_subjects, read_subjects
from imgsearch.errors import UsageError
from imgsearch.generation.checked import CaptionSettings, checked_captions, image_seed
from imgsearch.records import Clause, Filters
from imgsearch.search.calibration import UNCALIBRATED, Calibration
from imgsearch.storage import FeatureStore
from imgsearch.storage.reads.captions import read_captions


@pytest.fixture
def shelf(library: Any) -> Any:
    library.add(library.names(5))
    return library


def captioner(shelf: Any, opt: Any, **more: Any) -> Captioner:
    settings = more.pop("settings", CaptionSettings(max_new_tokens=8))
    return Captioner(opt, settings, store=shelf.store, matching=MatchingSide(shelf.model), **more)


def texts(batches: Iterator[list[CaptionOutcome]]) -> list[str]:
    return [each.caption.text for batch in batches for each in batch if each.caption]


def ids(shelf: Any) -> list[int]:
    return [int(number) for number in shelf.store.view().image_ids]


def test_captions_are_kept_and_the_same_whatever_the_batches(shelf: Any, opt: Any) -> None:
    writer = captioner(shelf, opt)
    subjects = list(library_subjects(shelf.store, ids(shelf)))
    one_by_one = texts(writer.run(subjects, keep=False, batch=1))
    assert read_captions(shelf.store, ids(shelf)) == {}
    assert texts(writer.run(subjects, batch=3)) == one_by_one
    kept = read_captions(shelf.store, ids(shelf))
    assert [kept[number].text for number in ids(shelf)] == one_by_one
    read = read_subjects(subjects[:1], opt, MatchingSide(shelf.model))
    alone = checked_captions(
        opt, shelf.model, [read[0].image], CaptionSettings(max_new_tokens=8),
        seeds=[image_seed(subjects[0].content_hash, 0)], features=[read[0].features],
    )  # fmt: skip
    assert alone[0].text == one_by_one[0] and alone[0].probability == kept[ids(shelf)[0]].probability


def test_stopped_run_goes_on_where_it_ended(shelf: Any, opt: Any) -> None:
    writer = captioner(shelf, opt)
    assert writer.waiting(shelf.store) == ids(shelf)
    stops = iter([False, True])
    done = list(writer.run(library_subjects(shelf.store, ids(shelf)), lambda: next(stops), batch=2))
    assert len(done) == 1 and writer.waiting(shelf.store) == ids(shelf)[2:]
    rest = list(library_subjects(shelf.store, writer.waiting(shelf.store)))
    with pytest.raises(KeyboardInterrupt):
        for number, _ in enumerate(writer.run(rest, batch=2)):
            if number == 0:
                raise KeyboardInterrupt
    assert writer.waiting(shelf.store) == ids(shelf)[4:]
    other = captioner(shelf, opt, settings=CaptionSettings(max_new_tokens=8, seed=3))
    assert other.waiting(shelf.store) == ids(shelf) and other.waiting(shelf.store, missing_only=True) == ids(shelf)[4:]
    assert captioner(shelf, opt, quantize="int8").waiting(shelf.store) == ids(shelf)


def test_caption_that_another_model_chose_is_made_anew(shelf: Any, opt: Any) -> None:
    list(captioner(shelf, opt).run(library_subjects(shelf.store, ids(shelf)[:2])))
    plain = CaptionSettings(max_new_tokens=8, check=False)
    list(captioner(shelf, opt, settings=plain).run(library_subjects(shelf.store, ids(shelf)[2:])))
    assert captioner(shelf, opt).waiting(shelf.store) == ids(shelf)[2:]
    switched: Any = SimpleNamespace(model=replace(shelf.store.model, fingerprint="another"))
    matching = MatchingSide(shelf.model)
    checking = Captioner(opt, CaptionSettings(max_new_tokens=8), store=switched, matching=matching)
    assert checking.waiting(shelf.store) == ids(shelf)
    assert Captioner(opt, plain, store=switched, matching=matching).waiting(shelf.store) == ids(shelf)[:2]


def test_space_behind_a_prompt_says_nothing_and_a_prompt_is_a_text() -> None:
    assert CaptionSettings("a photo of ") == CaptionSettings("a photo of")
    with pytest.raises(UsageError, match="prompt"):
        CaptionSettings(["a photo of"])  # type: ignore[arg-type]


def test_unreadable_and_changed_pictures_are_told_and_cost_no_other(shelf: Any, opt: Any) -> None:
    names = shelf.names(5)
    (shelf.photos / names[1]).write_bytes(b"no picture")
    (shelf.photos / names[2]).write_bytes((shelf.photos / names[3]).read_bytes())
    (shelf.photos / names[4]).unlink()
    summary = CaptionSummary(wanted=5)
    for batch in captioner(shelf, opt).run(library_subjects(shelf.store, ids(shelf))):
        summary.add(batch)
    assert (summary.captioned, summary.stored, summary.remaining) == (2, 2, 0)
    assert sorted(path.rpartition("/")[2] for path in summary.unreadable) == [names[1], names[2], names[4]]
    assert "has changed" in summary.unreadable[str(shelf.photos / names[2])]
    assert sorted(read_captions(shelf.store, ids(shelf))) == [ids(shelf)[0], ids(shelf)[3]]


def test_file_from_elsewhere_is_kept_where_the_library_has_its_content(shelf: Any, opt: Any, tmp_path: Any) -> None:
    known, other = tmp_path / "copy.png", tmp_path / "other.png"
    known.write_bytes((shelf.photos / shelf.names(5)[0]).read_bytes())
    other.write_bytes((shelf.photos / "scene09.png").read_bytes())
    (batch,) = captioner(shelf, opt).run([file_subject(known), file_subject(other)])
    assert [(each.image_id, each.stored) for each in batch] == [(ids(shelf)[0], True), (None, False)]
    assert read_captions(shelf.store, ids(shelf))[ids(shelf)[0]].text == batch[0].caption.text


def test_features_that_are_kept_give_the_same_probabilities(shelf: Any, opt: Any, tmp_path: Any) -> None:
    kept = FeatureStore(tmp_path / "features", shelf.model.model_id, 1 << 30)
    subjects = list(library_subjects(shelf.store, ids(shelf)))
    settings = CaptionSettings(max_new_tokens=8)
    runs = [
        [each.caption for batch in Captioner(opt, settings, matching=side).run(subjects) for each in batch]
        for side in (MatchingSide(shelf.model), MatchingSide(shelf.model, kept), MatchingSide(shelf.model, kept))
    ]
    assert runs[0] == runs[1] == runs[2]
    assert kept.get(subjects[0].content_hash) is not None


def test_calibration_decides_what_is_sure_and_found(shelf: Any, opt: Any) -> None:
    never = Calibration(0.0, 0.0, 0.0, -1.0, 1e6)
    parts = Calibration(0.0, 1.0, 1.0, 100.0, 1e6, clause_weight=1.0)
    for rule, sure in [(never, False), (parts, True)]:
        judge = CalibratedJudge(shelf.store, shelf.model, rule)
        (batch,) = captioner(shelf, opt, judge=judge).run(library_subjects(shelf.store, ids(shelf)), batch=5)
        assert [each.caption.sure for each in batch] == [sure and each.caption.probability >= 0.5 for each in batch]
        word = batch[0].caption.text.split()[-1]
        found = shelf.store.matching_images(Filters((Clause("caption", word),))).tolist()
        assert (ids(shelf)[0] in found) == batch[0].caption.sure
    judge = CalibratedJudge(shelf.store, shelf.model, UNCALIBRATED)
    (batch,) = captioner(shelf, opt, judge=judge).run(library_subjects(shelf.store, ids(shelf)), batch=5)
    assert [each.caption.sure for each in batch] == [each.caption.probability >= 0.5 for each in batch]
