"""Which images a verb's words name: files, ids of the library, or a query over it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from imgsearch.cli.listed import listed_paths
from imgsearch.cli.output.terminal import shown
from imgsearch.errors import UsageError

if TYPE_CHECKING:
    import argparse

    from imgsearch.captions.subjects import Subject
    from imgsearch.settings import Settings
    from imgsearch.storage import Store

_LONGEST_ID = 19  # the largest int64 has 19 digits


@dataclass(frozen=True, slots=True)
class NamedImages:
    """Files and image ids in the order in which they were named, or a ``query``."""

    images: tuple[Path | int, ...] = ()
    query: str = ""


def read_named(words: Sequence[str]) -> NamedImages:
    """If the first word is a file or a number, all words are images; otherwise they are a query. "-" reads names from
    standard input. Raises UsageError for a folder, and for what looks like a file and does not exist."""
    if "-" in words:
        return NamedImages(tuple(_image_named(word) for word in listed_paths(words)))
    if not words:
        return NamedImages()
    first = Path(words[0]).expanduser()
    if first.exists() or words[0].isdecimal() or _looks_like_a_file(words[0]):
        return NamedImages(tuple(_image_named(word) for word in words))
    from imgsearch.search.query.shell_words import join_words

    return NamedImages(query=join_words(list(words)))


def named_or_all(arguments: argparse.Namespace, example: str) -> NamedImages:
    """What ``words`` name, of a verb that has ``--all`` and ``--missing``, too. Raises UsageError where both or neither
    are given, with ``example`` as the way out."""
    named = read_named(arguments.words)
    if (arguments.all or arguments.missing) and arguments.words:
        received = f"{'--all' if arguments.all else '--missing'} and {shown(arguments.words[0])}"
        raise UsageError(f"received {received}, expected one of the two", "leave one of them out")
    if not (arguments.words or arguments.all or arguments.missing):
        raise UsageError("no picture was named, expected at least one", example)
    return named


def _looks_like_a_file(word: str) -> bool:
    from imgsearch.media.sniff import IMAGE_EXTENSIONS

    return ":" not in word and " " not in word and ("/" in word or Path(word).suffix.lower() in IMAGE_EXTENSIONS)


def _image_named(word: str) -> Path | int:
    path = Path(word).expanduser()
    if path.is_dir():
        raise UsageError(
            f"{shown(path)} is a folder, expected a picture",
            "name pictures, or index the folder and name it in a query: folder:NAME",
        )
    if not path.exists() and word.isdecimal() and len(word) < _LONGEST_ID:
        return int(word)
    if not path.exists():
        raise UsageError(f"there is no file {shown(path)}", "check the spelling; put quotes around a path with spaces")
    return path


def subjects_of(named: NamedImages, store: Store | None) -> list[Subject]:
    """The images to read. Raises UsageError for an id that the library does not have."""
    from imgsearch.captions.subjects import file_subject, library_subjects

    ids = [one for one in named.images if isinstance(one, int)]
    if ids and store is None:
        raise UsageError(f"there is no file {ids[0]}", "an id needs a library: name it with --library DIR")
    known = {} if store is None else {each.image_id: each for each in library_subjects(store, ids)}
    for one in ids:
        if one not in known:
            raise UsageError(f"the library holds no picture with the id {one}", "ids are in `search --json`")
    return [known[one] if isinstance(one, int) else file_subject(one) for one in named.images]


def found_ids(query: str, settings: Settings, store: Store, most: int) -> list[int]:
    """The ids that a query finds, best first, at most ``most``; for filters alone all matching ids, by id. Raises
    UsageError, and what opening a searcher raises."""
    from imgsearch.search.query.parser import parse

    ask = parse(query)
    if not (ask.description or ask.excluded or ask.compared):
        return [int(number) for number in store.matching_images(ask.filters)]
    from imgsearch.app import open_searcher
    from imgsearch.search.query.description import Query

    with open_searcher(settings) as searcher:
        results = searcher.search(Query(query, k=most))
    return [hit.image_id for hit in results.hits]
