"""`folder:` and `name:` in every script: a name finds itself, whatever stands beside it."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from both_catalogs import BOTH, is_left_out
from hypothesis import given, settings
from hypothesis import strategies as st

from imgsearch.records import Clause, Filters, MediaFacts, ModelId
from imgsearch.storage import EmbeddedBatch, FilePlace, Store, create_store, writing

CATALOG_KINDS = BOTH

MODEL = ModelId("mini", "ab" * 32, "v1-112", "float32", 2, 4)


class Shelf:
    """A library whose pictures are whatever names are asked for, one picture a name."""

    def __init__(self, store: Store, root: Path) -> None:
        self.store, self.root, self.made = store, root, 0
        with writing(store) as writer:
            self.root_id = writer.add_root(root).root_id

    def holding(self, paths: list[str]) -> list[int]:
        """Add pictures at ``paths`` and take all others away; -> their ids."""
        facts = [MediaFacts(f"{self.made + n:064x}", 0, 10, 10, "JPEG", 1) for n in range(len(paths))]
        places = [[FilePlace(self.root_id, path, 1, 1)] for path in paths]
        self.made += len(paths)
        with writing(self.store) as writer, writer.transaction() as transaction:
            transaction.remove_files(self.root_id, [one.relative_path for one in self.store.files(self.root_id)])
            transaction.add(EmbeddedBatch(facts, np.zeros((len(paths), 2, 4), np.float32), places))
            transaction.commit()
        known = self.store.known_contents(one.content_hash for one in facts)
        return [known[one.content_hash] for one in facts]

    def found(self, name: str, value: str, *, unwanted: bool = False) -> list[int]:
        return self.store.matching_images(Filters((Clause(name, value, unwanted),))).tolist()


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, new_catalog: Callable[[], str]) -> Iterator[Shelf]:
    folder = tmp_path_factory.mktemp("words")
    with create_store(folder / "library", MODEL, catalog_url=new_catalog()) as store:
        yield Shelf(store, folder / "root")


# On disk, and what people type that finds it.
FINDS = [
    ("한국어 여행", ["한국어", "여행", "한국", unicodedata.normalize("NFD", "한국어")]),
    ("제주도여행2019", ["제주도여행2019", "제주도", "여행", "2019"]),
    ("Йод и ёлка", ["Йод", "йод", "ёлка", "елка", "ЁЛКА", unicodedata.normalize("NFD", "Йод")]),
    ("がっこう", ["がっこう", "がっ", unicodedata.normalize("NFD", "がっこう")]),
    ("バナナ", ["バナナ", "ﾊﾞﾅﾅ", "バ"]),
    ("東京旅行2019", ["東京旅行2019", "東京", "旅行", "京", "2019", "２０１９"]),
    ("Καλημέρα κόσμε", ["Καλημέρα", "καλημερα", "ΚΑΛΗΜΕΡΑ", "κόσμε"]),
    ("हिन्दी की किताब", ["हिन्दी", "किताब", "की"]),
    ("ไทยเที่ยวทะเล", ["ไทย", "เที่ยว", "ทะเล", "ไทยเที่ยวทะเล"]),
    ("ຄົນລາວ", ["ລາວ", "ຄົນ"]),
    ("ភាសាខ្មែរ", ["ភាសា", "ខ្មែរ"]),
    ("مُحَمَّد أحمد", ["محمد", "مُحَمَّد", "احمد", "أحمد"]),
    ("שָׁלוֹם", ["שלום", "שָׁלוֹם"]),
    ("２０１９年", ["2019", "２０１９", "年"]),
    ("صور ٢٠١٩", ["2019", "٢٠١٩", "صور"]),
    ("Straße", ["straße", "STRASSE", "strasse"]),
    ("İstanbul IŞIK", ["istanbul", "İSTANBUL", "ışık", "isik", "ISIK"]),
    ("Đà Nẵng", ["đà nẵng", "da nang", "Đà Nẵng", unicodedata.normalize("NFD", "Nẵng")]),
    ("Café Müller", ["cafe", "CAFÉ", "müller", "muller", unicodedata.normalize("NFD", "Café")]),
    ("Łódź Ørsted Þór", ["lodz", "łódź", "orsted", "thor"]),
    ("MyHoliday", ["MyHoliday", "myholiday", "my holiday", "holiday", "My_Holiday"]),
    ("my_holiday", ["MyHoliday", "my holiday", "my-holiday"]),
    ("ПриветМир", ["ПриветМир", "приветмир", "мир"]),
    ("IMG2041", ["IMG2041", "img", "2041", "IMG_2041"]),
    ("2019trip", ["2019trip", "2019", "trip"]),
    ("HTMLPage", ["html page", "htmlpage", "page"]),
    ("Обʼєкт", ["об'єкт", "об’єкт", "Обʼєкт"]),
    ("می\u200cخواهم", ["می\u200cخواهم", "میخواهم"]),
    ("a\u0301\u0323b", ["ab", "a\u0323\u0301b"]),
    ("ﬁle №5", ["file", "ﬁle", "no 5"]),
    ("🏖️", ["🏖️", "🏖"]),
    ("party🎉 2019", ["party🎉", "party 2019", "🎉"]),
    ("!!!", ["!!!"]),
]
# On disk, and what must not find it: marks that make another letter.
MISSES = [
    ("がっこう", ["かっこう"]),
    ("ばら", ["はら"]),
    ("हिन्दी", ["हन्दी", "हिनदी"]),
    ("東京", ["京東", "東 外"]),
    ("한국", ["하구"]),
    ("party🎉", ["🎈", "party🎈"]),
    ("MyTrip", ["trip mytrip", "yTrip"]),
]


@pytest.mark.parametrize(("name", "typed"), FINDS)
def test_name_is_found_as_people_type_it(shelf: Shelf, name: str, typed: list[str]) -> None:
    in_folder, in_name, other = shelf.holding([f"a/{name}/b/1.jpg", f"{name}.jpg", "neighbour/else.jpg"])
    for text in typed:
        assert shelf.found("folder", text) == [in_folder], text
        assert shelf.found("name", text) == [in_name], text
        assert shelf.found("folder", text, unwanted=True) == [in_name, other], text
        assert shelf.found("name", text, unwanted=True) == [in_folder, other], text


@pytest.mark.parametrize(("name", "typed"), MISSES)
def test_name_is_not_found_by_other_letters(shelf: Shelf, name: str, typed: list[str]) -> None:
    shelf.holding([f"{name}/1.jpg", f"{name}.jpg"])
    for text in typed:
        assert shelf.found("folder", text) == shelf.found("name", text) == [], text


# Letters, digits and marks of all scripts, those that join without being seen among them.
LETTER = st.one_of(
    st.characters(categories=("L", "M", "N"), exclude_characters="*?"),
    st.sampled_from("aZ9é\u0301\u200d\u200c\u3099がㄱ각東ไ\u0e31ि्\u05b4\u064eßİıΣς"),
)
WORD = st.text(LETTER, min_size=1, max_size=12).map(lambda text: text.strip())
NAME = WORD.filter(lambda word: word and len(os.fsencode(word)) < 200)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(NAME, min_size=2, max_size=4), st.sampled_from(["", " ", "_", "-", ".", "("]))
def test_any_name_finds_itself_beside_any_neighbours(
    shelf: Shelf, catalog_kind: str, names: list[str], between: str
) -> None:
    if is_left_out(catalog_kind):
        return
    wanted, *others = names
    beside = between + others[0] if between else ""
    paths = [f"{others[0]}/{wanted}/{others[-1]}/x.jpg", f"{wanted}{beside}.jpg", "zz/plain.jpg"]
    in_folder, in_name, plain = shelf.holding(paths)
    assert in_folder in shelf.found("folder", wanted)
    assert in_name in shelf.found("name", wanted)
    assert in_name not in shelf.found("name", wanted, unwanted=True)
    for form in ("NFC", "NFD"):
        assert in_name in shelf.found("name", unicodedata.normalize(form, wanted))
    if not set(wanted.lower()) & set("plain.jpgx"):
        assert plain in shelf.found("name", wanted, unwanted=True)


def test_folder_with_marks_is_a_pattern_of_whole_names(shelf: Shelf) -> None:
    nas, trip, deep, top = shelf.holding(["nas1/2019/a.jpg", "My nas/b.jpg", "x/Été 2020/nas/c.jpg", "d.jpg"])
    finds = {
        "nas*": [nas, deep],
        "*nas": [trip, deep],
        "NAS?": [nas],
        "ete*": [deep],
        "nas*/2019": [nas],
        "*/nas": [deep],
        "x/**/nas": [deep],
        "x/*/nas": [deep],
        "x/**": [deep],
        f"{shelf.root}/nas*": [nas],
        f"{shelf.root}/*": [nas, trip, deep],
        "roo?": [nas, trip, deep, top],
        "roo?/x": [deep],
        "zzz*": [],
    }
    for pattern, wanted in finds.items():
        assert shelf.found("folder", pattern) == wanted, pattern


def test_moved_and_removed_files_leave_the_index_of_words(shelf: Shelf) -> None:
    shelf.holding(["Ёлка/東京.jpg"])
    (now,) = shelf.holding(["other/name.jpg"])
    assert shelf.found("folder", "ёлка") == shelf.found("name", "東京") == []
    assert shelf.found("name", "name") == [now]
