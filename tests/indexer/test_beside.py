"""`index --beside` and `switch` on drawn scenes: the library goes from LAVIS's tiny model to the one that ships."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from imgsearch.cli.main import main
from imgsearch.errors import LibraryError, ModelMismatch, UsageError
from imgsearch.settings import Settings
from imgsearch.storage import open_store, verify
from imgsearch.storage.beside import store_beside, vectors_beside
from imgsearch.storage.upkeep.switching import switch_vectors


@pytest.fixture(scope="module")
def mini() -> Any:
    from imgsearch.model import load_model

    return load_model("mini", device="cpu", dtype="float32")


@pytest.fixture
def beside(desk: Any, mini: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`index_beside` of the desk's library, with all files decoded in this process."""
    import indexer.beside
    import indexer.index_run
    from imgsearch import app

    first = app.open_model

    def opened(settings: Settings, made_with: Any) -> Any:
        return mini if (settings.model or made_with.name) == "mini" else first(settings, made_with)

    monkeypatch.setattr(indexer.beside, "DecodePool", indexer.index_run.DecodePool)
    monkeypatch.setattr(app, "open_model", opened)
    monkeypatch.setattr(app, "open_numpy_model", lambda settings, made_with: None)

    def run(model: str = "mini", **more: Any) -> Any:
        settings = Settings(desk.library, model=model, device="cpu", batch_size=5)
        return indexer.beside.index_beside(settings, **more)

    return run


def vectors_of(store: Any) -> dict[int, np.ndarray]:
    view = store.view()
    return {
        int(image): view.read(np.array([slot]))[0] for slot, image in zip(view.live_slots, view.image_ids, strict=True)
    }


def test_all_pictures_get_vectors_and_a_switch_makes_them_the_librarys(desk: Any, beside: Any, mini: Any) -> None:
    from imgsearch.app import open_searcher
    from imgsearch.media.decode import decode_file
    from imgsearch.search.query.description import Query

    desk.index()
    summary = beside()
    assert (summary.made, summary.images, summary.missing, summary.exit_code) == (12, 12, 0, 0)
    assert "imgsearch switch" in summary.text()
    with open_store(desk.library) as store:
        assert store.model.name != "mini"
        other = store_beside(store)
        paths = store.paths(range(1, 13))
        for image_id, vectors in vectors_of(other).items():
            pixels = decode_file(paths[image_id], mini.image_size).pixels
            alone = np.asarray(mini.embed_images(mini.preprocess_arrays(pixels[None])))[0]
            np.testing.assert_allclose(vectors, alone, atol=1e-3)
    query = Query("a red circle", k=3)
    with open_searcher(Settings(desk.library, model="mini", device="cpu")) as searcher:  # before the switch
        before = [hit.image_id for hit in searcher.search(query).hits]
    with open_searcher(Settings(desk.library, device="cpu")) as searcher:
        assert searcher.store.model.name != "mini"
    assert main(["switch", "--library", str(desk.library)]) == 0
    with open_searcher(Settings(desk.library, device="cpu")) as searcher:
        assert searcher.store.model.name == "mini"
        assert [hit.image_id for hit in searcher.search(query).hits] == before
    assert desk.index(model="").unchanged == 12
    assert main(["switch", "--library", str(desk.library), "--back"]) == 0


def test_a_stopped_run_goes_on_and_takes_in_what_came_meanwhile(desk: Any, beside: Any, mini: Any) -> None:
    import shutil

    desk.index()
    asked: list[int] = []

    def stop() -> bool:
        asked.append(0)
        return len(asked) > 8

    summary = beside(stop=stop)
    assert summary.interrupted and summary.exit_code == 130
    assert 0 < summary.made < 12
    added: list[int] = []

    def adding() -> bool:
        if not added:
            shutil.copyfile(desk.photos / "scene00.png", desk.photos / "copy.png")
            (desk.photos / "new.png").write_bytes((desk.photos / "scene01.png").read_bytes() + b"tail")
            added.append(desk.index().new)
        return False

    again = beside("", stop=adding)
    assert added == [1]
    assert (again.made, again.images, again.missing) == (13 - summary.made, 13, 0)
    with open_store(desk.library) as store:
        assert verify(store) == []


def test_pictures_that_cannot_be_read_are_named_and_hold_up_the_switch(
    desk: Any, beside: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.index()
    (desk.photos / "scene03.png").unlink()
    (desk.photos / "scene04.png").write_bytes((desk.photos / "scene05.png").read_bytes())
    summary = beside()
    assert (summary.made, summary.missing, summary.exit_code) == (10, 2, 3)
    assert {Path(row["path"]).name for row in summary.unreadable} == {"scene03.png", "scene04.png"}
    assert main(["switch", "--library", str(desk.library)]) == 4
    said = capsys.readouterr().err
    assert "2 of 12 pictures have no vectors of 'mini'" in said and "scene03.png" in said
    with open_store(desk.library) as store, pytest.raises(LibraryError, match="scene04"):
        switch_vectors(store)
    assert main(["switch", "--library", str(desk.library), "--drop-missing", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["dropped"] == 2
    with open_store(desk.library) as store:
        assert store.stats().images == 10
        assert verify(store) == []


def test_what_beside_cannot_do_is_said_before_anything_is_written(desk: Any, beside: Any) -> None:
    desk.index()
    with pytest.raises(UsageError, match="none was named"):
        beside("")
    with open_store(desk.library) as store:
        own = store.model.name
    with pytest.raises(UsageError, match="own vectors are of"):
        beside(own)
    assert main(["index", "--beside", "--model", "mini", "--library", str(desk.library), str(desk.photos)]) == 2
    beside()
    with open_store(desk.library) as store:
        assert vectors_beside(store).images == 12
    with pytest.raises((UsageError, ModelMismatch)):
        beside(own)


def test_a_library_without_a_model_gets_one_beside(desk: Any, beside: Any, capsys: pytest.CaptureFixture[str]) -> None:
    desk.index(model="none")
    assert beside().made == 12
    assert main(["stats", "--library", str(desk.library)]) == 0
    assert "beside     mini, not switched to yet: 12 of 12 pictures" in capsys.readouterr().out
    with open_store(desk.library) as store:
        switch_vectors(store)
    assert main(["switch", "--forget", "--library", str(desk.library)]) == 0
    with open_store(desk.library) as store:
        store.require_vectors()
        assert store.view().count == 12
        assert verify(store) == []
