"""Add, move, remove, revive, compact and reopen in any order, against a dictionary."""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from pathlib import Path

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from imgsearch.storage import create_store, verify, writing
from imgsearch.storage.upkeep.compaction import compact_library
from imgsearch.storage.vectors import segment_store

_spec = importlib.util.spec_from_file_location("storage_kit", Path(__file__).with_name("conftest.py"))
_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_module)
NUMBERS = st.integers(0, 12)
PATHS = st.sampled_from([f"{name}.jpg" for name in "abcdefghij"])


class Library(RuleBasedStateMachine):
    """The model: path -> content number, and the set of contents that have vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.kit = _module.Kit()
        self.folder = Path(tempfile.mkdtemp())
        self.limit, segment_store.MAX_SLOTS = segment_store.MAX_SLOTS, 5
        self.store = create_store(self.folder / "library", self.kit.model)
        with writing(self.store) as writer:
            self.root_id = writer.add_root(self.folder).root_id
        self.files: dict[str, int] = {}
        self.embedded: set[int] = set()

    def teardown(self) -> None:
        assert verify(self.store) == []
        self.store.close()
        segment_store.MAX_SLOTS = self.limit
        shutil.rmtree(self.folder)

    @rule(entries=st.lists(st.tuples(PATHS, NUMBERS), min_size=1, max_size=6), keep=st.booleans())
    def add(self, entries, keep):
        with writing(self.store) as writer, writer.transaction() as tx:
            tx.add(self.kit.batch(self.root_id, [n for _, n in entries], [path for path, _ in entries]))
            if not keep:
                return
            done = tx.commit()
        assert done.images == len({n for _, n in entries} - self.embedded)
        self.files |= dict(entries)
        self.embedded |= {n for _, n in entries}

    @precondition(lambda self: self.embedded)
    @rule(data=st.data(), path=PATHS)
    def place(self, data, path):
        number = data.draw(st.sampled_from(sorted(self.embedded)))
        with writing(self.store) as writer, writer.transaction() as tx:
            tx.place_files([(self.kit.place(self.root_id, path), self.kit.facts(number).content_hash)])
            assert tx.commit().slots is None
        self.files[path] = number

    @rule(paths=st.lists(PATHS, min_size=1, max_size=6))
    def remove(self, paths):
        self.kit.remove(self.store, self.root_id, paths)
        for path in paths:
            self.files.pop(path, None)

    @rule()
    def compact(self):
        with writing(self.store) as writer:
            done = compact_library(writer)
        assert done.images_removed == len(self.embedded - set(self.files.values()))
        self.embedded = set(self.files.values())

    @rule()
    def reopen(self):
        self.store.close()
        self.store = create_store(self.folder / "library", self.kit.model)

    @invariant()
    def same_as_the_dictionary(self):
        expected = {
            f"{self.root_id}:{path}": (self.kit.facts(n).content_hash, self.kit.vectors(n).astype(np.float32).tobytes())
            for path, n in self.files.items()
        }
        assert self.kit.content(self.store) == expected
        stats = self.store.stats()
        assert (stats.images, stats.files) == (len(set(self.files.values())), len(self.files))
        assert stats.images + stats.deleted_images == len(self.embedded)


Library.TestCase.settings = settings(
    max_examples=6, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
TestLibrary = Library.TestCase
