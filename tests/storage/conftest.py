"""Small libraries: eight-byte-sized models, vectors that follow from the content's number."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from imgsearch.records import MediaFacts, ModelId
from imgsearch.storage import EmbeddedBatch, FilePlace, Store, create_store, writing

sys.path.insert(0, str(Path(__file__).parent))

from postgres_server import NoServer, PostgresServer

TOKENS, DIMS = 2, 4


class Kit:
    """What a test needs to speak of content number 7 and of the file "7.jpg"."""

    model = ModelId("mini", "ab" * 32, "v1-112", "float32", TOKENS, DIMS)

    @staticmethod
    def facts(number: int) -> MediaFacts:
        return MediaFacts(f"{number:064x}", (number * 0x9E3779B97F4A7C15) % 2**64, 640, 480, "JPEG", 1000 + number)

    @staticmethod
    def vectors(number: int) -> np.ndarray:
        """Numbers that float16 holds exactly, [T, D]."""
        return (np.arange(TOKENS * DIMS, dtype=np.float32).reshape(TOKENS, DIMS) + number) / 1024

    @staticmethod
    def place(root_id: int, path: str, mtime_ns: int = 1) -> FilePlace:
        return FilePlace(root_id, path, 1000, mtime_ns)

    def batch(self, root_id: int, numbers: list[int], paths: list[str] | None = None) -> EmbeddedBatch:
        paths = paths or [f"{number}.jpg" for number in numbers]
        return EmbeddedBatch(
            [self.facts(number) for number in numbers],
            np.stack([self.vectors(number) for number in numbers]),
            [[self.place(root_id, path)] for path in paths],
        )

    def fill(self, store: Store, root: Path, numbers: list[int]) -> int:
        """Commit these contents as one batch; returns the root's id."""
        with writing(store) as writer:
            root_id = writer.add_root(root).root_id
            with writer.transaction() as tx:
                tx.add(self.batch(root_id, numbers))
                tx.commit()
        return root_id

    @staticmethod
    def remove(store: Store, root_id: int, paths: list[str]) -> None:
        with writing(store) as writer, writer.transaction() as tx:
            tx.remove_files(root_id, paths)
            tx.commit()

    @staticmethod
    def content(store: Store) -> dict[str, tuple[str, bytes]]:
        """Path -> (content hash, bytes of the vectors), read the long way round: what a library *is*."""
        view = store.view()
        vectors = {
            int(image): view.read(np.array([slot]))[0].tobytes()
            for slot, image in zip(view.live_slots, view.image_ids, strict=True)
        }
        records = store.images(vectors)
        found = {}
        for root in store.roots():
            for state in store.files(root.root_id):
                record = records[state.image_id]
                found[f"{root.root_id}:{state.relative_path}"] = (record.facts.content_hash, vectors[state.image_id])
        return found


@pytest.fixture
def kit() -> Kit:
    return Kit()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A real server; where none can be started, the test is skipped with the reason."""
    try:
        server = PostgresServer()
    except (NoServer, OSError, subprocess.SubprocessError) as exc:
        pytest.skip(f"PostgreSQL: {exc}")
    yield server
    server.remove()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """See both_catalogs.py."""
    kinds = getattr(metafunc.function, "catalog_kinds", getattr(metafunc.module, "CATALOG_KINDS", None))
    if kinds and "catalog_kind" in metafunc.fixturenames:
        metafunc.parametrize("catalog_kind", kinds, indirect=True, scope="module")


@pytest.fixture(scope="module")
def catalog_kind(request: pytest.FixtureRequest) -> str:
    """Where catalogs are made: "sqlite" or "postgresql"."""
    return str(getattr(request, "param", "sqlite"))


@pytest.fixture(scope="module")
def new_catalog(request: pytest.FixtureRequest, catalog_kind: str) -> Callable[[], str]:
    """Addresses for `create_store`; "" for SQLite."""
    if catalog_kind == "sqlite":
        return lambda: ""
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_url


@pytest.fixture
def make_store(tmp_path: Path, new_catalog: Callable[[], str]) -> Iterator[Callable[..., Store]]:
    opened: list[Store] = []
    urls: dict[str, str] = {}

    def make(name: str = "library", dtype: str = "float16") -> Store:
        url = urls.setdefault(name, new_catalog())
        opened.append(create_store(tmp_path / name, Kit.model, dtype=dtype, catalog_url=url))
        return opened[-1]

    yield make
    for store in opened:
        store.close()


@pytest.fixture
def store(make_store: Callable[..., Store]) -> Store:
    return make_store()
