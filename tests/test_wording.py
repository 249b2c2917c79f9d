"""Names that hold anything, and sizes."""

from __future__ import annotations

import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgsearch.wording import describe_pace, describe_size, one_line


@given(st.binary(max_size=40))
def test_one_line_is_one_line_of_visible_text(name: bytes) -> None:
    told = one_line(os.fsdecode(name))
    told.encode("utf-8")
    assert not any(unicodedata.category(letter) in ("Cc", "Cs") for letter in told)


def test_one_line_shows_what_hides() -> None:
    assert one_line("a\nb\u202egpj.exe") == "a\\nb\\u202egpj.exe"
    assert one_line(os.fsdecode(b"blue \xff.png")) == "blue \\xff.png"
    assert one_line("Ünïcödé 👩‍💻 写真.jpg") == "Ünïcödé 👩‍💻 写真.jpg"


@pytest.mark.parametrize(
    ("size", "told"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (123_456_789, "123 MB"), (5e15, "5,000.0 TB")],
)
def test_describe_size_uses_powers_of_ten(size: float, told: str) -> None:
    assert describe_size(size) == told


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.0027, "2.7 ms"), (0.52, "520 ms"), (0.0994, "99 ms"), (1.23, "1.2 s"), (12.4, "12 s"), (1234, "1200 s")],
)
def test_describe_pace_is_a_number_to_read(seconds: float, told: str) -> None:
    assert describe_pace(seconds) == told
