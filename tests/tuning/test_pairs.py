"""Reading pairs: every form gives the same pairs, and a row that cannot be used is named with its reason."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from imgsearch.errors import UsageError
from imgsearch.records import Word
from imgsearch.tuning.library_pairs import captions_of
from imgsearch.tuning.pairs import read_pairs

WANTED = {"a.png": ("a red square", "all red"), "b.jpg": ("blue, with a comma",)}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    Image.new("RGB", (20, 10), "red").save(folder / "a.png")
    Image.new("RGB", (20, 10), "blue").save(folder / "b.jpg")
    return folder


def found(source: Path, **options: Path) -> dict[str, tuple[str, ...]]:
    pairs = read_pairs(source, **options)
    assert pairs.bad == []
    return {pair.image.name: pair.captions for pair in pairs.good}


def flat() -> list[tuple[str, str]]:
    return [(name, text) for name, texts in WANTED.items() for text in texts]


def delimited(columns: tuple[str, str], mark: str, encoding: str = "utf-8") -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=mark)
    writer.writerow(columns)
    writer.writerows(flat())
    return out.getvalue().encode(encoding)


def coco() -> dict[str, object]:
    images = [{"id": number, "file_name": name} for number, name in enumerate(WANTED)]
    places = {name: number for number, name in enumerate(WANTED)}
    return {"images": images, "annotations": [{"image_id": places[n], "caption": text} for n, text in flat()]}


def karpathy() -> dict[str, object]:
    rows = [{"filename": n, "sentences": [{"raw": text} for text in texts]} for n, texts in WANTED.items()]
    return {"images": rows}


FORMS = {
    "own.jsonl": "".join(json.dumps({"image": n, "captions": t}) + "\n" for n, t in WANTED.items()).encode(),
    "bom.jsonl": "".join(json.dumps({"image": n, "caption": t}) + "\r\n" for n, t in flat()).encode("utf-8-sig"),
    "metadata.jsonl": "".join(json.dumps({"file_name": n, "text": t}) + "\n" for n, t in flat()).encode(),
    "lavis.json": json.dumps([{"image": n, "caption": list(t), "image_id": 1} for n, t in WANTED.items()]).encode(),
    "coco.json": json.dumps(coco()).encode(),
    "karpathy.json": json.dumps(karpathy()).encode(),
    "comma.csv": delimited(("image", "caption"), ","),
    "clip.csv": delimited(("filepath", "title"), "\t"),
    "semicolon.csv": delimited(("File_Name", "Text"), ";"),
    "flickr30k.csv": delimited(("image_name", " comment"), "|"),
    "spreadsheet.csv": delimited(("image", "caption"), "\t", "utf-16"),
    "tab.tsv": delimited(("image", "caption"), "\t"),
    "flickr.token": "".join(f"{n}#{i}\t{t}\n" for i, (n, t) in enumerate(flat())).encode(),
    "wide.csv": b'image,caption_1,caption_2\na.png,a red square,all red\nb.jpg,"blue, with a comma",\n',
}


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_table_gives_the_same_pairs(name, pictures):
    path = pictures / name
    path.write_bytes(FORMS[name])
    assert found(path) == WANTED
    path.unlink()


def test_parquet_gives_paths_and_unpacks_pictures_that_lie_inside(pictures, tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(
        pa.table({"image": list(WANTED), "captions": list(map(list, WANTED.values()))}), pictures / "t.parquet"
    )
    assert found(pictures / "t.parquet") == WANTED
    inside = [{"bytes": (pictures / name).read_bytes(), "path": name} for name in WANTED]
    pq.write_table(pa.table({"image": inside, "text": [t[0] for t in WANTED.values()]}), tmp_path / "hub.parquet")
    pairs = read_pairs(tmp_path / "hub.parquet", unpacked=tmp_path / "unpacked")
    assert [pair.image.read_bytes() for pair in pairs.good] == [one["bytes"] for one in inside]
    counted = read_pairs(tmp_path / "hub.parquet")  # for a dry run, which writes nothing
    assert (len(counted.good), counted.captions, counted.bad) == (len(pairs.good), pairs.captions, pairs.bad)


def test_folder_with_texts_beside_pictures_is_read_line_by_line(pictures, tmp_path):
    for name in WANTED:
        (tmp_path / "deep").mkdir(exist_ok=True)
        (tmp_path / "deep" / name).write_bytes((pictures / name).read_bytes())
    (tmp_path / "deep" / "a.TXT").write_text("a red square\n\nall red\n")
    (tmp_path / "deep" / "b.jpg.txt").write_text("\ufeffblue, with a comma", encoding="utf-8")
    assert found(tmp_path) == WANTED
    (tmp_path / "deep" / "b.jpg.txt").unlink()
    (tmp_path / "deep" / "b.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "deep" / "c.jpg").write_bytes(b"x")
    reasons = [str(row) for row in read_pairs(tmp_path).bad]
    assert any("b.txt is not UTF-8" in reason for reason in reasons)
    assert any("c.jpg" in reason and "no .txt" in reason for reason in reasons)


def test_folder_with_a_table_in_it_is_read_by_the_table(pictures, tmp_path):
    (tmp_path / "pairs.jsonl").write_text(json.dumps({"image": str(pictures / "a.png"), "captions": ["x"]}))
    assert found(tmp_path) == {"a.png": ("x",)}


def test_coco_finds_pictures_beside_its_annotations(pictures, tmp_path):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "val2017").mkdir()
    for name in WANTED:
        (tmp_path / "val2017" / name).write_bytes((pictures / name).read_bytes())
    path = tmp_path / "annotations" / "captions_val2017.json"
    path.write_text(json.dumps(coco()))
    assert found(path) == WANTED
    moved = tmp_path / "captions.json"
    moved.write_text(json.dumps(coco()))
    assert found(moved, images=tmp_path / "val2017") == WANTED


BAD = [
    ("{", "not JSON"),
    ("[1]", "list"),
    ('{"captions": ["x"]}', "names no picture"),
    ('{"image": 3, "captions": ["x"]}', "picture is 3"),
    ('{"image": "a.png"}', "no caption"),
    ('{"image": "a.png", "captions": []}', "no caption"),
    ('{"image": "a.png", "captions": [" "]}', "no caption"),
    ('{"image": "a.png", "captions": [7]}', "expected a text"),
    ('{"image": "gone.png", "captions": ["x"]}', "is not there"),
    ('{"image": "..", "captions": ["x"]}', "is a folder"),
    ('{"image": "https://x/y.jpg", "captions": ["x"]}', "is an address"),
    ('{"image": "a\\u0000.png", "captions": ["x"]}', "no path"),
    ('{"image": "a.png", "captions": ["\udcff"]}', "not in UTF-8"),
]


def test_bad_rows_are_named_with_file_line_and_reason_and_the_rest_is_read(pictures):
    path = pictures / "bad.jsonl"
    lines = [*(line for line, _ in BAD), '{"image": "a.png", "captions": ["good"]}']
    path.write_text("\n".join(lines), errors="surrogateescape")
    pairs = read_pairs(path)
    assert [(row.file, row.row) for row in pairs.bad] == [("bad.jsonl", number + 1) for number in range(len(BAD))]
    for row, (_, reason) in zip(pairs.bad, BAD, strict=True):
        assert reason in row.reason, row
    assert [pair.captions for pair in pairs.good] == [("good",)] and pairs.good[0].origin == "bad.jsonl, line 14"


def test_csv_names_rows_with_another_number_of_columns(pictures):
    path = pictures / "bad.csv"
    path.write_text('image,caption\na.png,red\nb.jpg,blue, no quotes\n"a.png","all\nred"\n')
    pairs = read_pairs(path)
    assert [(row.row, "3 columns" in row.reason) for row in pairs.bad] == [(3, True)]
    assert pairs.good[0].captions == ("red", "all red")


def test_names_in_another_form_of_unicode_and_with_backslashes_are_found(tmp_path):
    (tmp_path / "sub").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "sub" / "Zoe\u0308.png")
    path = tmp_path / "pairs.jsonl"
    path.write_text(json.dumps({"image": "sub\\Zo\u00eb.png", "caption": "x"}))
    assert read_pairs(path).bad == []


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("none.csv", b"a,b\n1,2\n", "names no columns"),
        ("none.json", b'{"x": 1}', "form that is not known"),
        ("none.json", b"{", "not JSON"),
        ("none.xlsx", b"PK", "ends in .xlsx"),
        ("none.csv", b"\xff\xff\xff", "cannot be read"),
        ("none.parquet", b"no", "Parquet"),
    ],
)
def test_source_that_is_no_table_of_pairs_is_refused(name, content, reason, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=reason):
        read_pairs(tmp_path / name)


def test_source_that_is_not_there_and_an_empty_folder_are_refused(tmp_path):
    with pytest.raises(UsageError, match="no file or folder"):
        read_pairs(tmp_path / "gone.csv")
    with pytest.raises(UsageError, match="no picture below"):
        read_pairs(tmp_path)


def test_captions_of_a_library_are_what_people_wrote_together_and_by_itself():
    words = [Word("tag", "beach", "xmp"), Word("person", "Rex", "xmp"), Word("title", "Our dog", "iptc")]
    assert captions_of(words) == ("Our dog", "beach, Rex", "beach", "Rex")
    assert captions_of([]) == ()
