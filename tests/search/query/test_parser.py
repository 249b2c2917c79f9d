"""The query language: what people type, and what they mean by it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from imgsearch.errors import UsageError
from imgsearch.records import Clause, Filters
from imgsearch.search.query.description import Query
from imgsearch.search.query.filter_values import FILTERS
from imgsearch.search.query.parser import ParsedQuery, parse, parse_query, without_filter


def clauses(*pairs: tuple[str, Any]) -> Filters:
    return Filters(tuple(Clause(name, value) for name, value in pairs))


@pytest.mark.parametrize(
    ("text", "ask"),
    [
        ("a red boat", ParsedQuery("a red boat")),
        ("  a\tred   boat ", ParsedQuery("a red boat")),
        ("", ParsedQuery("")),
        ("beach -people", ParsedQuery("beach", ("people",))),
        ('beach -"two dogs" at sunset', ParsedQuery("beach at sunset", ("two dogs",))),
        ('beach not "two dogs"', ParsedQuery("beach", ("two dogs",))),
        ('beach NOT "dogs" NOT "cats"', ParsedQuery("beach", ("dogs", "cats"))),
        ("a man not smiling", ParsedQuery("a man not smiling")),
        ('"not" "here"', ParsedQuery("not here")),
        ("a t-shirt - blue -- or so -", ParsedQuery("a t-shirt - blue -- or so -")),
        ("the cat's chair", ParsedQuery("the cat's chair")),
        ("a clock at 10:30", ParsedQuery("a clock at 10:30")),
        ("http://example.org/x a sign", ParsedQuery("http://example.org/x a sign")),
        ("note: two dogs", ParsedQuery("note: two dogs")),
        ("C:\\Users a screen", ParsedQuery("C:\\Users a screen")),
        ("smile :) x:y", ParsedQuery("smile :) x:y")),
        ('"folder:x"', ParsedQuery("folder:x")),
        ('"never closed', ParsedQuery("never closed")),
        ("boat folder:Holiday", ParsedQuery("boat", (), clauses(("folder", "Holiday")))),
        ('folder:"My Trip" boat', ParsedQuery("boat", (), clauses(("folder", "My Trip")))),
        ('folder:"My Trip', ParsedQuery("", (), clauses(("folder", "My Trip")))),
        ("Folder:a FOLDER:b", ParsedQuery("", (), clauses(("folder", "a"), ("folder", "b")))),
        ("-folder:trash cat", ParsedQuery("cat", (), Filters((Clause("folder", "trash", True),)))),
        ("name:*.jpg", ParsedQuery("", (), clauses(("name", "*.jpg")))),
        ("after:2019 before:2020-6", ParsedQuery("", (), clauses(("after", "2019"), ("before", "2020-06")))),
        ("after:2019/06/03", ParsedQuery("", (), clauses(("after", "2019-06-03")))),
        ("year:2018-2020", ParsedQuery("", (), clauses(("year", (2018, 2020))))),
        ("year:2019", ParsedQuery("", (), clauses(("year", (2019, 2019))))),
        ("type:jpg type:.HEIC", ParsedQuery("", (), clauses(("type", "JPEG"), ("type", "HEIF")))),
        ("width:>2000", ParsedQuery("", (), clauses(("width", (2001, 1 << 40))))),
        ("width:>=2000 height:<10", ParsedQuery("", (), clauses(("width", (2000, 1 << 40)), ("height", (0, 9))))),
        ("height:100-200 width:640", ParsedQuery("", (), clauses(("height", (100, 200)), ("width", (640, 640))))),
        ("is:Landscape has:gps", ParsedQuery("", (), clauses(("is", "landscape"), ("has", "gps")))),
        ("near:48.86,2.35,5", ParsedQuery("", (), clauses(("near", (48.86, 2.35, 5.0))))),
        ('similar:"my photo.jpg"', ParsedQuery("", similar=("my photo.jpg",))),
        ("similar:17 cat", ParsedQuery("cat", similar=("17",))),
        ("similar:17 similar:b.jpg -similar:9", ParsedQuery("", similar=("17", "b.jpg"), unlike=("9",))),
        ("like:17 -similar:9 at night", ParsedQuery("at night", like="17", unlike=("9",))),
        ("like:a.jpg at night", ParsedQuery("at night", like="a.jpg")),
        # As phones, word processors, maps and the keyboards of other languages write them.
        ("folder:“My Trip” a cat", ParsedQuery("a cat", (), clauses(("folder", "My Trip")))),
        ("text:»total 5« tag:„a b“", ParsedQuery("", (), clauses(("text", "total 5"), ("tag", "a b")))),
        ("beach not “two dogs” -”a cat”", ParsedQuery("beach", ("two dogs", "a cat"))),
        ("folder：「東 京」 猫", ParsedQuery("猫", (), clauses(("folder", "東 京")))),
        ('like:"a “b”.jpg" x', ParsedQuery("x", like="a “b”.jpg")),
        ("a 24” screen “ and", ParsedQuery("a 24 screen and")),
        ("see：this", ParsedQuery("see:this")),
        ('name:24"screen folder:“a "b" c” year:2019"', parse('name:24"screen folder:«a "b" c» year:2019')),
        ('name:24"screen', ParsedQuery("", (), clauses(("name", '24"screen')))),
        (
            "folder:# name:… -folder:---",
            ParsedQuery(
                "", (), Filters((*clauses(("folder", "#"), ("name", "…")).clauses, Clause("folder", "---", True)))
            ),
        ),
        ("ｒｅｄ　ｂｏａｔ ﬁsh", ParsedQuery("red boat fish")),
        ("the cat’s “hat” – so…", ParsedQuery("the cat's hat - so...")),
        ("um\u00adbrel\u200dla\u200b\ufeffbоat", ParsedQuery("umbrella bоat")),  # a Cyrillic о stays one
        ("beach －people −cats", ParsedQuery("beach", ("people", "cats"))),
        ("year：２０１９ rating:>=３", ParsedQuery("", (), clauses(("year", (2019, 2019)), ("rating", (3, 5))))),
        ("year:2018–2020 after:٢٠١٩", ParsedQuery("", (), clauses(("year", (2018, 2020)), ("after", "2019")))),
        ("near:−33.86, 151.2 boat", ParsedQuery("boat", (), clauses(("near", (-33.86, 151.2, 5.0))))),
        ("near:1, 2, 3 km 4 cats", ParsedQuery("4 cats", (), clauses(("near", (1.0, 2.0, 3.0))))),
        ("near:1,2 3 cats", ParsedQuery("3 cats", (), clauses(("near", (1.0, 2.0, 5.0))))),
        ("year:2019- year:..2015", ParsedQuery("", (), clauses(("year", (2019, 9998)), ("year", (0, 2015))))),
        ("year:>2019 year:<=2015", ParsedQuery("", (), clauses(("year", (2020, 9998)), ("year", (0, 2015))))),
        ("type:jfif", ParsedQuery("", (), clauses(("type", "JPEG")))),
        ("year:2019 OR year:2020 AND tag:a", parse("year:2019 year:2020 tag:a")),
        ("a boat OR a tree", ParsedQuery("a boat OR a tree")),
    ],
)
def test_parse_reads_what_people_mean(text: str, ask: ParsedQuery) -> None:
    assert parse(text) == ask


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("foldr:x", "did you mean 'folder'"),
        ("colour:red car", "there is no filter 'colour'"),
        ("folder:", "no value follows folder:"),
        ("a boat -Name: x", "no value follows name:"),
        ('tag:""', "tag:beach"),
        ("width:abc", "width:>2000"),
        ("width:20-10", "number of pixels"),
        ("near:1", "near:48.86,2.35,5"),
        ("near:91,0,5", "degrees north"),
        ("near:nan,0,5", "degrees north"),
        ("year:20x", "year:2019"),
        ("year:2020-2019", "a first and a last"),
        ("after:2019-13-01", "after:2019-06"),
        ("after:19", "a year, a month or a day"),
        ("after:2019-02-30", "a year, a month or a day"),
        ("type:docx", "one of jpg"),
        ("is:round", "landscape"),
        ("has:legs", "gps"),
        ("folder:\u200b", "a name"),
        ("similar:a like:b", "two pictures"),
        ("like:a like:b", "two pictures"),
        ("-similar:a", "-similar: stands alone"),
        ("similar:a -like:b", "-like: is not possible"),
        (" ".join(f"similar:{n}" for n in range(101)), "101 pictures"),
        ('similar:" "', "names no picture"),
        ("year:-", "a year"),
        ("year:2019-06", "after:2019-06"),
        ("date:2019", "did you mean 'year', 'after' or 'before'"),
        ("ext:png", "did you mean 'type'"),
        ("person:Anna", "did you mean 'tag'"),
        ("folder:a OR year:2019", "OR cannot stand between folder: and year:"),
        ("folder:a AND folder:b", "AND cannot stand between folder: and folder:"),
        ("tag:a OR tag:b", "OR cannot stand between tag: and tag:"),
    ],
)
def test_parse_says_what_is_wrong_and_how_it_is_written(text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert said in str(caught.value)
    assert caught.value.hint


def test_a_whole_book_is_refused_as_a_query() -> None:
    with pytest.raises(UsageError, match="250,000 letters"):
        parse_query(Query("cat " * 62_500))


def test_a_filter_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(UsageError) as caught:
        parse("colour:red")
    assert all(name in caught.value.hint for name in FILTERS)


def test_every_filter_reads_its_own_example() -> None:
    for name, known in FILTERS.items():
        ask = parse(known.example)
        assert ask.compared or [clause.name for clause in ask.filters.clauses] == [name]


@given(st.text(max_size=200) | st.text(alphabet='abn ot-:"*/.,><=0129 \n“”„«»：「」－−', max_size=60))
@example("-" * 10_000)
@example('"' * 9_999)
@example("a" * 10_000 + ":b")
def test_parse_gives_an_ask_or_a_usage_error_and_nothing_else(text: str) -> None:
    try:
        ask = parse(text)
    except UsageError as error:
        assert error.message and error.hint
    else:
        assert '"' not in ask.description


WORD = st.text(alphabet="abcdé:-'0 ", min_size=1, max_size=12).map(lambda s: " ".join(s.split())).filter(bool)


def render(ask: ParsedQuery) -> str:
    """A text that says the ask, everything in quotes."""
    parts = [f'"{ask.description}"'] if ask.description else []
    parts += [f'-"{one}"' for one in ask.excluded]
    parts += [f'{"-" if c.unwanted else ""}{c.name}:"{c.value}"' for c in ask.filters.clauses]
    parts += [f'similar:"{one}"' for one in ask.similar]
    parts += [f'-similar:"{one}"' for one in ask.unlike]
    return " ".join(parts)


@given(st.data())
def test_parse_reads_back_what_was_said_in_quotes(data: st.DataObject) -> None:
    named = st.builds(Clause, st.sampled_from(["folder", "name", "camera"]), WORD, st.booleans())
    named = named.filter(lambda clause: any(letter.isalnum() for letter in clause.value))
    ask = ParsedQuery(
        data.draw(st.just("") | WORD),
        tuple(data.draw(st.lists(WORD, max_size=3))),
        Filters(tuple(data.draw(st.lists(named, max_size=3)))),
        similar := tuple(data.draw(st.lists(WORD, max_size=3, unique=True))),
        unlike=tuple(data.draw(st.lists(WORD, max_size=2, unique=True))) if similar else (),
    )
    assert parse(render(ask)) == ask


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('a dog folder:"My Trip" year:2019 -folder:x', "a dog year:2019 -folder:x"),
        ("FOLDER:a folder:b", ""),
        ('"folder:x" words', '"folder:x" words'),
        ('not "a b" folder:"unclosed and so on', 'not "a b"'),
    ],
)
def test_a_filter_is_taken_out_and_all_else_stays(text: str, left: str) -> None:
    assert without_filter(text, "folder") == left
