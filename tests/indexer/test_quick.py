"""`index --quick`: searchable with one model first, then the library goes over to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from imgsearch.errors import UsageError
from imgsearch.settings import Settings
from imgsearch.storage import open_store
from imgsearch.storage.beside import store_beside
from indexer.index_run import IndexRequest
from indexer.service import index_quick

QUICK = str(Path(__file__).parents[1] / "golden" / "lavis" / "blip2_tiny.pth")


class Told:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def __call__(self, stage: str, done: int, total: int) -> None: ...

    def say(self, text: str) -> None:
        self.said.append(text)

    def close(self) -> None: ...


@pytest.fixture
def quick(desk: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """From LAVIS's tiny model to the one that ships, all in this process."""
    import indexer.beside
    import indexer.index_run
    from imgsearch import app
    from imgsearch.model import load_model

    mini, first = load_model("mini", device="cpu", dtype="float32"), app.open_model

    def opened(settings: Settings, made_with: Any) -> Any:
        return mini if (settings.model or made_with.name) == "mini" else first(settings, made_with)

    monkeypatch.setattr(indexer.beside, "DecodePool", indexer.index_run.DecodePool)
    monkeypatch.setattr(app, "open_model", opened)
    monkeypatch.setattr(app, "open_numpy_model", lambda settings, made_with: None)

    def run(stop: Any = lambda: False, model: str = "mini") -> Any:
        settings = Settings(desk.library, model=model, device="cpu", batch_size=5)
        run.told = Told()  # type: ignore[attr-defined]
        return index_quick(IndexRequest((str(desk.photos),), settings), run.told, stop, QUICK)  # type: ignore[attr-defined]

    return run


def test_the_library_is_searchable_first_and_then_changes(desk: Any, quick: Any) -> None:
    summary = quick()
    assert summary.switched and summary.exit_code == 0 and "12 pictures" in summary.text()
    assert "can be searched now, by " + QUICK in quick.told.said[-2] + quick.told.said[-1] + "".join(quick.told.said)
    with open_store(desk.library) as store:
        assert store.model.name == "mini" and store.stats().images == 12
    again = quick()
    assert again.beside is None and again.first.unchanged == 12 and again.exit_code == 0


def test_stopped_on_the_way_the_first_vectors_answer(desk: Any, quick: Any) -> None:
    stopped = quick(lambda: any("can be searched now" in text for text in quick.told.said))
    assert stopped.interrupted and stopped.exit_code == 130 and not stopped.switched
    with open_store(desk.library) as store:
        assert store.model.name == QUICK and store_beside(store) is not None
    (desk.photos / "scene00.png").rename(desk.photos / "moved.png")
    assert quick().switched


def test_what_makes_no_sense_is_refused_before_anything_is_read(desk: Any, quick: Any) -> None:
    with pytest.raises(UsageError, match="to another model"):
        quick(model=QUICK)
    assert not desk.library.exists()
    desk.index(model="none")
    with pytest.raises(UsageError, match="without a model"):
        quick()
