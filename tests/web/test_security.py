"""Who may come in, and what every answer says to the browser."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from werkzeug.routing import Rule

from imgsearch.errors import StorageFull, UsageError
from web import create_app
from web.config import WebConfig
from web.http.access import FILE_NAME, Access, hash_token, knows_token, read_access, write_access
from web.http.routes.login import ATTEMPTS, WINDOW_S, Attempts
from web.http.security import local_path

PASSWORD = "correct horse battery"
ACCESS = Access().with_password(PASSWORD)
TOKEN = "t" * 40
OPEN = {"/login", "/healthz", "/readyz", "/static/<path:filename>"}


@pytest.fixture(scope="module")
def guarded(shelf: Any) -> Flask:
    """An app with a password and a token."""
    config = WebConfig(
        hosts=("localhost", "photos.example"),
        password_hash=ACCESS.password_hash,
        token_hashes=(hash_token("other"), hash_token(TOKEN)),
        secret_key=b"s" * 32,
    )
    return create_app(shelf.service, config)


@pytest.fixture
def browser(guarded: Flask) -> Iterator[FlaskClient]:
    """Logged in by nobody yet; failed attempts of earlier tests are forgotten."""
    guarded.extensions.pop("imgsearch.attempts", None)
    client = guarded.test_client()
    client.environ_base["HTTP_ACCEPT"] = "text/html"
    yield client


def csrf_of(client: FlaskClient, path: str = "/login") -> str:
    found = re.search(r'name="csrf[_-]token" (?:value|content)="([^"]+)"', client.get(path).text)
    assert found is not None
    return found[1]


def log_in(client: FlaskClient, password: str = PASSWORD, **form: str) -> Any:
    form.setdefault("csrf_token", csrf_of(client))
    return client.post("/login", data={"password": password, **form})


def address(rule: Rule) -> str:
    return re.sub(r"<(?:int:)?[^>]+>", "1", rule.rule)


def test_without_a_login_no_route_answers_but_the_open_ones(guarded: Flask, browser: FlaskClient) -> None:
    rules = [rule for rule in guarded.url_map.iter_rules() if rule.rule not in OPEN]
    assert len(rules) > 15
    for rule in rules:
        for method in (rule.methods or set()) - {"OPTIONS"}:
            for accept in ("text/html", "application/json"):
                answer = browser.open(address(rule), method=method, headers={"Accept": accept})
                sent_on = answer.status_code == 302 and answer.location.startswith("/login?next=")
                assert answer.status_code == 401 or sent_on, (method, rule.rule, answer.status_code)
                assert sent_on == (accept == "text/html" and method in ("GET", "HEAD") and "/api/" not in rule.rule)
                assert b"red one" not in answer.data


@pytest.mark.parametrize(
    "value", ["Bearer wrong", "Bearer", "Bearer ", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer \xff"]
)
def test_a_wrong_token_opens_nothing(guarded: Flask, value: str) -> None:
    answer = guarded.test_client().get("/api/v1/status", headers={"Authorization": value})
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert answer.get_json()["title"] == "Unauthorized"


def test_a_token_opens_the_api_and_needs_no_csrf_token(guarded: Flask) -> None:
    client = guarded.test_client()
    headers = {"Authorization": f"bearer {TOKEN}"}
    assert client.get("/api/v1/search?q=red", headers=headers).status_code == 200
    assert client.post("/api/v1/jobs", json={"kind": "nonsense"}, headers=headers).status_code == 400


def test_the_password_opens_everything_until_logout(browser: FlaskClient) -> None:
    answer = log_in(browser, next="/library?x=1")
    assert (answer.status_code, answer.location) == (302, "/library?x=1")
    cookie = answer.headers["Set-Cookie"]
    assert "HttpOnly" in cookie and "SameSite=Lax" in cookie and "Secure" not in cookie
    assert browser.get("/api/v1/search?q=red").status_code == 200
    assert browser.get("/login").status_code == 302
    assert browser.post("/logout").status_code == 403
    token = csrf_of(browser, "/library")
    assert browser.post("/logout", data={"csrf_token": token}).status_code == 302
    assert browser.get("/api/v1/search?q=red").status_code == 401


def test_over_https_the_cookie_is_sent_over_nothing_else(shelf: Any) -> None:
    config = WebConfig(password_hash=ACCESS.password_hash, secret_key=b"s" * 32, secure_cookie=True)
    client = create_app(shelf.service, config).test_client()
    assert "Secure" in client.get("/login").headers["Set-Cookie"]


def test_another_password_ends_the_sessions_of_the_one_before(shelf: Any, browser: FlaskClient) -> None:
    log_in(browser)
    (cookie,) = browser._cookies.values()
    config = WebConfig(password_hash=Access().with_password("another one").password_hash, secret_key=b"s" * 32)
    other = create_app(shelf.service, config).test_client()
    other.set_cookie(cookie.key, cookie.value)
    assert other.get("/api/v1/search?q=red").status_code == 401
    assert ACCESS.with_password("another one").secret_key != ACCESS.secret_key


@pytest.mark.parametrize("password", ["", "wrong", PASSWORD + " ", PASSWORD.upper(), "x" * 100_000, "\udcff", "\0"])
def test_a_wrong_password_opens_nothing(browser: FlaskClient, password: str) -> None:
    answer = log_in(browser, password.encode("utf-8", "surrogateescape").decode("latin-1"))
    assert answer.status_code in (401, 413) and (answer.status_code == 413 or b"not the password" in answer.data)
    assert browser.get("/api/v1/search?q=red").status_code == 401


def test_too_many_wrong_passwords_are_refused_even_the_right_one(browser: FlaskClient) -> None:
    token = csrf_of(browser)
    for _ in range(ATTEMPTS):
        assert log_in(browser, "wrong", csrf_token=token).status_code == 401
    answer = log_in(browser, csrf_token=token)
    assert answer.status_code == 429 and 0 < int(answer.headers["Retry-After"]) <= WINDOW_S
    elsewhere = browser.post(
        "/login", data={"password": PASSWORD, "csrf_token": token}, environ_base={"REMOTE_ADDR": "192.0.2.7"}
    )
    assert elsewhere.status_code == 302


def test_attempts_are_forgotten_after_the_window_and_bounded() -> None:
    now = [0.0]
    attempts = Attempts(lambda: now[0])
    for _ in range(ATTEMPTS):
        assert attempts.wait_s("a") == 0
        attempts.failed("a")
        now[0] += 1
    assert attempts.wait_s("a") == WINDOW_S - ATTEMPTS and attempts.wait_s("b") == 0
    now[0] += WINDOW_S - ATTEMPTS
    assert attempts.wait_s("a") == 0
    for number in range(5000):  # many addresses: they are bounded, and together they are slowed down
        attempts.failed(f"address {number}")
    assert len(attempts._failed) <= 1000 and attempts.wait_s("new") > 0
    now[0] += WINDOW_S
    assert attempts.wait_s("new") == 0 and not attempts._failed


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "", "localhost@evil.example", "a b", "é"])
def test_a_host_that_is_not_ours_is_refused(shelf: Any, host: str) -> None:
    for path in ("/", "/api/v1/search?q=red", "/login", "/readyz", "/static/css/base.css"):
        answer = shelf.client.get(path, environ_overrides={"HTTP_HOST": host})
        assert answer.status_code == 400, (host, path)
        assert b"red one" not in answer.data


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8765", "photos.example:80", "127.0.0.1", "[::1]:9", "192.0.2.1"]
)
def test_our_names_and_addresses_are_answered(guarded: Flask, host: str) -> None:
    assert guarded.test_client().get("/readyz", environ_overrides={"HTTP_HOST": host}).status_code == 200


def test_the_probe_for_life_answers_whatever_the_host(shelf: Any) -> None:
    assert shelf.client.get("/healthz", headers={"Host": "10.1.2.3.cluster"}).data == b"ok\n"


@pytest.mark.parametrize("method", ["POST", "DELETE", "PUT", "PATCH"])
def test_a_change_without_the_pages_token_is_refused(shelf: Any, method: str) -> None:
    for path in ("/api/v1/jobs", "/api/v1/jobs/1", "/logout", "/login"):
        for headers in ({}, {"X-CSRF-Token": "wrong"}, {"X-CSRF-Token": ""}):
            answer = shelf.client.open(path, method=method, headers=headers)
            assert answer.status_code in (403, 405), (path, answer.status_code)


def test_a_change_with_the_pages_token_is_taken(shelf: Any) -> None:
    client = shelf.app.test_client()
    token = csrf_of(client, "/library")
    answer = client.post("/api/v1/jobs", json={"kind": "nonsense"}, headers={"X-CSRF-Token": token})
    assert answer.status_code == 400
    stranger = shelf.app.test_client()
    answer = stranger.post("/api/v1/jobs", json={"kind": "index"}, headers={"X-CSRF-Token": token})
    assert answer.status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_other_sites_may_link_here_and_nothing_else(shelf: Any, site: str) -> None:
    link = {"Sec-Fetch-Site": site, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document", "Accept": "text/html"}
    assert shelf.client.get("/", headers=link).status_code == 200
    for changed in ({"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, {"Sec-Fetch-Dest": "iframe"}):
        for path in ("/", "/api/v1/search?q=red", "/api/v1/pictures/1/thumbnail"):
            assert shelf.client.get(path, headers=link | changed).status_code == 403
    assert shelf.client.post("/api/v1/search", headers=link).status_code == 403


def test_a_form_of_another_site_is_refused(shelf: Any) -> None:
    for origin in ("https://evil.example", "null", "http://localhost:1234"):
        answer = shelf.client.post("/api/v1/search", data={"q": "red"}, headers={"Origin": origin})
        assert answer.status_code == 403, origin
    assert (
        shelf.client.post("/api/v1/search", data={"q": "red"}, headers={"Origin": "http://localhost"}).status_code < 403
    )


@pytest.mark.parametrize("path", ["/", "/login", "/library", "/nowhere", "/api/v1/nowhere", "/healthz", "/metrics"])
def test_every_answer_carries_the_rules(shelf: Any, path: str) -> None:
    headers = shelf.client.get(path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy
    assert headers["X-Content-Type-Options"] == "nosniff" and headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers.getlist("Access-Control-Allow-Origin") == []
    assert "Python" not in headers.get("Server", "")


@pytest.mark.parametrize("path", ["/", "/library", "/pictures/1", "/duplicates", "/nowhere"])
def test_no_page_holds_a_script_or_a_style_of_its_own(shelf: Any, path: str) -> None:
    page = shelf.client.get(path, headers={"Accept": "text/html"}).text
    assert page.lower().lstrip().startswith("<!doctype html>")
    assert not re.findall(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", page, re.IGNORECASE)
    assert not re.findall(r"(?:src|href|action)=\"(?:https?:)?//", page)


@settings(max_examples=100, deadline=None)
@given(
    st.one_of(
        st.text(), st.sampled_from(["//evil.example", "/\\evil.example", "https:evil", "/\t/evil.example", "/ok?a=b"])
    )
)
def test_a_login_leads_to_a_path_of_this_site_only(target: str) -> None:
    found = local_path(target)
    assert found.startswith("/") and not found.startswith(("//", "/\\")) and not set("\t\r\n") & set(found)


def test_access_is_kept_as_hashes_readable_by_its_owner_alone(tmp_path: Path) -> None:
    access = read_access(tmp_path)
    assert access.password_hash is None and len(bytes.fromhex(access.secret_key)) == 32
    access, token = access.with_password(PASSWORD).with_new_token()
    write_access(tmp_path, access)
    path = tmp_path / FILE_NAME
    assert path.stat().st_mode & 0o777 == 0o600
    assert PASSWORD not in path.read_text() and token not in path.read_text() and "scrypt" in path.read_text()
    again = read_access(tmp_path)
    assert again == access
    assert knows_token(again.token_hashes, token) and not knows_token(again.token_hashes, token[:-1])
    with pytest.raises(UsageError, match="7 characters"):
        access.with_password("1234567")


@pytest.mark.parametrize(
    "content", ["", "[]", "{", '{"password_hash": 3, "token_hashes": [], "secret_key": "00"}', '{"secret_key": "zz"}']
)
def test_a_damaged_access_file_lets_nobody_in(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(UsageError, match="cannot be read"):
        read_access(tmp_path)


def test_a_folder_that_takes_no_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(StorageFull, match="cannot be written"):
        write_access(tmp_path / "gone", Access(secret_key="00" * 32))


def test_a_fault_of_ours_tells_the_client_nothing(make_shelf: Callable[..., Any], monkeypatch: Any) -> None:
    shelf = make_shelf()
    monkeypatch.setattr(shelf.service, "search", lambda *_: 1 / 0)
    answer = shelf.client.get("/api/v1/search?q=red")
    assert answer.status_code == 500 and answer.content_type == "application/problem+json"
    assert "ZeroDivision" not in answer.text and "Traceback" not in answer.text
    assert set(json.loads(answer.text)) == {"type", "title", "status", "detail"}
