"""A server without a library: what its page may do, for whom, and how it becomes the library's."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from colour_shelf import TOKEN, paint
from flask.testing import FlaskClient
from werkzeug.security import generate_password_hash
from werkzeug.test import Client
from werkzeug.wrappers import Response

from imgsearch.errors import ModelUnavailable
from imgsearch.settings import Settings
from imgsearch.storage import create_store
from imgsearch.tuning.lineage import write_lineage
from web.config import WebConfig
from web.http import setup_access
from web.http.access import hash_token
from web.opening import Opening, ServerParts
from web.services.generation import GenerationService
from web.services.welcome import models
from web.services.welcome.demo import draw_demo
from web.services.welcome.estimate import estimate

PAGE = {"Accept": "text/html"}


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Callable[..., tuple[Opening, Client]]]:
    """``opened(**config)``: a server without a library, and a client on this machine that has its token."""
    made: list[Opening] = []
    paint(tmp_path / "home" / "photos" / "red one.png", 1)

    def begin(**given: Any) -> tuple[Opening, Client]:
        token = {"token_hashes": (hash_token(TOKEN),)} if given.pop("guarded", True) else {}
        config = WebConfig(secret_key=b"k" * 32, folders=(str(tmp_path / "home"),), **token, **given)
        settings = Settings(library=tmp_path / "library", device="cpu")
        made.append(Opening(ServerParts(settings, config, lambda _: GenerationService())))
        made[-1].begin()
        return made[-1], Client(made[-1], Response)

    yield begin
    for one in made:
        one.close()


WITH_TOKEN = {"Authorization": f"Bearer {TOKEN}"}


def call(client: Client, method: str, path: str, **given: Any) -> Any:
    """An answer of the API, asked for with the token."""
    return client.open(f"/api/v1{path}", method=method, headers=WITH_TOKEN, **given)


def test_without_a_library_every_page_leads_to_the_welcome(opened: Any) -> None:
    _, client = opened()
    shown = client.get("/", headers=PAGE | WITH_TOKEN)
    assert shown.status_code == 200 and b"Choose a model" in shown.data and b"Open the demo" in shown.data
    for path in ("/timeline", "/library", "/pictures/3", "/duplicates?state=open"):
        answer = client.get(path, headers=PAGE | WITH_TOKEN)
        assert (answer.status_code, answer.location) == (302, "/"), path
    answer = client.get("/api/v1/search?q=boat", headers=WITH_TOKEN)
    assert answer.status_code == 404 and answer.json["detail"] == "there is no library yet"
    assert client.get("/readyz").status_code == 503 and client.get("/healthz").status_code == 200


def test_a_stranger_sees_no_folder_and_begins_nothing(opened: Any, tmp_path: Path) -> None:
    _, client = opened()
    for method, path, body in (
        ("GET", "/setup", None),
        ("POST", "/setup/folders", {"path": str(tmp_path)}),
        ("POST", "/jobs", {"kind": "demo"}),
        ("POST", "/jobs/1/pause", None),
        ("POST", "/setup/leave-demo", None),
    ):
        answer = (
            client.open(f"/api/v1{path}", method=method, json=body)
            if body
            else client.open(f"/api/v1{path}", method=method)
        )
        assert answer.status_code == 401, path
    assert client.get("/", headers=PAGE).status_code == 302


LOCAL = {"REMOTE_ADDR": "127.0.0.1", "HTTP_HOST": "localhost:8765"}


CLIENTS = (
    (LOCAL, True),
    (LOCAL | {"REMOTE_ADDR": "::1", "HTTP_HOST": "[::1]:8765"}, True),
    (LOCAL | {"REMOTE_ADDR": "::ffff:127.0.0.1"}, True),
    (LOCAL | {"REMOTE_ADDR": "192.168.1.7"}, False),
    (LOCAL | {"HTTP_HOST": "photos.example"}, False),
    (LOCAL | {"HTTP_HOST": "192.168.1.7:8765"}, False),
    (LOCAL | {"HTTP_X_FORWARDED_FOR": "203.0.113.9"}, False),
    (LOCAL | {"HTTP_FORWARDED": "for=203.0.113.9"}, False),
    (LOCAL | {"HTTP_X_REAL_IP": "203.0.113.9"}, False),
    (LOCAL | {"HTTP_VIA": "1.1 proxy"}, False),
)


def test_without_a_password_only_this_machine_sets_up(opened: Any) -> None:
    opening, client = opened(guarded=False, hosts=("localhost", "photos.example"))
    for environ, may in CLIENTS:
        told = client.get("/api/v1/setup", environ_overrides=environ)
        told_all = bool(told.json["models"]), bool(told.json["roots"]), told.json["allowed"]
        assert told_all == (may, may, may), environ
        page = client.get("/", headers=PAGE, environ_overrides=environ)
        assert (b"Choose folders" in page.data) is may, environ
        with opening.app.test_request_context("/", environ_overrides=environ):
            assert setup_access.may_set_up() is may


def test_another_account_of_this_machine_does_not_set_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = tmp_path / "tcp"
    line = "   1: 0100007F:{:04X} 0100007F:223D 01 00000000:00000000 00:00000000 00000000  {}  0 1 1"
    table.write_text("head\n" + line.format(40000, 1234) + "\n" + line.format(40001, setup_access._user()) + "\n")
    monkeypatch.setattr(setup_access, "_TABLES", (str(tmp_path / "none"), str(table)))
    for port, may in ((40000, False), (40001, True), (40002, True)):
        environ = LOCAL | {"REMOTE_PORT": str(port), "SERVER_PORT": "8765"}
        assert setup_access._is_own(environ) is may, port


def test_behind_a_trusted_proxy_a_password_is_needed_to_set_up(opened: Any) -> None:
    _, client = opened(guarded=False, proxy=True)
    assert client.get("/api/v1/setup", environ_overrides=LOCAL).json["allowed"] is False


def test_folders_are_listed_for_whom_they_are_for(opened: Any, tmp_path: Path) -> None:
    _, client = opened()
    told = call(client, "POST", "/setup/folders", json={}).json
    assert told["path"] == str(tmp_path / "home") and [one["name"] for one in told["folders"]] == ["photos"]
    inside = call(client, "POST", "/setup/folders", json={"path": told["folders"][0]["path"]}).json
    assert inside["pictures"] == 1 and inside["parent"] == told["path"]
    for body, status in (({"path": str(tmp_path)}, 403), ({"path": 3}, 400), ({"paht": "/"}, 400), ([], 400)):
        assert call(client, "POST", "/setup/folders", json=body).status_code == status, body


def test_what_is_chosen_wrong_is_said(opened: Any, tmp_path: Path) -> None:
    _, client = opened()
    for body, status, words in (
        ({"kind": "index", "model": "mini"}, 409, "no folder yet"),
        ({"kind": "index", "model": "clip", "folders": []}, 400, "'clip', expected"),
        ({"kind": "index", "model": "mini", "folders": ["/etc"]}, 403, "outside"),
        ({"kind": "estimate", "model": "mini", "folders": [str(tmp_path / "home/none")]}, 404, "no folder"),
        ({"kind": "estimate", "model": "mini"}, 400, "without folders"),
        ({"kind": "pull", "model": "mini"}, 400, "comes with the program"),
        ({"kind": "pull", "folders": []}, 400, "'folders'"),
        ({"kind": "index", "folders": "/etc"}, 400, "no job"),
    ):
        answer = call(client, "POST", "/jobs", json=body)
        assert answer.status_code == status and words in answer.json["detail"], (body, answer.json)
    assert call(client, "POST", "/setup/leave-demo").status_code == 409


def test_a_run_that_fails_is_said_in_words_of_a_page(opened: Any, tmp_path: Path) -> None:
    """One that makes a library is in the browser's tests."""
    opening, client = opened()
    script = "import json; print(json.dumps({'problem': {'detail': 'the disk is full', 'hint': 'run `imgsearch x`'}}))"
    opening.runs._command = [sys.executable, "-c", script + "; raise SystemExit(4)"]
    body = {"kind": "index", "model": "mini", "folders": [str(tmp_path / "home" / "photos")]}
    assert call(client, "POST", "/jobs", json=body).status_code == 202
    assert opening.runs.get(1).join(30)
    told = call(client, "GET", "/setup").json
    assert told["ready"] is False and told["job"]["state"] == "failed"
    assert told["job"]["problem"] == {"detail": "the disk is full", "hint": ""}


def test_folders_are_added_to_a_library_only_by_its_owner(make_shelf: Callable[..., Any], tmp_path: Path) -> None:
    shelf = make_shelf(["red one.png"])
    client: FlaskClient = shelf.programs
    body = {"kind": "index", "folders": [str(tmp_path / "elsewhere")]}
    refused = client.post("/api/v1/jobs", json=body)
    assert refused.status_code == 403 and "no folders that a page names" in refused.get_json()["detail"]
    assert client.post("/api/v1/setup/folders", json={}).status_code == 403
    assert b"Add a folder" not in client.get("/library").data
    for kind, more in (("pull", {"model": "blip2"}), ("demo", {}), ("index", {"model": "mini"})):
        assert client.post("/api/v1/jobs", json={"kind": kind, **more}).status_code == 409, kind
    told = client.get("/api/v1/setup").get_json()
    assert told["ready"] is True and told["models"] == [] and told["roots"] == []


def test_where_others_come_in_no_folder_is_added_unless_named(tmp_path: Path) -> None:
    from colour_shelf import ColourModel

    with create_store(tmp_path / "library", ColourModel().model_id):
        pass
    settings = Settings(library=tmp_path / "library")
    config = WebConfig(folders=(str(tmp_path),), password_hash=generate_password_hash("four words are enough"))
    parts = ServerParts(settings, config, lambda _: GenerationService(), adds_folders=False)
    with closing(Opening(parts)) as opening:
        assert opening._new_setup(ready=False).rules.roots == (str(tmp_path.resolve()),)
        assert opening._new_setup(ready=True).rules.roots == ()
        assert opening._new_setup(ready=True, demo=True).rules.roots == ()


def test_models_are_told_in_plain_words(monkeypatch: pytest.MonkeyPatch) -> None:
    models.forget_models()
    monkeypatch.setenv("IMGSEARCH_MASK_CPU", "all")
    monkeypatch.setattr(models, "available_bytes", lambda: 3_000_000_000)
    cards = {card["name"]: card for card in models.model_cards()}
    assert cards["mini"]["here"] and not cards["mini"]["photographs"] and cards["mini"]["seconds_each"] > 0
    assert [name for name, card in cards.items() if card["suggested"]] == ["blip2-vitl"]
    assert cards["blip2"]["fits"] == "no" and cards["blip2-vitl"]["fits"] == "tight" and cards["mini"]["fits"] == "yes"
    monkeypatch.setattr(models, "available_bytes", lambda: 1_000_000_000)
    assert not any(card["suggested"] for card in models.model_cards())
    monkeypatch.setattr(models, "available_bytes", lambda: None)
    assert {card["fits"] for card in models.model_cards()} == {"unknown"}


def test_tuned_models_are_offered_and_may_be_chosen(
    opened: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from imgsearch.model.checkpoints.resolve import shipped_folder

    lineage = tmp_path / "data" / "imgsearch" / "tuned-models.json"
    monkeypatch.setattr("imgsearch.tuning.lineage._list_file", lambda: lineage)
    gain = {"way": "text to image", "score": "itm", "at": 1, "before": 20.0, "after": 61.6, "verdict": "better"}
    about = {"kind": "retrieval", "base": "mini", "made_at": "2026-11-27T10:00:00+00:00", "pairs": {"pictures": 1240}}
    told = {
        "My photos/model": about | {"gains": {"withheld": [gain]}},
        "captions/model": about | {"kind": "captions"},
        "again": about | {"base": str(tmp_path / "My photos/model"), "pairs": None, "made_at": 3, "gains": []},
        "damaged": about,
    }
    for name, one in reversed(told.items()):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copytree(shipped_folder(), tmp_path / name)
        write_lineage(tmp_path / name, one)
    (tmp_path / "damaged" / "config.json").write_text("{")
    _, client = opened()
    cards = {card["name"]: card for card in call(client, "GET", "/setup").json["models"]}
    mine, again = (cards[str(tmp_path / name)] for name in ("My photos/model", "again"))
    assert mine["title"] == "My photos" and mine["here"] and mine["runs"] and not mine["suggested"]
    assert mine["memory_bytes"] == again["memory_bytes"] == cards["mini"]["memory_bytes"]
    assert mine["about"] == (
        "Tuned from the small model with 1,240 pictures on 27 November 2026. "
        "62 of 100 texts find their own picture first among those kept aside, 20 before."
    )
    assert again["about"].startswith("Tuned from ") and not again["photographs"]
    assert not {str(tmp_path / name) for name in ("captions/model", "damaged")} & cards.keys()
    begun = {"kind": "estimate", "folders": [str(tmp_path / "home")]}
    for name, status in ((mine["name"], 202), (str(tmp_path / "captions/model"), 400), (str(shipped_folder()), 400)):
        assert call(client, "POST", "/jobs", json=begun | {"model": name}).status_code == status, name
    assert call(client, "POST", "/jobs", json={"kind": "pull", "model": mine["name"]}).status_code == 400
    assert client.get("/", headers=PAGE | WITH_TOKEN).data.count(b"My photos") > 1


def test_a_model_that_cannot_be_fetched_is_said_without_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(name: str, told: Any) -> None:
        raise ModelUnavailable("a/b cannot be fetched: huggingface.co does not answer (ConnectError)", "imgsearch x")

    monkeypatch.setattr(models, "pull_model", refuse)
    with pytest.raises(ModelUnavailable) as raised:
        models.fetch_model("blip2", lambda *_: None)
    assert raised.value.message == "the model cannot be fetched: huggingface.co does not answer"
    assert "online" in raised.value.hint and "imgsearch" not in raised.value.hint


def test_an_estimate_for_a_model_that_is_not_here_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    paint(tmp_path / "photos" / "red one.png", 1)
    (tmp_path / "photos" / "notes.txt").touch()
    told = estimate(tmp_path / "library", [str(tmp_path / "photos")], "blip2-vitl", _Silent())
    assert (told["seen"], told["to_read"], told["measured"]) == (1, 1, False) and told["seconds"] > 0
    assert told["disk_bytes"] > 16_000 and told["notes"] == ["Left out: 1 file that is no picture (.txt 1)."]
    assert not (tmp_path / "library").exists()


class _Silent:
    def __call__(self, stage: str, done: int, total: int) -> None: ...

    def say(self, text: str) -> None: ...

    def close(self) -> None: ...


def test_the_demo_s_scenes_are_drawn_once_and_whole(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    drawn = draw_demo(tmp_path / "demo" / "pictures", lambda *now: told.append(now), count=4)
    names = sorted(path.name for path in drawn.iterdir())
    assert len(names) == 4 and told[-1] == ("drawing", 4, 4)
    assert [path.name for path in (tmp_path / "demo").iterdir()] == ["pictures"]
    assert draw_demo(tmp_path / "demo" / "pictures", lambda *_: None, count=9) == drawn
    assert sorted(path.name for path in drawn.iterdir()) == names


def test_a_library_that_another_process_made_is_noticed(opened: Any, tmp_path: Path) -> None:
    opening, client = opened()
    opened_by: list[Path] = []
    opening.open_library = lambda library, **_: opened_by.append(library)
    opening._shows_something = lambda library, **_: True
    assert client.get("/", headers=PAGE | WITH_TOKEN).status_code == 200 and not opened_by
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "catalog.db").touch()
    client.get("/", headers=PAGE | WITH_TOKEN)
    assert opened_by == [tmp_path / "library"]
