"""A library on disk, driven in any order, answers as a dictionary that is searched by loops and sorting."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from brute_force import Question
from engine_machine import ALL, CALIBRATIONS, WORDS, Engine
from hypothesis import HealthCheck, Phase, settings

Engine.TestCase.settings = settings(
    max_examples=12,
    stateful_step_count=14,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)
TestEngine = pytest.mark.slow(pytest.mark.timeout(900)(Engine.TestCase))  # to shrink a failure takes minutes


@pytest.fixture
def engine() -> Iterator[Engine]:
    machine = Engine()
    yield machine
    machine.teardown()


def test_open_searcher_uses_a_snapshot_as_soon_as_it_is_published(engine: Engine) -> None:
    engine.begin("float16", candidates=12, calibration=None, kept=False, start=20, built=False)
    library = engine.library
    before = engine.ask(Question("red boat"), 10, 8, True).hits
    assert library.by_snapshot == 0
    for expected in (1, 2):
        library.build()
        assert engine.ask(Question("red boat"), 10, 8, True).hits == before
        assert library.by_snapshot == expected
        assert [path.name for path in library.store.layout.snapshots.iterdir()] == [library.opened_snapshot]


def test_few_are_the_beginning_of_many_where_a_confident_picture_lies_behind_the_pool(engine: Engine) -> None:
    engine.begin("float32", candidates=5, calibration=CALIBRATIONS[2], kept=False, start=18, built=True)
    engine.library.put({("photos", f"{number}.png"): number for number in range(18, 40)})  # a tail, most of it unlike
    for words in WORDS:
        whole = engine.ask(Question(words), ALL, 4, True)
        for k in range(1, 40):
            assert engine.ask(Question(words), k, 4, True).hits == whole.hits[:k]
