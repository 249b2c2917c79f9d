from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imgsearch.cli import main

LAVIS = Path(__file__).parents[1] / "golden" / "lavis"


def test_eval_prints_the_promised_json_and_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    about = json.loads((LAVIS / "about.json").read_text())
    rows = [{"image": str(LAVIS / "images" / name), "captions": [text]}
            for name, text in zip(about["images"], about["captions"], strict=True)]  # fmt: skip
    rows[1] |= {"twin_of": rows[0]["image"], "twin_kind": "colour"}
    pairs = tmp_path / "pairs.jsonl"
    pairs.write_text("\n".join(map(json.dumps, rows)))
    arguments = ["eval", str(pairs), "--model", str(LAVIS / "blip2_tiny.pth"), "--k-test", "4", "--device", "cpu"]
    assert main([*arguments, "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    for way in ("text_to_image", "image_to_text"):
        for kind in ("itc", "itm"):
            assert set(figures[way][kind]) == {"r1", "r5", "r10"}
            assert all(0 <= value <= 100 for value in figures[way][kind].values())
    assert set(figures["twins"]) == {"colour"} and set(figures["twins"]["colour"]) == {"itc", "itm"}
    # LAVIS's own matrices, rows sorted: how many have their own picture first, or among the first 4.
    lavis = np_ranks(LAVIS / "lavis_retrieval_k4.npz", "score_t2i")
    assert figures["text_to_image"]["itm"]["r1"] == pytest.approx(100 * sum(rank < 1 for rank in lavis) / 12, abs=0.01)
    assert main(arguments) == 0
    table = capsys.readouterr().out
    assert "ITM@4" in table and "colour" in table


def np_ranks(path: Path, name: str) -> list[int]:
    import numpy as np

    scores = np.load(path)[name]
    return [sorted(-row).index(-row[i]) if row[i] > -100 else 99 for i, row in enumerate(scores)]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["gone.jsonl"], "there is no file gone.jsonl"),
        (["gone.jsonl", "--k-test", "0"], "--k-test is 0"),
        (["gone.jsonl", "--batch-size", "-1"], "--batch-size is -1"),
    ],
)
def test_eval_refuses_bad_input_before_it_loads_a_model(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", *arguments]) == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ([], "got neither PAIRS.jsonl nor --self, expected one of them"),
        (["pairs.jsonl", "--self"], "got both pairs.jsonl and --self, expected one of them"),
        (["--self", "--k-test", "8"], "got --k-test, which goes with PAIRS.jsonl only"),
        (["--self", "--dtype", "float16"], "got --dtype, which goes with PAIRS.jsonl only"),
        (["pairs.jsonl", "--sample", "8"], "got --sample, which goes with --self only"),
        (["pairs.jsonl", "--library", "x"], "got --library, which goes with --self only"),
        (["--self", "--sample", "0"], "--sample is 0, expected 1 or more"),
        (["--self", "--batch-size", "-1"], "--batch-size is -1"),
        (["--self", "--library", "/no/such/library"], "/no/such/library"),
    ],
)
def test_eval_self_refuses_what_does_not_go_together(
    arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["eval", *arguments]) == 2
    message, hint, *_ = [*capsys.readouterr().err.splitlines(), ""]
    assert complaint in message and hint


def test_eval_self_prints_the_promised_json_and_a_table(library: Any, capsys: pytest.CaptureFixture[str]) -> None:
    library.add(library.names())
    arguments = ["eval", "--self", "--library", str(library.folder / "library"), "--device", "cpu"]
    assert main([*arguments, "--sample", "9", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    retrieval = figures["self_retrieval"]
    assert set(figures) == {"self_retrieval", "index"}
    assert set(retrieval) == {"pictures", "left_out", "r1", "r5"}
    assert (retrieval["pictures"], retrieval["left_out"]) == (9, 0)
    assert 0 <= retrieval["r1"] <= retrieval["r5"] <= 1
    assert figures["index"] == {"kind": "exact", "queries": 0, "recall_at_10": 1.0, "recall_at_100": 1.0}
    assert main(arguments) == 0
    table = capsys.readouterr().out
    assert "12 pictures altered (1,024 px at most, middle 90 %, JPEG of quality 70)" in table
    assert "exact search, no snapshot" in table


def test_eval_self_says_what_it_could_not_read(library: Any, capsys: pytest.CaptureFixture[str]) -> None:
    library.add(library.names())
    arguments = ["eval", "--self", "--library", str(library.folder / "library"), "--device", "cpu"]
    for name in library.names(3):
        (library.photos / name).unlink()
    assert main(arguments) == 0
    table = capsys.readouterr().out
    assert "9 pictures altered" in table and "left out: 3" in table and "3 x the file is gone" in table
    for name in library.names()[3:]:
        (library.photos / name).unlink()
    assert main(arguments) == 0
    assert "no picture of the sample could be read" in capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["self_retrieval"] == {
        "pictures": 0, "left_out": 12, "r1": None, "r5": None,
    }  # fmt: skip


def test_eval_self_of_an_empty_library_says_how_to_fill_it(library: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", "--self", "--library", str(library.folder / "library"), "--device", "cpu"]) == 2
    error = capsys.readouterr().err
    assert "holds no picture" in error and "imgsearch index" in error


def test_the_tables_lines_for_a_snapshot_and_for_misses_say_what_was_found() -> None:
    from imgsearch.cli.verbs.evaluate import _index_lines, _retrieval_lines
    from imgsearch.evaluation.self_check import IndexRecall, Miss, SelfRetrieval

    lines = _index_lines(IndexRecall("ivfpq-1", 400, 0.9975, 0.98123, exact_ms=41.04, snapshot_ms=3.21))
    table = "\n".join(lines)
    assert "400 texts and tokens of pictures" in table and "ivfpq-1" in table
    assert "99.75 %" in table and "98.12 %" in table and "3.2 ms" in table and "41.0 ms" in table
    misses = [Miss(Path(f"{number}.png"), Path("first.png"), None if number else 2) for number in range(7)]
    table = "\n".join(_retrieval_lines(SelfRetrieval(200, 0, 0.965, 0.97, tuple(misses))))
    assert "96.5 %" in table and "97.0 %" in table
    assert "0.png, place 2, after first.png" in table and "1.png, not among the first 5, after first.png" in table
    assert "6.png" not in table and "and 2 more" in table
