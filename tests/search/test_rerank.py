from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from imgsearch.search.rerank import Match, Source, default_rerank, fused_order, match_candidates

LAVIS = Path(__file__).parents[1] / "golden" / "lavis"


def source(*paths: Path, of: Path | None = None) -> Source:
    return Source(paths, hashlib.sha256((of or paths[0]).read_bytes()).hexdigest())


def test_match_candidates_give_lavis_logits(tiny: Any) -> None:
    paths = [LAVIS / "images" / f"scene{number:02d}.png" for number in (4, 1, 9)]
    matches, notes = match_candidates(
        tiny, "A photo of a black house on grass under a blue sky.", [*map(source, paths)]
    )
    expected = np.load(LAVIS / "lavis_answers.npz")["itm_logits"][[4, 1, 9], 1].astype(np.float64)  # text 1
    assert notes == []
    np.testing.assert_allclose([match.logit for match in matches if match], expected[:, 1], atol=1e-4)
    softmax = np.exp(expected[:, 1]) / np.exp(expected).sum(1)
    np.testing.assert_allclose([match.probability for match in matches if match], softmax, atol=1e-4)


def test_match_candidates_leave_out_what_is_gone_broken_or_changed(tiny: Any, tmp_path: Path) -> None:
    good, broken, changed = tmp_path / "good.png", tmp_path / "broken.png", tmp_path / "changed.png"
    shutil.copy(LAVIS / "images" / "scene00.png", good)
    broken.write_bytes(b"\xff\xd8\xff\xe0 no picture")
    Image.new("RGB", (60, 60), "red").save(changed)
    gone = tmp_path / "gone.png"
    sources = [
        source(gone, of=good),
        source(broken),
        source(changed, of=good),
        source(good),
        source(gone, broken, good, of=good),
        Source((), "0" * 64),
    ]
    matches, notes = match_candidates(tiny, "a cat", sources)
    assert [match is not None for match in matches] == [False, False, False, True, True, False]
    assert matches[3] is not None and matches[4] is not None
    assert matches[3].logit == pytest.approx(matches[4].logit, abs=1e-5)
    assert len(notes) == 1
    assert notes[0].startswith("4 candidates were not re-ranked")


def test_match_candidates_of_nothing_are_nothing(tiny: Any) -> None:
    assert match_candidates(tiny, "a cat", []) == ([], [])


@given(st.data())
def test_fused_order_follows_its_rule(data: st.DataObject) -> None:
    count = data.draw(st.integers(1, 12))
    itc = np.sort(data.draw(st.lists(st.floats(-1, 1, width=32), min_size=count, max_size=count)))[::-1]
    ids = np.array(data.draw(st.permutations(range(count))), np.int64)
    logit = st.one_of(st.none(), st.sampled_from([-2.0, 0.0, 0.5]))
    logits = data.draw(st.lists(logit, max_size=count))
    matches = [None if one is None else Match(one, 0.5) for one in logits]
    order = fused_order(np.array(itc, np.float32), matches, ids).tolist()
    assert sorted(order) == list(range(count))
    for place in range(count):  # without a match: where it was
        if place >= len(logits) or logits[place] is None:
            assert order[place] == place
    matched = [place for place in order if place < len(logits) and logits[place] is not None]
    fused = [round((float(np.float32(itc[place])) + logits[place]) * 1e5) for place in matched]
    assert all(a > b or (a == b and ids[x] < ids[y])
               for a, b, x, y in zip(fused, fused[1:], matched, matched[1:], strict=False))  # fmt: skip


def test_default_rerank_is_less_where_a_picture_costs_more() -> None:
    assert default_rerank("cpu", 224) < default_rerank("cpu", 112) < default_rerank("cuda:0", 224)
