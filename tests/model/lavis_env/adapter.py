"""A runtime that is salesforce-lavis itself, in an environment of its own: `server.py` says how it is asked."""

from __future__ import annotations

import subprocess
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import server_protocol
from PIL import Image

from imgsearch.media.preprocess import resize_to_model
from imgsearch.model import load_model
from imgsearch.model.contract import DEFAULT_MAX_TOKENS
from imgsearch.model.runtimes.torch.lavis_file import export_lavis


class LavisRuntime:
    """The model in a checkpoint directory, written as a LAVIS ``.pth`` into ``folder`` and opened by LAVIS there."""

    def __init__(self, python: Path, checkpoint: Path, folder: Path) -> None:
        ours = load_model(checkpoint, device="cpu", dtype="float32")
        export_lavis(ours, folder / "model.pth")
        self.model_id, self.profile = ours.model_id, ours.profile
        self.image_size, self.query_tokens, self.dims = ours.image_size, ours.query_tokens, ours.dims
        vision, qformer = ours.sizes.vision, ours.sizes.qformer
        self._features_shape = vision.positions, vision.width
        command = [str(python), str(Path(__file__).with_name("server.py"))]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        weakref.finalize(self, _end, self._server)
        sizes = {
            "clip": vision.first_norm,
            "image": vision.image,
            "patch": vision.patch,
            "vit_width": vision.width,
            "vit_layers": vision.layers,
            "vit_heads": vision.heads,
            "vit_mlp": vision.mlp,
            "vit_epsilon": vision.epsilon,
            "width": qformer.width,
            "layers": qformer.layers,
            "heads": qformer.heads,
            "mlp": qformer.mlp,
            "positions": qformer.positions,
            "epsilon": qformer.epsilon,
            "cross_every": qformer.cross_every,
            "vocabulary": qformer.vocabulary,
            "tokens": ours.query_tokens,
            "dims": ours.dims,
        }
        vocabulary = str(folder / "vocab.txt")
        said, _ = self._ask({"do": "open", "pth": str(folder / "model.pth"), "vocabulary": vocabulary, "sizes": sizes})
        self.missing: list[str] = said["missing"]

    def preprocess(self, images: Sequence[Image.Image]) -> np.ndarray:
        if isinstance(images, Image.Image):
            raise TypeError("a list of pictures is expected; received one image")
        arrays = [resize_to_model(image, self.image_size) for image in images]
        return self._pixels(arrays)

    def preprocess_arrays(self, arrays: np.ndarray) -> np.ndarray:
        side = self.image_size
        if arrays.dtype != np.uint8 or arrays.ndim != 4 or arrays.shape[1:] != (side, side, 3):
            raise ValueError(f"received {arrays.dtype} {list(arrays.shape)}, expected uint8 [B, {side}, {side}, 3]")
        return self._pixels(list(arrays))

    def encode_images(self, pixels: Any) -> np.ndarray:
        side, batch = self.image_size, np.asarray(pixels, np.float32)
        if batch.ndim != 4 or batch.shape[1:] != (3, side, side):
            raise ValueError(f"received pixels {list(batch.shape)}, expected [B, 3, {side}, {side}]")
        if not len(batch):
            return np.empty((0, *self._features_shape), np.float32)
        return self._found({"do": "encode_images"}, batch=batch)

    def embed_features(self, features: Any) -> np.ndarray:
        batch = self._checked(features)
        if not len(batch):
            return np.empty((0, self.query_tokens, self.dims), np.float32)
        return self._found({"do": "embed_features"}, batch=batch)

    def embed_images(self, pixels: Any) -> np.ndarray:
        return self.embed_features(self.encode_images(pixels))

    def embed_texts(self, texts: Sequence[str], max_tokens: int = DEFAULT_MAX_TOKENS) -> np.ndarray:
        if isinstance(texts, str):
            raise TypeError("a list of texts is expected; received one string")
        if not texts:
            return np.empty((0, self.dims), np.float32)
        return self._found({"do": "embed_texts", "texts": list(texts), "most": max_tokens})

    def match_both(self, texts: Sequence[str], features: Any, max_tokens: int = DEFAULT_MAX_TOKENS) -> np.ndarray:
        batch = self._checked(features)
        if len(texts) != len(batch):
            raise ValueError(f"received {len(texts)} texts and features of {len(batch)} images, expected pairs")
        if not len(batch):
            return np.empty((0, 2), np.float32)
        return self._found({"do": "match_both", "texts": list(texts), "most": max_tokens}, batch=batch)

    def match_logits(self, texts: Sequence[str], features: Any, max_tokens: int = DEFAULT_MAX_TOKENS) -> np.ndarray:
        return self.match_both(texts, features, max_tokens)[:, 1]

    def match_probabilities(
        self, texts: Sequence[str], features: Any, max_tokens: int = DEFAULT_MAX_TOKENS
    ) -> np.ndarray:
        both = np.exp(self.match_both(texts, features, max_tokens))
        return both[:, 1] / both.sum(axis=1)

    def attention_maps(self, texts: Sequence[str], features: Any, max_tokens: int = DEFAULT_MAX_TOKENS) -> np.ndarray:
        raise NotImplementedError("LAVIS itself has no such maps")

    def count_tokens(self, text: str) -> int:
        return int(self._ask({"do": "count_tokens", "text": text})[0]["found"])

    def _pixels(self, arrays: list[np.ndarray]) -> np.ndarray:
        if not arrays:
            return np.empty((0, 3, self.image_size, self.image_size), np.float32)
        return self._found({"do": "preprocess"}, **{f"{number:06d}": one for number, one in enumerate(arrays)})

    def _checked(self, features: Any) -> np.ndarray:
        batch = np.asarray(features, np.float32)
        if batch.ndim != 3 or batch.shape[1:] != self._features_shape:
            patches, width = self._features_shape
            raise ValueError(f"received features {list(batch.shape)}, expected [B, {patches}, {width}]")
        return batch

    def _found(self, asked: dict[str, Any], **arrays: np.ndarray) -> np.ndarray:
        return self._ask(asked, **arrays)[1]["found"]

    def _ask(self, asked: dict[str, Any], **arrays: np.ndarray) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
        assert self._server.stdin is not None and self._server.stdout is not None
        server_protocol.write(self._server.stdin, asked, **arrays)
        answer = server_protocol.read(self._server.stdout)
        if answer is None:
            raise RuntimeError("LAVIS's process ended")
        if "error" in answer[0]:
            raise RuntimeError(answer[0]["error"])
        return answer


def _end(server: subprocess.Popen[bytes]) -> None:
    for stream in (server.stdin, server.stdout):
        if stream is not None:
            stream.close()
    try:
        server.wait(timeout=30)
    except subprocess.TimeoutExpired:  # a busy machine; it has nothing left to write
        server.kill()
        server.wait()
