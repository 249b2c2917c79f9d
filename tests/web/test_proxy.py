"""Behind a proxy: prefixes, ports that are left out, forwarded headers, and nginx itself with the documented lines."""

from __future__ import annotations

import http.client
import json
import re
from pathlib import Path
from typing import Any

import pytest
from behind_nginx import nginx, serving
from werkzeug.security import generate_password_hash

from imgsearch.errors import UsageError
from web import create_app
from web.config import WebConfig
from web.http.proxy import read_prefix, same_site

KEY = b"k" * 32
ROOT = Path(__file__).parents[2]
LINKS = re.compile(r'(?:href|src|action|srcset)="(/[^"]*)"')


def client(shelf: Any, **options: Any) -> Any:
    return create_app(shelf.service, WebConfig(secret_key=KEY, **options)).test_client()


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://photos.example:8080", "photos.example", True),
        ("https://photos.example", "photos.example", True),
        ("https://photos.example", "photos.example:443", True),
        ("https://photos.example:443", "photos.example", True),
        ("http://photos.example", "photos.example:80", True),
        ("http://PHOTOS.example:8080", "photos.example:8080", True),
        ("http://[::1]:8765", "[::1]:8765", True),
        ("http://192.168.1.5:8080", "192.168.1.5", True),
        ("http://127.0.0.1:8765", "127.0.0.1:8765", True),
        ("http://127.0.0.1:9999", "127.0.0.1:8765", False),
        ("http://localhost:1234", "localhost", False),
        ("http://127.0.0.1:1234", "127.0.0.1", False),
        ("http://photos.example:8081", "photos.example:8080", False),
        ("https://photos.example", "photos.example:80", False),
        ("https://evil.example", "photos.example", False),
        ("https://photos.example.evil.example", "photos.example", False),
        ("https://photos.example@evil.example", "photos.example", False),
        ("null", "photos.example", False),
        ("", "photos.example", False),
        ("file://", "photos.example", False),
        ("http://photos.example:99999", "photos.example", False),
        ("ftp://photos.example", "photos.example", False),
    ],
)
def test_origins_are_ours_with_and_without_their_port(origin: str, host: str, same: bool) -> None:
    assert same_site(origin, host) is same


@pytest.mark.parametrize("host", ["photos.example", "photos.example:443", "PHOTOS.example", "photos.example."])
def test_a_name_that_was_allowed_counts_with_any_port(shelf: Any, host: str) -> None:
    page = client(shelf, hosts=("photos.example",))
    assert page.get("/", headers={"Host": host}).status_code == 200
    assert page.get("/", headers={"Host": f"evil.{host}"}).status_code == 400


@pytest.mark.parametrize(
    ("given", "prefix"),
    [("", ""), ("/", ""), ("photos", "/photos"), ("/photos/", "/photos"), ("/a/b-c_d.e~f", "/a/b-c_d.e~f")],
)
def test_a_prefix_is_read_with_and_without_slashes(given: str, prefix: str) -> None:
    assert read_prefix(given) == prefix


@pytest.mark.parametrize(
    "given", ["/a b", "/a//b", "/../x", "/a?b", "//evil.example/x/../y", "/é", '/"><script>', "/a/./b"]
)
def test_a_prefix_that_is_no_path_is_refused(given: str) -> None:
    with pytest.raises(UsageError, match="prefix"):
        read_prefix(given)


@pytest.mark.parametrize("path", ["/?q=red", "/library", "/duplicates", "/pictures/1", "/?q=nothing+like+it"])
def test_every_link_of_a_page_begins_with_the_prefix(shelf: Any, path: str) -> None:
    page = client(shelf, prefix="/photos")
    for asked in (f"/photos{path}", path):  # whether the proxy passes the prefix on or not
        answer = page.get(asked)
        links = LINKS.findall(answer.text)
        assert len(links) > 5 and all(link.startswith("/photos/") for link in links), links
        assert 'data-root="/photos"' in answer.text


def test_every_link_of_the_api_begins_with_the_prefix(shelf: Any) -> None:
    page = client(shelf, prefix="/photos")
    answer = page.get("/photos/api/v1/search?q=red").get_json()
    hit = answer["hits"][0]
    picture = page.get(f"/photos/api/v1/pictures/{hit['image_id']}").get_json()
    named = [
        hit["page"],
        hit["thumbnail"],
        *(picture[name] for name in ("page", "thumbnail", "large", "original", "match")),
    ]
    assert all(link.startswith("/photos/") for link in named)
    assert page.get(hit["thumbnail"]).mimetype == "image/webp"
    events = page.get("/photos/api/v1/search/stream?q=red").text
    data = [json.loads(line[6:]) for line in events.splitlines() if line.startswith("data: ")]
    assert data[-1]["hits"][0]["thumbnail"] == hit["thumbnail"]
    assert page.get("/photos/api/v1/openapi.json").get_json()["servers"] == [{"url": "/photos/"}]
    with page.get("/photos/static/js/dom.js") as script:
        assert script.status_code == 200
    assert page.get("/photos?q=red").headers["Location"] == "/photos/?q=red"
    assert page.get("/photosophy").status_code == 404


def test_a_login_stays_behind_the_prefix(shelf: Any) -> None:
    page = client(shelf, prefix="/photos", password_hash=generate_password_hash("four random words"))
    sent = page.get("/photos/library?x=1", headers={"Accept": "text/html"})
    assert sent.headers["Location"] == "/photos/login?next=/photos/library%3Fx%3D1"
    form = page.get(sent.headers["Location"])
    csrf = re.search(r'name="csrf_token" value="([^"]+)"', form.text)
    assert csrf is not None and 'action="/photos/login"' in form.text
    cookie = form.headers["Set-Cookie"]
    assert "Path=/photos" in cookie
    given = {"password": "four random words", "next": "/photos/library?x=1", "csrf_token": csrf[1]}
    assert page.post("/photos/login", data=given).headers["Location"] == "/photos/library?x=1"
    assert page.get("/photos/library").status_code == 200
    evil = page.post("/photos/login", data={**given, "next": "//evil.example"})
    assert evil.status_code == 403 or evil.headers["Location"] == "/photos/"


def test_forwarded_headers_count_only_when_told(shelf: Any) -> None:
    sent = {
        "Host": "127.0.0.1:8765",
        "X-Forwarded-Host": "photos.example",
        "X-Forwarded-For": "10.9.9.9, 203.0.113.7",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Prefix": "/evil",
        "X-Forwarded-Port": "99",
    }
    said: dict[bool, Any] = {}
    for proxy in (False, True):
        app = create_app(shelf.service, WebConfig(hosts=("photos.example",), secret_key=KEY, proxy=proxy))

        @app.get("/said")
        def told() -> Any:
            from flask import request

            return {
                "host": request.host,
                "from": request.remote_addr,
                "scheme": request.scheme,
                "root": request.script_root,
            }

        said[proxy] = app.test_client().get("/said", headers=sent).get_json()
    assert said[False] == {"host": "127.0.0.1:8765", "from": "127.0.0.1", "scheme": "http", "root": ""}
    assert said[True] == {"host": "photos.example", "from": "203.0.113.7", "scheme": "https", "root": ""}


def test_a_forwarded_host_must_be_ours_too(shelf: Any) -> None:
    page = client(shelf, proxy=True, hosts=("photos.example",))
    sent = {"Host": "127.0.0.1", "X-Forwarded-Host": "evil.example"}
    assert page.get("/", headers=sent).status_code == 400


def test_the_server_drops_forwarded_headers_unless_told(shelf: Any) -> None:
    for proxy in (False, True):
        app = create_app(shelf.service, WebConfig(secret_key=KEY))

        @app.get("/said")
        def told() -> Any:
            from flask import request

            return {name.lower(): value for name, value in request.headers if name.lower().startswith("x-forwarded")}

        with serving(app, proxy=proxy) as port:
            asked = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            asked.request("GET", "/said", headers={"X-Forwarded-For": "10.0.0.1", "X-Forwarded-Proto": "https"})
            found = json.loads(asked.getresponse().read())
            asked.close()
        assert bool(found) is proxy


def documented(prefix: str, port: int, *, stripped: bool) -> str:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    found = re.search(rf"<!-- nginx: {prefix or '/'} -->\n((?:    .*\n)+)", text)
    assert found is not None
    return found[1].replace("127.0.0.1:8765;", f"127.0.0.1:{port}{'/' if stripped else ''};")


@pytest.mark.parametrize(("prefix", "stripped"), [("", False), ("/photos", False), ("/photos", True)])
def test_the_documented_lines_work_with_nginx(shelf: Any, tmp_path: Path, prefix: str, stripped: bool) -> None:
    config = WebConfig(hosts=("photos.example",), secret_key=KEY, proxy=True, prefix=prefix)
    app = create_app(shelf.service, config)
    with serving(app, proxy=True) as behind, nginx(tmp_path, documented(prefix, behind, stripped=stripped)) as port:
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

        def ask(method: str, path: str, body: bytes | None = None, **headers: str) -> tuple[Any, bytes]:
            asked.request(method, prefix + path, body, {"Host": f"photos.example:{port}", **headers})
            answer = asked.getresponse()
            return answer, answer.read()

        answer, page = ask("GET", "/?q=red")
        links = LINKS.findall(page.decode())
        assert answer.status == 200 and len(links) > 5
        for link in {re.split(r"[?# ]", one)[0] for one in links}:
            assert link.startswith(f"{prefix}/")
            assert ask("GET", link.removeprefix(prefix))[0].status == 200, link
        hit = json.loads(ask("GET", "/api/v1/search?q=red")[1])["hits"][0]
        assert hit["thumbnail"].startswith(f"{prefix}/api/v1/pictures/")
        answer, events = ask("GET", "/api/v1/search/stream?q=red")
        assert answer.headers["Content-Type"].startswith("text/event-stream") and b"event: itm" in events
        picture = next(path for path in shelf.photos.rglob("red one.png")).read_bytes() + bytes(2_000_000)
        body = b"--x\r\nContent-Disposition: form-data; name=image; filename=a\r\n\r\n" + picture + b"\r\n--x--\r\n"
        kind = {"Content-Type": "multipart/form-data; boundary=x"}
        own = f"http://photos.example:{port}"
        answer, found = ask("POST", "/api/v1/search", body, Origin=own, **kind)
        assert answer.status == 200 and "red" in json.loads(found)["hits"][0]["name"]
        assert ask("POST", "/api/v1/search", body, Origin="http://evil.example", **kind)[0].status == 403
        answer, refused = ask("POST", "/api/v1/jobs", b"{}", Origin=own, **{"Content-Type": "application/json"})
        assert answer.status == 403 and b"own token" in refused
        asked.close()
