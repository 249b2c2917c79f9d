"""A small library behind the app: twelve plain pictures and a model that knows colours, without torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from imgsearch.media.decode import decode_file
from imgsearch.media.preprocess import RECIPE, resize_to_model
from imgsearch.model.runtime_profile import RuntimeProfile
from imgsearch.model.text import clean_text
from imgsearch.model.words import VocabularyWord
from imgsearch.records import ModelId
from imgsearch.search.calibration import Calibration
from imgsearch.search.engine import Searcher
from imgsearch.storage import EmbeddedBatch, FailedFile, FilePlace, Store, create_store, writing
from web import create_app
from web.config import WebConfig
from web.http.access import hash_token
from web.services.search_service import SearchService

SIDE = 8
COLOURS = {"red": (200, 30, 30), "green": (30, 180, 40), "blue": (40, 40, 210), "grey": (120, 120, 120)}
WORDS = {name: np.array([*rgb, 40.0]) for name, rgb in COLOURS.items()}
TOKEN = "a token of the tests"
NAMES = [
    "a/red one.png",
    "a/red two.jpg",
    "a/green one.gif",
    "a/b/green two.bmp",
    "a/b/blue one.webp",
    "a/b/blue two.tif",
    "c/grey one.png",
    "c/grey 'two' & <b>.png",
    "c/grey\nthree é.png",
    "c/red \\ 50%.jpg",
    "c/" + os.fsdecode(b"blue \xff three.png"),
    "blue four.png",
]
"""Every format that is shown, one that is a download, names that are hard on headers and JSON."""


class ColourModel:
    """A picture's two tokens are the colours of its upper and its lower half; a word's vector is its colour."""

    device = "cpu"
    profile = RuntimeProfile("numpy", "cpu", "float32", image_gflop=0.1, pair_gflop=0.1, weight_bytes=1)
    image_size, query_tokens, dims = SIDE, 2, 4
    model_id = ModelId("colours", "cd" * 32, f"{RECIPE}-{SIDE}", "float32", 2, 4)

    def preprocess(self, images: Sequence[Image.Image]) -> np.ndarray:
        return self.preprocess_arrays(np.stack([resize_to_model(image, SIDE) for image in images]))

    def preprocess_arrays(self, arrays: np.ndarray) -> np.ndarray:
        return arrays.transpose(0, 3, 1, 2).astype(np.float32)

    def encode_images(self, pixels: np.ndarray) -> np.ndarray:
        halves = pixels.reshape(len(pixels), 3, 2, -1).mean(axis=3).transpose(0, 2, 1)  # [B, 2, 3]
        return np.concatenate([halves, np.full((len(pixels), 2, 1), 40.0)], axis=2).astype(np.float32)

    def embed_features(self, features: np.ndarray) -> np.ndarray:
        return (features / np.linalg.norm(features, axis=2, keepdims=True)).astype(np.float32)

    def embed_images(self, pixels: np.ndarray) -> np.ndarray:
        return self.embed_features(self.encode_images(pixels))

    def embed_texts(self, texts: Sequence[str], max_tokens: int = 32) -> np.ndarray:
        return np.stack([_vector(text) for text in texts])

    def match_both(self, texts: Sequence[str], features: np.ndarray, max_tokens: int = 32) -> np.ndarray:
        tokens = self.embed_features(np.asarray(features))
        scores = [float((one @ _vector(text)).max()) for text, one in zip(texts, tokens, strict=True)]
        return np.array([[0.0, 20 * (score - 0.9)] for score in scores], np.float32).reshape(-1, 2)

    def match_logits(self, texts: Sequence[str], features: np.ndarray, max_tokens: int = 32) -> np.ndarray:
        return self.match_both(texts, features)[:, 1]

    def attention_maps(self, texts: Sequence[str], features: np.ndarray) -> np.ndarray:
        """[texts, T, P]: each token looks at its own half of 2 x 2 patches."""
        return np.broadcast_to(np.array([[0.5, 0.5, 0, 0], [0, 0, 0.5, 0.5]], np.float32), (len(texts), 2, 4))

    def count_tokens(self, text: str) -> int:
        return len(clean_text(text).split()) + 2

    def words(self, text: str) -> list[VocabularyWord]:
        return [VocabularyWord(word, (word,)) for word in clean_text(text).split()]


def _vector(text: str) -> np.ndarray:
    total = sum((WORDS.get(word, WORDS["grey"]) for word in clean_text(text).split()), np.zeros(4))
    return (total / max(float(np.linalg.norm(total)), 1e-9)).astype(np.float32)


SURE = Calibration(1, 0, 0, 0, 0)
"""After this a picture matches from a probability of one half on."""


@dataclass
class Shelf:
    """A library over the pictures in ``photos``, and the app that serves it. ``client`` needs no login; ``programs``
    is the client of an app that wants a token, and sends it."""

    photos: Path
    store: Store
    service: SearchService
    app: Flask
    client: FlaskClient
    programs: FlaskClient

    def add(self, names: Sequence[str]) -> None:
        """Index these pictures of the folder, as one committed batch."""
        index_pictures(self.store, self.photos, names)

    def fail(self, names: Sequence[str]) -> None:
        """Record these files as failures."""
        with writing(self.store, wait_s=5.0) as writer:
            root_id = writer.add_root(self.photos).root_id
            with writer.transaction() as transaction:
                rows = [FailedFile(root_id, name, "open", f"{name} is no picture", False, 5, 6) for name in names]
                transaction.record_failures(rows)
                transaction.commit()

    def id_of(self, name: str) -> int:
        """The image id of a file of the folder."""
        (root,) = self.store.roots()
        return self.store.files_at(root.root_id, [name])[name].image_id


def index_pictures(store: Store, photos: Path, names: Sequence[str]) -> None:
    """Index these files of a folder with the model of colours, as one committed batch."""
    model = ColourModel()
    decoded = [decode_file(photos / name, SIDE) for name in names]
    vectors = model.embed_images(model.preprocess_arrays(np.stack([one.pixels for one in decoded])))
    with writing(store, wait_s=5.0) as writer:
        root_id = writer.add_root(photos).root_id
        places = [
            [FilePlace(root_id, name, one.facts.size_bytes, one.mtime_ns)]
            for name, one in zip(names, decoded, strict=True)
        ]
        with writer.transaction() as transaction:
            transaction.add(EmbeddedBatch([one.facts for one in decoded], vectors, places))
            transaction.commit()


def paint(path: Path, number: int) -> None:
    """A picture of the colour that its name begins with, no two alike; a JPEG says when it was taken, and by what."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rgb = COLOURS[os.fsencode(path.name).split()[0].decode().partition("\n")[0]]
    pixels = np.full((40 + number, 60, 3), rgb, np.uint8)
    pixels[:, : 3 + number] //= 2
    exif = Image.Exif()
    exif[0x0110] = "Camera 5 Mk" + " II" * (number % 3 == 0)
    exif.get_ifd(0x8769)[0x9003] = f"{2018 + number % 3}:05:06 10:00:00"
    extra = {"exif": exif} if path.suffix == ".jpg" else {}
    Image.fromarray(pixels).save(path, **extra)


def build(folder: Path, names: Sequence[str] = NAMES, *, generation: Any = None, **options: Any) -> Shelf:
    """A new library in ``folder``; ``options`` are the searcher's, ``generation`` writes captions and answers."""
    model = ColourModel()
    for number, name in enumerate(names):
        paint(folder / "photos" / name, number)
    store = create_store(folder / "library", model.model_id)
    service = SearchService(Searcher(store, model, **options))  # type: ignore[arg-type]
    app = create_app(service, WebConfig(secret_key=b"k" * 32), generation)
    guarded = create_app(service, WebConfig(secret_key=b"k" * 32, token_hashes=(hash_token(TOKEN),)), generation)
    programs = guarded.test_client()
    programs.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    shelf = Shelf(folder / "photos", store, service, app, app.test_client(), programs)
    if names:
        shelf.add(names)
    return shelf
