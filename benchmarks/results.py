"""Dated sections in benchmarks/RESULTS.md, with the machine that the figures belong to."""

from __future__ import annotations

import argparse
import datetime
import platform
from collections.abc import Sequence
from pathlib import Path

from imgsearch.settings import available_cores

RESULTS = Path(__file__).with_name("RESULTS.md")
_HEAD = "# Measured\n\nEach section is written by the program that it names; run it again to replace it.\n"


def add_flags(parser: argparse.ArgumentParser) -> None:
    """The flags that every benchmark has."""
    parser.add_argument("--quick", action="store_true", help="a small size, to see that it runs; writes nothing")
    parser.add_argument("--no-write", action="store_true", help="leave RESULTS.md as it is")


def writes(arguments: argparse.Namespace) -> bool:
    """Whether this run's figures go into RESULTS.md."""
    return not (arguments.quick or arguments.no_write)


def machine() -> str:
    """CPU model, cores of this process, system and Python."""
    return f"{_cpu_model()}, {available_cores()} cores, {platform.system()}, Python {platform.python_version()}"


def write_section(title: str, lines: Sequence[str], path: Path = RESULTS, *, device: str = "") -> None:
    """Write "## title" with date, machine and ``lines``, in place of the section of that title."""
    text = path.read_text(encoding="utf-8") if path.exists() else _HEAD
    head, *sections = text.split("\n## ")
    kept = [section.rstrip("\n") for section in sections if section.partition("\n")[0].strip() != title]
    where = machine() + (f", {device}" if device else "")
    kept.append(f"{title}\n\n{datetime.date.today().isoformat()}, {where}.\n\n" + "\n".join(lines))
    path.write_text(head.rstrip("\n") + "".join(f"\n\n## {section}" for section in kept) + "\n", encoding="utf-8")


def write_copy(path: Path, name: str, lines: Sequence[str]) -> None:
    """Put ``lines`` between the comments "<!-- name -->" and "<!-- /name -->" of a page. Raises ValueError if the page
    has none."""
    begin, end = f"<!-- {name} -->\n", f"<!-- /{name} -->"
    head, found, rest = path.read_text(encoding="utf-8").partition(begin)
    _, closed, tail = rest.partition(end)
    if not (found and closed):
        raise ValueError(f"{path} has no part between {begin.strip()} and {end}")
    path.write_text(f"{head}{begin}" + "".join(f"{line}\n" for line in lines) + f"{end}{tail}", encoding="utf-8")


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """The lines of a table; floats are written with three figures."""
    return [_row(header), _row(["---"] * len(header)), *(_row([_cell(value) for value in row]) for row in rows)]


def _row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _cell(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
