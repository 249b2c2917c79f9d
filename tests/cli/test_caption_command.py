"""`imgsearch caption`: pictures and libraries, resumable, with the check of the library's own model."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from small_generator import OPT

from imgsearch.cli.main import parser_of
from imgsearch.cli.parser import spoken
from imgsearch.cli.verbs.caption import CAPTION
from imgsearch.errors import CheckpointInvalid, LibraryBusy, ModelUnavailable, UsageError
from imgsearch.records import Clause, Filters
from imgsearch.storage import writing
from imgsearch.storage.reads.captions import read_captions
from imgsearch.storage.single_runs import single_run

pytestmark = pytest.mark.usefixtures("one_thread", "loaded_once")
FAST = ["--max-tokens", "6", "--device", "cpu", "--quiet"]


def caption(shelf: Any, *words: str, generator: list[str] = OPT) -> int:
    parser = parser_of("caption", CAPTION)
    given = [*words, "--library", str(shelf.store.path), *generator, *FAST]
    return CAPTION.run(parser.parse_args(spoken(parser, given)))


def test_library_is_captioned_once_and_again_only_in_another_way(shelf: Any, capsys: Any) -> None:
    assert caption(shelf, "--all", "--json") == 0
    first = json.loads(capsys.readouterr().out)
    assert (first["captioned"], first["remaining"], first["unreadable"]) == (4, 0, {})
    kept = read_captions(shelf.store, range(9))
    assert caption(shelf, "--all") == 0 and caption(shelf, "--missing") == 0
    assert capsys.readouterr().out.count("0 captions written") == 2
    assert read_captions(shelf.store, range(9)) == kept
    shelf.add(["scene07.png"])
    assert caption(shelf, "--missing", "--seed", "9") == 0
    assert "1 caption written" in capsys.readouterr().out
    assert caption(shelf, "--all", "--seed", "9") == 0
    assert "4 captions written" in capsys.readouterr().out


def test_query_chooses_the_pictures(shelf: Any, capsys: Any) -> None:
    assert caption(shelf, "name:scene01", "--threshold", "0") == 0
    assert caption(shelf, "name:scene01") == 0  # another threshold is another way
    kept = read_captions(shelf.store, range(9))
    assert list(kept) == [2]
    assert caption(shelf, "a red ball", "name:scene0*", "--top", "1", "--again") == 0
    capsys.readouterr()


def test_named_pictures_are_shown_with_their_belief(shelf: Any, capsys: Any, tmp_path: Path) -> None:
    path = str(shelf.photos / "scene00.png")
    assert caption(shelf, path, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["image_id"] == 1 and found["stored"] and len(found["candidates"]) >= 1
    assert (found["caption"], found["probability"]) == tuple(found["candidates"][0].values())
    assert caption(shelf, path, "3", "--threshold", "1") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and all("(unsure, " in line for line in lines)
    word = found["caption"].split()[0]
    assert shelf.store.matching_images(Filters((Clause("caption", word),))).tolist() == []
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8 no more")
    assert caption(shelf, str(broken), path) == 3
    told = capsys.readouterr()
    assert "broken.jpg cannot be read" in told.err and "scene00.png" in told.out
    assert caption(shelf, path, "--no-check") == 0
    assert "(not checked)" in capsys.readouterr().out


def test_greedy_and_nucleus_are_the_same_each_time(shelf: Any, capsys: Any) -> None:
    for method in (["--method", "greedy"], ["--method", "nucleus", "--seed", "4", "--candidates", "3"]):
        said = []
        for _ in range(2):
            assert caption(shelf, "1", "2", *method) == 0
            said.append(capsys.readouterr().out)
        assert said[0] == said[1]


@pytest.mark.parametrize(
    ("words", "error", "told"),
    [
        ([], UsageError, "no picture was named"),
        (["--all", "a dog"], UsageError, "expected one of the two"),
        (["missing.jpg"], UsageError, "there is no file"),
        (["/tmp"], UsageError, "is a folder"),
        (["77"], UsageError, "no picture with the id 77"),
        (["--all", "--min-tokens", "9"], UsageError, "min_new_tokens"),
        (["--all", "--prompt", "word " * 600], UsageError, "tokens was given"),
        (["colour:red"], UsageError, "there is no filter"),
    ],
)
def test_what_cannot_be_is_told(shelf: Any, words: list[str], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        caption(shelf, *words)


def test_generator_that_is_none_is_told(shelf: Any, tiny_directory: Path) -> None:
    with pytest.raises(ModelUnavailable, match="no generator was named"):
        caption(shelf, "--all", generator=[])
    with pytest.raises(ModelUnavailable):
        caption(shelf, "--all", generator=["--generator", "blip2-nothing"])
    with pytest.raises(CheckpointInvalid, match="no language model"):
        caption(shelf, "--all", generator=["--generator", str(tiny_directory)])


def test_library_that_is_being_written_is_told_before_a_model_is_loaded(
    shelf: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("imgsearch.generators.open_captioner", lambda *_: pytest.fail("it was loaded"))
    monkeypatch.setattr("imgsearch.cli.library_lock.LOCK_WAIT_S", 0.0)
    with writing(shelf.store), pytest.raises(LibraryBusy):
        caption(shelf, "--all")


def test_second_run_over_the_library_is_refused_and_a_picture_is_not(shelf: Any, capsys: Any) -> None:
    with single_run(shelf.store, "caption"), pytest.MonkeyPatch.context() as patched:
        assert caption(shelf, "1") == 0
        patched.setattr("imgsearch.generators.open_captioner", lambda *_: pytest.fail("it was loaded"))
        with pytest.raises(LibraryBusy, match=f"`imgsearch caption` is at work on .*, in process {os.getpid()}\\n"):
            caption(shelf, "--missing")
    assert caption(shelf, "--missing", "--json") == 0
    assert json.loads(capsys.readouterr().out.partition("\n")[2])["captioned"] == 3


def test_missing_tells_of_captions_that_were_made_in_another_way(shelf: Any, capsys: Any) -> None:
    assert caption(shelf, "1", "--prompt", "a photo of") == 0
    loud = [each for each in FAST if each != "--quiet"]
    parser = parser_of("caption", CAPTION)
    given = ["--missing", "--library", str(shelf.store.path), *OPT, *loud]
    assert CAPTION.run(parser.parse_args(spoken(parser, given))) == 0
    told = capsys.readouterr()
    assert "3 captions written" in told.out
    assert "1 have a caption that was made in another way, which stays; --all makes these anew" in told.err


def test_caption_is_shown_where_it_cannot_be_kept(shelf: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("imgsearch.cli.library_lock.LOCK_WAIT_S", 0.0)
    with writing(shelf.store):
        assert caption(shelf, "1", "--json") == 0
    told = capsys.readouterr()
    assert "not kept: the library" in told.err and not json.loads(told.out)["stored"]
    assert read_captions(shelf.store, [1]) == {}


def test_stopped_run_keeps_its_batches_and_goes_on(shelf: Any, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import os
    import signal

    from imgsearch.captions.run import Captioner

    before = Captioner._keep

    def keep(self: Any, outcomes: Any) -> Any:
        os.kill(os.getpid(), signal.SIGINT)
        return before(self, outcomes)

    monkeypatch.setattr(Captioner, "_keep", keep)
    assert caption(shelf, "--all", "--batch-size", "3") == 130
    assert "3 captions written" in capsys.readouterr().out
    monkeypatch.setattr(Captioner, "_keep", before)
    assert caption(shelf, "--all") == 0
    assert "1 caption written" in capsys.readouterr().out
