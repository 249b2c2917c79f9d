"""The report, read back with a parser of HTML."""

from __future__ import annotations

import base64
import hashlib
import io
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1]))

from albums import HOSTILE, make_groups, picture

from imgsearch.dedup.evidence.records import Companion, Copy, Group
from imgsearch.dedup.reports import report_page
from imgsearch.dedup.reports.difference import difference_image
from imgsearch.dedup.reports.report import Report, ReportOptions, write_report
from imgsearch.dedup.reports.words import describe_evidence
from imgsearch.errors import UsageError
from imgsearch.records import Failure
from imgsearch.wording import one_line

ALLOWED = {"html", "head", "meta", "title", "style", "body", "header", "main", "section", "h1", "h2", "small", "p"}
ALLOWED |= {"ul", "li", "a", "img", "bdi", "code", "kbd", "details", "summary", "script"}
ALLOWED |= {"table", "thead", "tbody", "tr", "th", "td"}


class Reader(HTMLParser):
    """Texts, tags, and attributes of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "img"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture(scope="module")
def groups(tmp_path_factory: pytest.TempPathFactory) -> list[Group]:
    return make_groups(tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def written(groups: list[Group], tmp_path_factory: pytest.TempPathFactory) -> tuple[Report, Reader]:
    path = tmp_path_factory.mktemp("out") / "report.html"
    failures = [Failure("/photos/bad\n<b>.jpg", "decode", "cut <short>", False, 1, 1)]
    report = write_report(groups, path, failures=failures, options=ReportOptions(notes=("A <note>.",)))
    assert report.size_bytes == path.stat().st_size
    return report, Reader(path.read_text(encoding="utf-8"))


def small(found: list[Group], path: Path, **options: int) -> tuple[Report, str]:
    report = write_report(found, path, options=ReportOptions(**options))  # type: ignore[arg-type]
    return report, path.read_text(encoding="utf-8")


def test_report_holds_every_picture_and_says_why(written: tuple[Report, Reader], groups: list[Group]) -> None:
    report, page = written
    assert not page.open and report.groups == report.shown == len(groups)
    files = sum(1 + len(group.members) for group in groups)
    pictures = [each for each in page.all("img") if not (each["alt"] or "").startswith("Where ")]
    assert len(pictures) == files and all(
        (each["src"] or "").startswith("data:image/webp;base64,") for each in pictures
    )
    for each in page.all("img"):
        kind, _, content = (each["src"] or "").partition(",")
        assert kind == "data:image/webp;base64" and Image.open(io.BytesIO(base64.b64decode(content))).format == "WEBP"
    for group in groups:
        assert group.reason in page.texts and one_line(group.keeper.path) in page.texts
        for member in group.members:
            assert describe_evidence(member.evidence) in page.texts and one_line(member.copy.path) in page.texts


def test_report_asks_nothing_of_the_network_and_takes_no_orders_from_names(written: tuple[Report, Reader]) -> None:
    _, page = written
    assert {tag for tag, _ in page.tags} <= ALLOWED and len(page.all("script")) == 1
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes)
        assert tag not in ("img", "script") or set(attributes) <= {"src", "alt", "width", "height", "loading"}
    targets = [each["href"] or "" for each in page.all("a")]
    assert targets and all(target.startswith(("file:///", "#g")) for target in targets)
    assert any("default-src 'none'" in (each.get("content") or "") for each in page.all("meta"))
    told = "\n".join(page.texts)
    assert "/script>.png" in told and "\u202e" not in told and "blue \\xff three.png" in told
    assert "A <note>." in page.texts and any(text.strip() == "cut <short>" for text in page.texts)


def test_report_policy_allows_its_own_script_and_style_alone(written: tuple[Report, Reader]) -> None:
    _, page = written
    policy = next(each["content"] or "" for each in page.all("meta") if each.get("http-equiv"))
    whole = written[0].path.read_text(encoding="utf-8")
    for tag in ("style", "script"):
        inside = whole.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        assert f"'sha256-{base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()}'" in policy


def test_report_shows_differences_of_whole_saved_copies_alone(written: tuple[Report, Reader]) -> None:
    _, page = written
    assert len(page.all("details")) == 2  # saved again, mirrored; not the crop, the same file, the other scene


def test_report_frees_what_a_plan_moves(written: tuple[Report, Reader], groups: list[Group]) -> None:
    """Neither the scene, which stays, nor the file that has another name."""
    report, _ = written
    expected = {"bytes": 0, "pixels": 0, "perceptual": 0, "near": 0}
    for group in groups:
        for member in group.members:
            if member.evidence.tier in expected and member.copy.links == 1:
                expected[member.evidence.tier] += member.copy.size_bytes
    assert {tier: freed for tier, freed in report.totals.freed_bytes.items() if freed} == expected
    assert {tier: count for tier, count in report.totals.groups.items() if count} == {
        "near": 1,
        "semantic": 1,
        "bytes": 2,
    }


def test_report_says_what_it_leaves_out(groups: list[Group], tmp_path: Path) -> None:
    report, text = small(groups, tmp_path / "r.html", groups=2, members=3)
    assert (report.groups, report.shown) == (4, 2) and "2 further groups are counted" in text
    assert "and 2 more files" in text and text.count('class="group"') == 2
    assert report.totals.files["bytes"] == 1 + len(HOSTILE)
    report, text = small(groups, tmp_path / "r.html", size_bytes=1)
    assert report.shown == 1 and "3 further groups are counted" in text


def test_report_reads_groups_as_a_stream(groups: list[Group], tmp_path: Path) -> None:
    """A group is asked for when all but a few before it have been written."""
    made = written = 0
    gaps = []

    def thumbnails(copy: Copy) -> bytes:
        return b""

    def stream() -> Iterator[Group]:
        nonlocal made
        for _ in range(300):
            made += 1
            gaps.append(made - written)
            yield groups[3]

    whole = report_page.group_html

    def counted(*given: object) -> bytes:
        nonlocal written
        written += 1
        return whole(*given)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_page, "group_html", counted)
        report = write_report(stream(), tmp_path / "r.html", thumbnails, options=ReportOptions(groups=10_000))
    assert report.shown == written == 300 and 2 < max(gaps) <= 17


def test_report_names_files_that_cannot_be_read(groups: list[Group], tmp_path: Path) -> None:
    gone = replace(groups[3].keeper, path=str(tmp_path / "gone & lost.png"))
    changed = replace(groups[0].keeper, facts=replace(groups[0].keeper.facts, content_hash="0" * 64))
    broken = [replace(groups[3], keeper=gone), replace(groups[0], keeper=changed), replace(groups[3], keeper=gone)]
    report, text = small(broken, tmp_path / "r.html")
    assert report.unreadable == 2 and report.shown == 3 and "2 files could not be read" in text
    assert text.count("No picture: the file could not be read") == 3 and "gone &amp; lost.png" in text


def test_report_of_nothing_says_so(tmp_path: Path) -> None:
    report, text = small([], tmp_path / "r.html")
    assert report.groups == 0 and "No duplicates" in text


def test_report_marks_what_is_kept_beside_the_keeper(groups: list[Group], tmp_path: Path) -> None:
    group = groups[0]
    kept = replace(group, members=group.members[1:], kept=(replace(group.members[0], move=False),))
    report, text = small([kept], tmp_path / "r.html")
    assert text.count("Keep: in a reference folder") == 1 and text.count('class="move"') == len(kept.members)
    assert report.totals.files["bytes"] == 0


def test_report_says_why_a_copy_stays_and_what_goes_along(groups: list[Group], tmp_path: Path) -> None:
    first, second, *rest = groups[0].members
    sidecars = tuple(Companion(f"/p/<{number}>.xmp", "0" * 64, 1, 1) for number in range(5))
    staying = replace(first, move=False, stays="it alone has <a film>", companions=sidecars)
    group = replace(groups[0], members=(staying, replace(second, companions=sidecars), *rest))
    _, text = small([group], tmp_path / "r.html")
    page = Reader(text)
    assert page.texts.count("stays: it alone has <a film>") == 1
    assert page.texts.count("go along: <0>.xmp, <1>.xmp, <2>.xmp and 2 more") == 1


def test_report_links_the_groups_of_one_picture(groups: list[Group], tmp_path: Path) -> None:
    """Also to groups that come later; not to those that are left out, and not a group to itself."""
    pictures = [7, 0, 7, 9, 7, 9, 5, 5]
    made = [replace(groups[3], picture=picture) for picture in pictures]
    _, text = small(made, tmp_path / "r.html", groups=7)
    sections = text.split('<section class="group"')[1:]
    told = [re.findall(r'<a href="#g(\d+)">group \1</a>', section) for section in sections]
    assert told == [["3", "5"], [], ["1", "5"], ["6"], ["1", "3"], ["4"], []]
    assert "Also group 3 and group 5 show this picture." in re.sub("<[^>]*>", "", sections[0])
    assert "Also group 6 shows this picture." in re.sub("<[^>]*>", "", sections[3])
    _, plain = small([replace(one, picture=0) for one in made], tmp_path / "p.html", groups=7)
    assert re.sub('<p class="also">.*?</p>', "", text) == plain
    assert not Reader(text).open


def test_report_leaves_the_old_one_when_it_cannot_be_finished(groups: list[Group], tmp_path: Path) -> None:
    (tmp_path / "r.html").write_text("old")

    def stream() -> Iterator[Group]:
        yield groups[0]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_report(stream(), tmp_path / "r.html")
    assert [path.name for path in tmp_path.iterdir()] == ["r.html"] and (tmp_path / "r.html").read_text() == "old"


@pytest.mark.parametrize("name", ["missing/r.html", "."])
def test_report_is_refused_where_no_file_can_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="expected the name of a file"):
        write_report([], tmp_path / name)


def _webp(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "WEBP", lossless=True)
    return file.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_difference_is_dark_where_a_turned_copy_agrees(orientation: int) -> None:
    """The turned copy is made by the opposite of what an EXIF viewer does, pixel by pixel."""
    one = picture(3)
    array = np.asarray(one)
    made = {
        1: array,
        2: array[:, ::-1],
        3: array[::-1, ::-1],
        4: array[::-1],
        5: array.swapaxes(0, 1),
        6: array[:, ::-1].swapaxes(0, 1),
        7: array[::-1, ::-1].swapaxes(0, 1),
        8: array.swapaxes(0, 1)[:, ::-1],
    }[orientation]
    other = Image.fromarray(np.ascontiguousarray(made))
    changed = other.copy()
    changed.paste((255, 255, 255), (0, 0, 10, 10))
    same = np.asarray(Image.open(io.BytesIO(difference_image(_webp(one), _webp(other), orientation))), np.int64)
    marked = np.asarray(Image.open(io.BytesIO(difference_image(_webp(one), _webp(changed), orientation))), np.int64)
    assert same.shape == array.shape and np.abs(same[..., 0] - same[..., 1]).max() < 30
    assert (marked[..., 0] - marked[..., 1]).max() > 150
