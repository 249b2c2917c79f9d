from __future__ import annotations

from pathlib import Path

import pytest

import indexer.forecast
from imgsearch.errors import StorageFull
from imgsearch.records import ModelId
from indexer.forecast import Forecast, bytes_for, forecast, require_space, size_text, time_text

BLIP2 = ModelId("blip2", "0" * 64, "v1-224", "float32", 32, 256)


def test_forecast_of_half_a_million_photos_says_24_days(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(indexer.forecast, "free_bytes", lambda folder: 120_000_000_000)
    said = forecast(500_000, 4.1, BLIP2, "float16", tmp_path)
    assert said == "500,000 new pictures at 4.1 s each: about 24 days; 9.7 GB of disk (120 GB free)"


def test_bytes_are_those_of_the_vectors_and_some() -> None:
    assert 16 * 1024 < bytes_for(1, BLIP2, "float16") < 20 * 1024
    assert 8 * 1024 < bytes_for(1, BLIP2, "int8") < 12 * 1024


def test_space_is_asked_of_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    require_space(10, BLIP2, "float16", tmp_path / "not" / "yet")
    with pytest.raises(StorageFull, match="need about"):
        require_space(10**12, BLIP2, "float16", tmp_path / "not" / "yet")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.2, "1 second"), (45, "45 seconds"), (600, "10 minutes"), (7200, "2 hours"), (2_050_000, "24 days")],
)
def test_time_is_said_as_people_say_it(seconds: float, said: str) -> None:
    assert time_text(seconds) == said


@pytest.mark.parametrize(("size", "said"), [(0, "0 bytes"), (2500, "2.5 KB"), (88e9, "88 GB"), (1.5e12, "1.5 TB")])
def test_size_is_said_in_decimal_units(size: float, said: str) -> None:
    assert size_text(size) == said


def test_outlook_of_a_slow_model_is_told_after_the_first_batch() -> None:
    told: list[float] = []
    outlook = Forecast(1000, 96, told.append)
    outlook.measured(4, 16.0)
    outlook.measured(4, 16.0)
    assert told == [4.0]


def test_outlook_of_a_fast_model_waits_until_what_was_decoded_ahead_is_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr(indexer.forecast.time, "monotonic", lambda: clock[0])
    told: list[float] = []
    outlook = Forecast(1000, 96, told.append)
    for batch in range(10):
        clock[0] += 0.32 if batch < 3 else 3.2  # the decoders keep up at first only
        outlook.measured(32, 0.3)
    assert told == [pytest.approx(0.1)]


def test_outlook_of_a_short_run_says_nothing() -> None:
    told: list[float] = []
    Forecast(32, 96, told.append).measured(32, 200.0)
    assert told == []
