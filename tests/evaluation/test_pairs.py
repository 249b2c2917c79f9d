from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from imgsearch.errors import UsageError
from imgsearch.evaluation.pairs import load_pairs


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (4, 4)).save(tmp_path / name)
    return tmp_path


def write(folder: Path, *lines: object) -> Path:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    (folder / "pairs.jsonl").write_text("\n".join(texts) + "\n", encoding="utf-8")
    return folder / "pairs.jsonl"


def test_rows_with_image_and_captions_only_are_enough(folder: Path) -> None:
    pairs = load_pairs(
        write(folder, {"image": "a.png", "captions": ["é\u2028one", "two"], "licence": "CC BY"}, "", "  ")
    )
    assert [(pair.image, pair.captions, pair.twin_of) for pair in pairs] == [
        (folder / "a.png", ("é\u2028one", "two"), None)
    ]


def test_a_twin_may_come_before_its_base(folder: Path) -> None:
    first = {"image": "a.png", "captions": ["x"], "twin_of": "b.png", "twin_kind": "count"}
    pairs = load_pairs(write(folder, first, {"image": "b.png", "captions": ["y"], "twin_of": None, "twin_kind": None}))
    assert [(pair.twin_of, pair.twin_kind) for pair in pairs] == [(1, "count"), (None, None)]


GOOD = {"image": "a.png", "captions": ["x"]}


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('{"image": "b.png", ', r"line 2 of .* is not JSON"),
        ("[" * 100_000, r"line 2 of .* is not JSON"),
        ("[1, 2]", r'line 2 of .* has no "image"'),
        ({"captions": ["x"]}, r'line 2 of .* has no "image"'),
        ({"image": "b.png"}, r'line 2 of .* has no "captions"'),
        ({"image": "b.png", "captions": "x"}, r'line 2 of .* has no "captions"'),
        ({"image": "b.png", "captions": []}, r'line 2 of .* has no "captions"'),
        ({"image": "b.png", "captions": [3]}, r'line 2 of .* has no "captions"'),
        ({"image": "gone.png", "captions": ["x"]}, r"line 2 of .* names the picture .*gone\.png, which is not there"),
        ({"image": "a.png", "captions": ["y"]}, r"names 'a.png', as another line does"),
        ({"image": "b.png", "captions": ["y"], "twin_of": "c.png", "twin_kind": "count"}, r"line 2 .* twin of 'c.png'"),
        ({"image": "b.png", "captions": ["y"], "twin_of": "a.png"}, r"line 2 .* is a None twin"),
        ({"image": "b.png", "captions": ["y"], "twin_of": 3}, r'line 2 of .* has a "twin_of" that is no path'),
    ],
)
def test_a_bad_line_is_named(folder: Path, line: object, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        load_pairs(write(folder, GOOD, line))


def test_a_missing_binary_or_empty_file_is_a_clear_error(folder: Path) -> None:
    with pytest.raises(UsageError, match="there is no file"):
        load_pairs(folder / "nothing.jsonl")
    with pytest.raises(UsageError, match="cannot be read"):
        load_pairs(folder / "a.png")
    with pytest.raises(UsageError, match="cannot be read"):
        load_pairs(folder)
    with pytest.raises(UsageError, match="holds no rows"):
        load_pairs(write(folder, "", ""))
