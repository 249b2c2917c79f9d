"""The one form of words, and that FTS5 takes it as it is."""

from __future__ import annotations

import itertools
import sqlite3
import unicodedata

import pytest

from imgsearch import wordforms

# Every code point up to Japanese signs, and of the tens of thousands of alike letters behind them every 16th.
LETTERS = [chr(code) for code in (*range(0x3400), *range(0x3400, 0x40000, 16)) if not 0xD800 <= code < 0xE000]


def test_fts5_takes_letters_of_all_scripts_as_they_are_indexed() -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE held USING fts5 (text, tokenize = 'ascii')")
    connection.execute("CREATE VIRTUAL TABLE terms USING fts5vocab (held, 'row')")
    expected: set[str] = set()
    for first in range(0, len(LETTERS), 512):
        text = wordforms.indexed(" ".join(LETTERS[first : first + 512]))
        expected |= set(text.split(" "))
        connection.execute("INSERT INTO held VALUES (?)", (text,))
    found = {term for (term,) in connection.execute("SELECT term FROM terms")}
    connection.close()
    assert found == expected - {""}


def test_composed_and_decomposed_letters_are_the_same() -> None:
    text = " ".join(LETTERS)
    assert wordforms.folded(unicodedata.normalize("NFD", text)) == wordforms.folded(text)


def test_the_form_of_a_form_is_itself() -> None:
    once = wordforms.folded(" ".join(LETTERS))
    assert wordforms.folded(once) == once


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("IMG_2041", ["img", "2041"]),
        ("2019trip", ["2019", "trip"]),
        ("東京旅行2019", ["東", "京", "旅", "行", "2019"]),
        ("ばら ﾊﾞ", ["ば", "ら", "バ"]),
        ("한국어", ["한", "국", "어"]),
        ("น้ำ", ["น้ํ", "า"]),
        ("हिन्दी", ["हिन्दी"]),
        ("Ёлка Йод", ["елка", "иод"]),
        ("Straße", ["strasse"]),
        ("a\u200db\u00adc", ["abc"]),
        ("a\u200bb", ["a", "b"]),
        ("...", []),
        ("", []),
    ],
)
def test_words_of_a_text(text: str, found: list[str]) -> None:
    assert wordforms.words(text) == found


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("MyHoliday", "my holiday"),
        ("MyHTMLPage2", "my html page 2"),
        ("iPhone", "i phone"),
        ("ПриветМир", "привет мир"),
        ("IMG_2041", None),
        ("IMG", None),
        ("Holiday", None),
    ],
)
def test_capitals_inside_words_are_a_second_reading(text: str, cut: str | None) -> None:
    whole, *second = wordforms.readings(text)
    assert second == ([] if cut is None else [cut.split()])
    assert "".join(whole) == wordforms.folded(text).replace("_", "")


def test_phrase_reaches_not_from_one_reading_into_the_other() -> None:
    assert wordforms.holds("MyTrip", "my trip")
    assert wordforms.holds("MyTrip", "mytr", unfinished=True)
    assert not wordforms.holds("MyTrip", "mytrip my")
    assert not wordforms.holds("MyTrip", "...")


_APOSTROPHES = "'’‘‛ʼʽʹʻʾʿ`´′＇՚׳ꞌ᾽᾿΄"


@pytest.mark.parametrize("form", ["O{}Brien{}s", "rock{}n{}roll", "l{}Été", "д{}Артаньян", "Qur{}an", "a{}b{}c{}d{}e"])
def test_apostrophes_of_every_kind_and_none_find_each_other(form):
    spellings = {form.format(*[mark] * 4) for mark in _APOSTROPHES} | {form.replace("{}", "")}
    for one, other in itertools.product(spellings, repeat=2):
        assert wordforms.holds(f"at {one} 2019", other), (one, other)


@pytest.mark.parametrize("wanted", ["obrien", "obriens", "o brien", "brien", "O'Brien", "o'briens"])
def test_a_name_with_apostrophes_is_found_without_some(wanted):
    assert wordforms.holds("Party at O’Brien's", wanted)
    assert not wordforms.holds("Party at O’Brady's", wanted)


@pytest.mark.parametrize(
    "spellings",
    [
        ("می\u200cخواهم", "میخواهم", "می خواهم"),  # Persian's half-space, left out, or a space
        ("col·legi", "collegi", "coŀlegi"),
        ("Müller", "Muller", "Mueller", "Mu\u0308ller", "MÜLLER"),
        ("Ærøskøbing", "Aeroskobing", "Aeroeskoebing"),
        ("ٱلله", "الله"),
        ("اردوے", "اردوی", "اردوي"),
        ("അവൻ", "അവന്\u200d"),
        ("髙橋", "高橋"),
        ("関ヶ原", "関ケ原"),
        ("װײַס", "ווייס"),
        ("Əliyev", "əliyev", "eliyev"),
        ("図書館", "圖書館", "图书馆"),
        ("渡邉 齋藤", "渡邊 斎藤", "渡辺 斉藤".replace("斉", "斎")),
        ("広島", "廣島", "广岛"),
        ("臺灣", "台灣", "台湾"),
        ("ሠላም ፀሐይ ዓለም", "ሰላም ጸሀይ አለም"),
        ("Երևան", "ԵՐԵՎԱՆ", "Երեւան"),
        ("Ⴇბილისი", "თბილისი", "ᲗᲑᲘᲚᲘᲡᲘ"),
        ("हिन्दी पञ्जाबी चाँद", "हिंदी पंजाबी चांद"),
        ("ગુજરાતી અન્દર", "ગુજરાતી અંદર"),
        ("উৎসব", "উত্\u200dসব"),
        ("ஶ்ரீ", "ஸ்ரீ"),
        ("นํ้าตก", "น้ำตก"),
        ("ຫຼວງພະບາງ ນໍ້າ", "ຫລວງພະບາງ ນ້ຳ"),
        ("Қазақстан Әлия", "Казакстан алия"),
        ("coŀlegi", "COĿLEGI", "collegi"),
    ],
)
def test_spellings_that_people_use_for_one_another_find_each_other(spellings):
    first, *others = spellings
    for other in others:  # the others need not find each other: "Muller" is not "Mueller"
        assert wordforms.holds(f"at {first} 2019", other)
        assert wordforms.holds(f"at {other} 2019", first)
    assert wordforms.words(first) == wordforms.readings(first)[0]  # what older libraries hold


def test_a_half_space_after_a_mark_stays_within_its_word():
    assert wordforms.readings("क्\u200cष") == wordforms.readings("क्ष") == [["क्ष"]]


def test_an_apostrophe_at_the_edge_of_a_word_joins_nothing():
    assert wordforms.readings("the '90s and 'quoted' 5'10") == [["the", "90", "s", "and", "quoted", "5", "10"]]
