"""The page on the architecture names files and folders: they are there; no folder is too full; packages are packed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")


def test_every_path_of_the_page_exists():
    named = set(re.findall(r"(?:imgsearch|indexer|web|tests|data|docs)(?:/[\w.-]*\w)+", PAGE))
    assert len(named) > 40
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_no_folder_holds_more_files_than_a_person_can_scan():
    folders: dict[Path, int] = {}
    for top in ("imgsearch", "indexer", "web"):
        for path in (ROOT / top).rglob("*.py"):
            folders[path.parent] = folders.get(path.parent, 0) + 1
    assert {folder: count for folder, count in folders.items() if count > 16} == {}


def test_every_package_is_named_for_the_wheel():
    named = set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["packages"])
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for room in ("imgsearch", "indexer", "web")
        for path in (ROOT / room).rglob("__init__.py")
    }
    assert found - named == set()
