"""Alternative texts in sidecars and pages: what was there stays, byte by byte."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgsearch.captions.alt_text import keep_original, plan_sidecar
from imgsearch.captions.pages import describe_page
from imgsearch.dedup.quarantine.new_files import NewFile
from imgsearch.dedup.quarantine.rewrite import rewrite_files
from imgsearch.dedup.quarantine.undo import undo
from imgsearch.errors import UsageError
from imgsearch.media.metadata.xmp import parse_xmp

LI = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}li"
KNOWN = b"""<?xpacket begin='' id='x'?><x:xmpmeta xmlns:x='adobe:ns:meta/'>
<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description r:about='uuid:1'
 xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmp:Rating="4"/></r:RDF></x:xmpmeta><?xpacket end='w'?>"""


def texts(content: bytes) -> list[str | None]:
    return [item.text for item in ElementTree.fromstring(content.strip()).iter(LI)]


@given(text=st.text(min_size=1, max_size=40))
def test_any_text_makes_a_sound_sidecar(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    plan = plan_sidecar(tmp_path_factory.getbasetemp() / "none" / "a.jpg", text)
    assert plan.action == "new" and plan.content is not None and plan.sidecar.name == "a.jpg.xmp"
    (found,) = texts(plan.content)
    assert (found or "") == "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def test_sidecar_that_is_there_gets_one_property_more(tmp_path: Path) -> None:
    sidecar = tmp_path / "a.xmp"
    sidecar.write_bytes(KNOWN)
    plan = plan_sidecar(tmp_path / "a.jpg", 'a "red" <boat> & more')
    assert plan.action == "add" and plan.sidecar == sidecar and sidecar.read_bytes() == KNOWN
    content = plan.content or b""
    sidecar.write_bytes(content)
    place = KNOWN.index(b"</r:RDF>")
    assert content.startswith(KNOWN[:place]) and content.endswith(KNOWN[place:])
    assert texts(content) == ['a "red" <boat> & more'] and b"rdf:about='uuid:1'" in content
    assert parse_xmp(content).properties["xmp:Rating"] == parse_xmp(KNOWN).properties["xmp:Rating"]
    assert plan_sidecar(tmp_path / "a.jpg", "again").action == "leave"


@pytest.mark.parametrize(
    "content",
    [
        b"", b"no xml", KNOWN.replace(b"</x:xmpmeta>", b""), "<a/>".encode("utf-16"),
        b'<?xml version="1.0" encoding="latin-1"?>' + KNOWN, b"<!DOCTYPE a [<!ENTITY b 'c'>]>" + KNOWN, KNOWN + KNOWN,
    ],
)  # fmt: skip
def test_sidecar_that_is_not_understood_is_left(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.jpg.xmp").write_bytes(content)
    plan = plan_sidecar(tmp_path / "a.jpg", "a boat")
    assert plan.action == "leave" and plan.reason
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg.xmp"]
    assert (tmp_path / "a.jpg.xmp").read_bytes() == content


def test_sidecar_that_was_made_meanwhile_is_not_written(tmp_path: Path) -> None:
    (tmp_path / "a.jpg.xmp").write_bytes(KNOWN)
    done = rewrite_files(tmp_path / "kept", [], [NewFile(str(tmp_path / "a.jpg.xmp"), b"new")])
    assert done.made == 0 and "in the meantime" in done.left[0].reason
    undo(tmp_path / "kept")
    assert (tmp_path / "a.jpg.xmp").read_bytes() == KNOWN


def test_originals_do_not_replace_one_another(tmp_path: Path) -> None:
    kept = [keep_original(tmp_path / "a.html", content).name for content in (b"1", b"2", b"1", b"2", b"3")]
    assert kept == ["a.html.bak", "a.html.2.bak", "a.html.bak", "a.html.2.bak", "a.html.3.bak"]


PAGE = """<!doctype html>\r\n<!-- <img src="a.png"> --><script>"<img src='a.png'>"</script>
<IMG
  src=a.png><img src="a%20b.png?x=1#y" class='c'/><img alt="" src="a.png"><img alt src="a.png"><p>é ü</p>
<img src="http://x/a.png"><img src="data:image/png;base64,xx"><img src="gone.png"><img><img srcset="a.png 2x">
<img data-alt="x" src='sub/../a.png' title="a > b">"""


@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "utf-8-sig"])
def test_page_gets_texts_where_there_were_none_and_nothing_else(tmp_path: Path, encoding: str) -> None:
    for name in ("a.png", "a b.png"):
        (tmp_path / name).write_bytes(b"")
    said = {"a.png": 'a "red" boat & ü', "a b.png": "two"}
    content = PAGE.encode(encoding)
    changed, images = describe_page(content, tmp_path, lambda path: said[path.name])
    assert [image.text for image in images] == [said["a.png"], "two", None, None, None, said["a.png"], said["a.png"]]
    umlaut = "&#252;" if encoding == "latin-1" else "ü"
    added = f' alt="a &quot;red&quot; boat &amp; {umlaut}"'
    expected = PAGE.replace("<IMG\n", f"<IMG{added}\n").replace('<img src="a%20', '<img alt="two" src="a%20')
    expected = expected.replace("<img data-alt", f"<img{added} data-alt")
    expected = expected.replace("<img srcset", f"<img{added} srcset")
    assert changed == expected.encode(encoding)
    again, left = describe_page(changed, tmp_path, lambda path: said[path.name])
    assert again == changed and [image.text for image in left] == [None] * 3


@pytest.mark.parametrize(
    ("page", "said"),
    [
        ("<img src='data:image/gif;base64,R0lGODlh' data-src=a.png>", "a"),
        ("<img class=lazy data-original='sub/b.png'>", "b"),
        ("<picture><source srcset='gone.webp, a.png 2x'><img src=gone.jpg></picture><img src=gone.jpg>", "a,"),
        ("<img srcset='data:image/png;base64,xx 1x,sub/b.png 2x'>", "b"),
        ("<base href='sub/'><base href='gone/'><img src=b.png><img src=/a.png><img src=a.png>", "b,a,"),
        ("<img src=b.png><base href='sub/index.html'>", "b"),
        ("<base href='https://example.org/'><img src=a.png>", ""),
        ("<img src='.\\sub\\b.png'>", "b"),
        ("<img src='HERE/a.png'><img src='file://elsewhere/a.png'>", "a,"),
        ("<img src='f%C3%BCr.png'><img src='f&uuml;r.png'>", "ü,ü"),
        (f"<img src='{'a' * 300}.png'><img src='a%00.png'><img src='http://['>", ",,"),
        ("<textarea><img src=a.png></textarea><title><img src=a.png></title><IMG SRC=a.png>", "a"),
    ],
)
def test_odd_sources_are_found_as_a_browser_finds_them(tmp_path: Path, page: str, said: str) -> None:
    (tmp_path / "sub").mkdir()
    texts_of = {"a.png": "a", "für.png": "ü", "sub/b.png": "b"}
    for name in texts_of:
        (tmp_path / name).write_bytes(b"")
    page = page.replace("HERE", tmp_path.as_uri())
    _, images = describe_page(page.encode(), tmp_path, lambda path: texts_of[str(path.relative_to(tmp_path))])
    assert ",".join(image.text or "" for image in images) == said


@pytest.mark.parametrize(
    ("encoding", "declared", "written"),
    [
        ("cp1251", "windows-1251", "&#1083;"), ("shift_jis", "Shift_JIS", "&#1083;"), ("utf-8", "utf-8", "л"),
        ("ascii", "", "&#1083;"), ("utf-8", "iso-8859-1", "&#1083;"), ("cp1251", "no-such", "&#1083;"),
    ],
)  # fmt: skip
def test_letters_of_a_page_are_read_and_written_in_its_encoding(
    tmp_path: Path, encoding: str, declared: str, written: str
) -> None:
    name = "a.png" if declared in ("", "iso-8859-1", "no-such") else "л.png"
    (tmp_path / name).write_bytes(b"")
    page = f'<meta http-equiv=Content-Type content="text/html; charset={declared}"><img src="{name}">'.encode(encoding)
    changed, images = describe_page(page, tmp_path, lambda _: "л")
    assert [image.source for image in images] == [name]
    assert changed == page.replace(b"<img", f'<img alt="{written}"'.encode())


@pytest.mark.parametrize("page", [PAGE.encode("utf-16"), b"<meta charset='iso-2022-jp'><img src=a.png>"])
def test_page_that_does_not_hold_ascii_is_refused(tmp_path: Path, page: bytes) -> None:
    with pytest.raises(UsageError, match=r"UTF-16|iso-2022-jp"):
        describe_page(page, tmp_path, lambda _: "x")


@given(content=st.binary(max_size=80).map(lambda tail: b"<img src=a><IMG" + tail))
def test_any_page_without_captions_stays_as_it_is(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    assert describe_page(content, tmp_path_factory.getbasetemp(), lambda _: None)[0] == content
