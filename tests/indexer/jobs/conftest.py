"""A folder of good and hostile pictures, and a job over it in this process: decoding in line, without a model unless a
test wants one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from imgsearch.errors import MediaError
from imgsearch.progress import Silence


class InlinePool:
    """The decode pool's contract without processes."""

    def __init__(self, size: int, *, pixels: bool = True, **more: Any) -> None:
        self.size, self.pixels = size, pixels

    def run(self, jobs: Iterable[Any], *, ordered: bool = False) -> Iterator[tuple[Any, Any]]:
        from imgsearch.media.decode import decode_file

        assert ordered
        for job in jobs:
            try:
                yield (
                    job,
                    decode_file(job.path, self.size, known_hashes=job.known_hashes, pixels=self.pixels, told=job.told),
                )
            except MediaError as error:
                yield job, error

    def close(self) -> None:
        pass


def drawn(seed: int) -> Image.Image:
    noise = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), np.uint8)
    return Image.fromarray(noise).resize((64, 48), Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine contents in twelve good files, and five bad ones; 17 inputs. Not to be changed."""
    folder = tmp_path_factory.mktemp("hostile")
    for number in range(9):
        drawn(number).save(folder / f"{number:02d}.{'png' if number % 2 else 'jpg'}")
    (folder / "sub").mkdir()
    shutil.copy(folder / "00.jpg", folder / "sub" / "copy-of-00.jpg")
    shutil.copy(folder / "03.png", folder / "sub" / "copy-of-03.png")
    (folder / os.fsdecode(b"l\xe4chelnd-\xff.png")).write_bytes((folder / "05.png").read_bytes())
    (folder / "02-cut.jpg").write_bytes((folder / "02.jpg").read_bytes()[:300])
    (folder / "04-empty.jpg").write_bytes(b"")
    (folder / "05-text.png").write_bytes(b"not a picture at all, whatever its name says\n" * 20)
    (folder / "sub" / "cut.png").write_bytes((folder / "07.png").read_bytes()[:-200])
    (folder / "sub" / "zeros.webp").write_bytes(bytes(2000))
    for path in folder.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    return folder


class Jobs:
    """Jobs below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def create(self, *inputs: Path | str, name: str = "job", shard_size: int = 4, **more: Any) -> Any:
        from imgsearch.settings import Settings
        from indexer.jobs.create import CreateRequest, create_job

        column, features = more.pop("column", ""), more.pop("features", False)
        settings = Settings(Path(), **{"model": "none", "device": "cpu", **more})
        request = CreateRequest(
            [str(word) for word in inputs], self.folder / name, settings, shard_size, column, features
        )
        return create_job(request, Silence()).spec

    def run(self, spec: Any, **more: Any) -> Any:
        from indexer.jobs.driver import RunRequest, run_job

        stop = more.pop("stop", lambda: False)
        return run_job(RunRequest(Path(spec.folder), **{"engine": "inline", **more}), Silence(), stop)

    def publish(self, spec: Any, to: Path | None = None, *, partial: bool = False) -> Any:
        from indexer.jobs.library.publish import publish_job

        return publish_job(Path(spec.folder), to, Silence(), partial=partial)

    def report(self, spec: Any) -> Any:
        from indexer.jobs.report import job_report

        return job_report(Path(spec.folder), Silence())


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    from indexer.jobs import worker

    monkeypatch.setattr(worker, "DecodePool", InlinePool)
    return Jobs(tmp_path)


@pytest.fixture(scope="session")
def published(hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two jobs with published libraries that share three contents; both have failures. Not to be changed."""
    from indexer.jobs import worker

    folder = tmp_path_factory.mktemp("halves")
    names = sorted(path for path in hostile.rglob("*") if path.is_file())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker, "DecodePool", InlinePool)
        jobs = Jobs(folder)
        for name, chosen in (("a", names[:9]), ("b", names[6:])):
            (folder / f"{name}.txt").write_bytes(b"\n".join(map(os.fsencode, chosen)))
            spec = jobs.create(folder / f"{name}.txt", name=name, shard_size=9)
            jobs.run(spec)
            jobs.publish(spec)
    return folder


@pytest.fixture
def content() -> Callable[[Path], dict[str, bytes]]:
    """Every file of a folder, by its path, byte for byte."""

    def read(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    return read


@pytest.fixture
def killed() -> Callable[[str, int, Callable[[], object]], bool]:
    """Run something in a fork that dies at the count-th time of a named step; False if it got to its end."""

    def run(step: str, count: int, work: Callable[[], object]) -> bool:
        from imgsearch import files

        child = os.fork()
        if child == 0:
            code = 1
            try:
                files._crash_at, files._remaining = step, count
                work()
                code = 0
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
        return os.WIFSIGNALED(status)

    return run


def names(rows: Sequence[str]) -> list[str]:
    return [Path(row.partition("\t")[0]).name for row in rows]
