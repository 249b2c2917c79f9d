from __future__ import annotations

import json
from pathlib import Path

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
