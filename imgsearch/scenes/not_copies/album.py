"""A folder of files that are not copies of each other, with true copies of each beside them, and a record of both."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

from imgsearch.errors import UsageError
from imgsearch.scenes.draw import draw_scene
from imgsearch.scenes.graph import Domain, sample_scene

_FIRST_NS = 1_500_000_000_000_000_000
_DAY_NS = 86_400_000_000_000
_LOSSLESS = {".png": ".tiff", ".tiff": ".png", ".webp": ".png", ".gif": ".png", ".bmp": ".png", ".jpg": ".png"}
_WAYS = (("bytes", "half"), ("container", "jpeg"), ("bytes", "jpeg"), ("container", "half"))
"""The true copies that stand beside an original, by its number in the set."""

_FEWER_WAYS = (("half",), ("jpeg",), ("bytes",), ("container",))  # in a small album

_COLOURED = 25.0  # levels of 255; grey photographs have under 10

_LARGE = 600  # pixels of the longer side of images that a small album shows at half their size
_FINE = frozenset({"clocks"})  # families whose differences nobody could see at half the size

QUICK_HEIC = {"preset": "ultrafast"}
"""For x265: a fifth of the time, files a fifth larger."""


@dataclass(frozen=True, slots=True)
class NotCopy:
    """One written file. Two files are copies of each other exactly if their ``source`` is the same."""

    path: str  # below the folder, with "/"
    source: str  # the file that it is a true copy of; its own path for an original
    family: str
    set: int
    may_move: bool  # False: a plan that moves it is wrong, whatever it keeps instead
    whole: bool  # holds everything that its source holds; one such file of each source must stay
    stack: str = ""  # files of one stack belong together: a plan moves all or none


class ImageSupply:
    """Images that are not copies of each other: the photographs in a shuffled order, each once, then drawn scenes."""

    def __init__(self, photographs: Sequence[Path], seed: int) -> None:
        self._rng = random.Random(f"pictures:{seed}")
        self._paths = self._rng.sample(list(photographs), len(photographs))

    def take(self, width: int = 640, height: int = 480, *, coloured: bool = False) -> Image.Image:
        """The next one, RGB [height, width], cut to that shape around its middle; ``coloured``: one that is not nearly
        grey. Raises UsageError if a photograph cannot be read."""
        for at in reversed(range(len(self._paths))):
            image = _read(self._paths[at])
            if not coloured or _chroma(image) > _COLOURED:
                del self._paths[at]
                return ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)
        image = draw_scene(sample_scene(self._rng, Domain()), max(width, height))[0]
        return ImageOps.fit(image, (width, height), Image.Resampling.BICUBIC)


def _read(path: Path) -> Image.Image:
    try:
        with Image.open(path) as opened:
            return ImageOps.exif_transpose(opened).convert("RGB")
    except OSError as exc:
        raise UsageError(f"{path} cannot be read as a picture: {exc}", "name pictures only") from exc


def _chroma(image: Image.Image) -> float:
    """Mean range of a pixel's three levels."""
    small = np.asarray(image.resize((64, 64)), np.float32)
    return float((small.max(-1) - small.min(-1)).mean())


class MadeAlbum:
    """One set of one family: where its files go, and what is true of them."""

    def __init__(
        self, folder: Path, family: str, number: int, seed: int, pictures: ImageSupply, *, small: bool = False
    ) -> None:
        self.family, self.number, self.pictures = family, number, pictures
        self._small = small and family not in _FINE
        self.rng = random.Random(f"{family}:{seed}:{number}")
        self._folder, self._place = folder, f"{family}/{number:02d}"
        self._rows: dict[str, NotCopy] = {}
        self._shown = 0

    @property
    def scale(self) -> float:
        """How large what differs is, by the number of the set: some sets differ in a small part only."""
        return (0.5, 1.0, 0.3)[self.number % 3]

    @property
    def rows(self) -> list[NotCopy]:
        """What was written, in that order."""
        return list(self._rows.values())

    def _write(self, name: str, data: bytes, *, lesser: bool = False) -> str:
        """The file's path below the folder. A ``lesser`` copy is older than its source in two of three sets: a rule
        that keeps the oldest must not decide before what the files hold does."""
        path = self._folder / self._place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        days = self.rng.randrange(1000, 2000) + (0 if not lesser else 1000 if self.number % 3 == 1 else -1000)
        stamp = _FIRST_NS + days * _DAY_NS
        os.utime(path, ns=(stamp, stamp))
        return f"{self._place}/{name}"

    def original(self, name: str, data: bytes, stack: str = "") -> str:
        """A file that is a copy of no other, and is never moved. ``stack``: a name shared by the files of its stack."""
        path = self._write(name, data)
        belongs = f"{self._place}:{stack}" if stack else ""
        self._rows[path] = NotCopy(path, path, self.family, self.number, False, True, belongs)
        return path

    def copy(self, source: str, name: str, data: bytes, *, whole: bool = False, stack: str = "") -> str:
        """A true copy of ``source`` that may be moved; ``whole`` if it holds as much, so that either may be moved."""
        path = self._write(name, data, lesser=not whole)
        belongs = f"{self._place}:{stack}" if stack else ""
        self._rows[path] = NotCopy(path, source, self.family, self.number, True, whole, belongs)
        if whole:
            self._rows[source] = replace(self._rows[source], may_move=True)
        return path

    def held(self, source: str, name: str, data: bytes) -> str:
        """A true copy of ``source`` that is never moved because something else depends on it."""
        path = self.copy(source, name, data)
        self._rows[path] = replace(self._rows[path], may_move=False)
        return path

    def companion(self, name: str, data: bytes, stack: str) -> str:
        """A file that is not a copy of an image and moves with its stack."""
        path = self.original(name, data, stack)
        self._rows[path] = replace(self._rows[path], may_move=True, whole=False)
        return path

    def read(self, path: str) -> bytes:
        """The bytes of a file that was written."""
        return (self._folder / path).read_bytes()

    def show(
        self,
        name: str,
        image: Image.Image,
        ways: Iterable[str] | None = None,
        exif: Image.Exif | None = None,
        **how: Any,
    ) -> str:
        """An original image in the format of its name, and true copies of it.

        ``ways``: "bytes", "container" (the same samples in another lossless format), "jpeg" (of lower quality), "half"
        (half as wide); by default two of them in turn. ``how``: options of the file; ``exif`` is the original's and
        that of its lossy copies, whose JPEG quality is lower than the original's."""
        if self._small and max(image.size) > _LARGE:
            image = image.resize((image.width // 2, image.height // 2), Image.Resampling.BOX)
        quick = {"compress_level": 1} if self._small else {}  # of PNG
        usual = _FEWER_WAYS if self._small else _WAYS
        chosen = usual[self._shown % len(usual)] if ways is None else tuple(ways)
        self._shown += 1
        suffix = Path(name).suffix
        told: dict[str, Any] = {} if exif is None else {"exif": exif}
        path = self.original(name, encoded(image, suffix, **(quick if suffix == ".png" else {}), **told, **how))
        stem, lower = Path(name).stem, min(85, int(how.get("quality", 92)) - 6)
        if "bytes" in chosen:
            self.twin(path)
        if "container" in chosen:
            other = _LOSSLESS[suffix]
            same = Image.open(io.BytesIO(self.read(path))) if suffix == ".jpg" else image
            data = encoded(same, other, **(quick if other == ".png" else {}))
            self.copy(path, f"converted/{stem}{other}", data, whole=not told)
        if "jpeg" in chosen:
            self.copy(path, f"sent/{stem}.jpg", encoded(image.convert("RGB"), ".jpg", quality=lower, **told))
        if "half" in chosen:
            small = image.convert("RGB").resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS)
            self.copy(path, f"small/{stem}.jpg", encoded(small, ".jpg", quality=88, **told))
        return path

    def twin(self, source: str) -> str:
        """The same bytes under another name; either may be moved."""
        name = Path(source).name
        return self.copy(source, f"backup/copy of {name}", self.read(source), whole=True)


def encoded(image: Image.Image, suffix: str, **how: Any) -> bytes:
    """The image as a file of that suffix; JPEG of quality 92 by default, PNG in a third of its usual time."""
    stream = io.BytesIO()
    usual: dict[str, dict[str, Any]] = {
        ".jpg": {"quality": 92},
        ".webp": {"lossless": True},
        ".png": {"compress_level": 2},
    }
    image.save(stream, Image.registered_extensions()[suffix], **(usual.get(suffix, {}) | how))
    return stream.getvalue()


Draw = Callable[[MadeAlbum], None]
"""Writes one set of a family."""
