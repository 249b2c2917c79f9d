"""Ports that a proxy leaves out of the Host header or puts into it."""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import Any

import pytest
from behind_nginx import nginx, serving

from web import create_app
from web.config import WebConfig
from web.http.proxy import same_site

KEY = b"k" * 32


@pytest.mark.parametrize(
    ("origin", "host", "same"),
    [
        ("http://localhost:8765", "localhost", True),
        ("http://127.0.0.1:8765", "127.0.0.1", True),
        ("http://[::1]:8765", "[::1]", True),
        ("http://localhost", "localhost", True),
        ("http://localhost", "localhost:8765", True),
        ("https://photos.example", "photos.example:8765", True),
        ("http://localhost:8766", "localhost", False),
        ("http://localhost:3000", "localhost:8765", False),
        ("http://localhost", "localhost:3000", False),
        ("http://localhost:80", "localhost:8765", False),
        ("http://localhost", "127.0.0.1:8765", False),
        ("http://127.0.0.1:8765", "localhost", False),
        ("http://evil.example", "localhost:8765", False),
        ("http://evil.example:8765", "localhost", False),
        ("null", "localhost", False),
    ],
)
def test_a_port_that_is_left_out_may_be_the_server_s_own(origin: str, host: str, same: bool) -> None:
    assert same_site(origin, host, 8765) is same


def test_the_server_s_own_port_is_what_it_listens_at(shelf: Any) -> None:
    """Not what a header says."""
    image = next(path for path in shelf.photos.rglob("red one.png")).read_bytes()
    body = b"--x\r\nContent-Disposition: form-data; name=image; filename=a\r\n\r\n" + image + b"\r\n--x--\r\n"
    app = create_app(shelf.service, WebConfig(secret_key=KEY, proxy=True))
    with serving(app, proxy=True) as port:

        def post(origin: str, host: str, **headers: str) -> int:
            asked = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
            kind = {"Content-Type": "multipart/form-data; boundary=x", "Host": host, "Origin": origin}
            asked.request("POST", "/api/v1/search", body, {**kind, **headers})
            status = asked.getresponse().status
            asked.close()
            return status

        assert post(f"http://localhost:{port}", "localhost") == 200
        assert post("http://localhost", f"localhost:{port}") == 200
        assert post("http://localhost:3000", "localhost") == 403
        assert post("http://localhost:3000", "localhost", **{"X-Forwarded-Port": "3000"}) == 403
        assert post("http://localhost:3000", "x", **{"X-Forwarded-Host": "localhost"}) == 403
        assert post(f"http://localhost:{port}", "localhost", **{"Sec-Fetch-Site": "same-site"}) == 403
        assert post(f"http://evil.example:{port}", "evil.example") == 400


@pytest.mark.parametrize(
    ("passed", "origin"), [("$host", "http://localhost:{}"), ("$host:$proxy_port", "http://localhost")]
)
def test_nginx_may_leave_out_or_put_in_our_port(shelf: Any, tmp_path: Path, passed: str, origin: str) -> None:
    """A page of this machine by a name without its port, as nginx's ``$host`` has it."""
    app = create_app(shelf.service, WebConfig(secret_key=KEY))
    picture = next(path for path in shelf.photos.rglob("red one.png")).read_bytes()
    body = b"--x\r\nContent-Disposition: form-data; name=image; filename=a\r\n\r\n" + picture + b"\r\n--x--\r\n"
    with serving(app, proxy=False) as behind:
        lines = f"location / {{ proxy_pass http://127.0.0.1:{behind}; proxy_set_header Host {passed}; }}\n"
        with nginx(tmp_path, lines) as port:
            asked = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            for page, status in ((origin.format(behind), 200), ("http://localhost:3000", 403), ("null", 403)):
                kind = {"Content-Type": "multipart/form-data; boundary=x", "Host": "localhost", "Origin": page}
                asked.request("POST", "/api/v1/search", body, kind)
                answer = asked.getresponse()
                answer.read()
                assert answer.status == status, page
            asked.close()
