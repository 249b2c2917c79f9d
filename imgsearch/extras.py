"""The optional packages, and the message if one is missing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from imgsearch.errors import ExtraMissing

EXTRAS = {
    "torch": ("torch", "transformers", "safetensors"),
    "train": ("torch", "transformers", "safetensors"),
    "tune": ("torch", "transformers", "safetensors", "peft", "accelerate"),
    "ray": ("ray", "pandas", "pyarrow"),
    "qdrant": ("qdrant_client",),
    "qdrant-edge": ("qdrant_edge",),
    "openvino": ("openvino",),
    "ocr": ("rapidocr", "onnxruntime", "cv2"),
    "postgres": ("psycopg",),
    "watch": ("watchfiles",),
    "web": ("flask", "waitress", "prometheus_client", "werkzeug"),
}
"""The extras of pyproject.toml, with the modules that each brings."""


def has_extra(extra: str) -> bool:
    """Whether all packages of ``extra`` can be found; imports nothing."""
    try:
        return all(find_spec(package) is not None for package in EXTRAS[extra])
    except ModuleNotFoundError:
        return False


@contextmanager
def needs_extra(what: str, extra: str) -> Iterator[None]:
    """Around an import: raises ExtraMissing if it fails because a package of ``extra`` is not installed. ``what``
    begins the message: "watching folders"."""
    try:
        yield
    except ModuleNotFoundError as exc:
        package = (exc.name or "").partition(".")[0]
        if package not in EXTRAS[extra]:
            raise
        raise ExtraMissing(
            f"{what} needs {package}, which is not installed", f"pip install 'imgsearch[{extra}]'"
        ) from exc
