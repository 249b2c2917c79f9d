"""The models that find and read text: PP-OCRv6, as the wheel of rapidocr carries them, on onnxruntime.

Nothing is downloaded: the models are named by their paths. rapidocr keeps what one call was told for the later ones, so
this engine has one setting for its life. It recognises line by line: in a batch with a long line, short ones lose their
spaces.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import logging
import math
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from imgsearch.errors import ExtraMissing
from imgsearch.extras import needs_extra
from imgsearch.reading.columns import Letters, completed
from imgsearch.reading.contract import Points, Recognised
from imgsearch.records import Float32, UInt8
from imgsearch.settings import available_cores

SCRIPTS = "Latin letters (with the accents of European languages), Chinese and Japanese"
"""The scripts whose letters the recogniser knows. Those of others are left out, or taken for similar ones with high
confidence: Cyrillic, Greek, Korean, Arabic, Hebrew, Thai, Indian scripts, the accents of Vietnamese."""

RECIPE = 3
"""How images are cut, scaled and put together. Raise it where other words are read then: `read --all` reads anew."""

_DETECTOR, _TURNER, _RECOGNISER = (
    "PP-OCRv6_det_small.onnx",
    "ch_ppocr_mobile_v2.0_cls_mobile.onnx",
    "PP-OCRv6_rec_small.onnx",
)
_THRESHOLDS = {"thresh": 0.3, "box_thresh": 0.5, "unclip_ratio": 1.6, "use_dilation": True}  # rapidocr's own
_TURNED = 0.9  # confidence of the turner from which on rapidocr turns a line by half a turn
_UPRIGHT = 1.5  # height over width from which on rapidocr lays a box on its side
_UNSURE_LETTERS = 4
"""Lines of so few letters are read in other directions as well, where the first reading leaves a doubt: the turner
decides by a whole line, and took "Pub" for "qnd", upright and turned, and "No" at a quarter turn for "NO"."""

_CLEARLY, _BETTER = 0.98, 0.005
"""Another direction counts from this confidence on, and if it is better by so much: "Pub" has 1.0, "qnd" 0.81 to 0.98.
"No" and "ON" differ by 0.002 and stay undecided."""
_LEGIBLE = 0.5  # confidence below which a line is left out, as rapidocr does,
_SHORT, _SHORT_LEGIBLE = 2, 0.9
"""Of a line of one or two letters more is asked: in 22 photographs and drawn scenes seven such lines were read where
there were none, six of them below 0.9, one at 0.96. Those of receipts are at 0.95 and more."""


@dataclass(frozen=True, slots=True)
class _Line:
    """What was read in ``crop``, which was turned counterclockwise by ``turns`` quarters. ``info``: rapidocr's places
    of the letters."""

    text: str
    score: float
    info: Any
    turns: int
    crop: UInt8


class RapidEngine:
    """A `contract.TextEngine`. Loads 32 MB of models in about a second; safe between threads, which wait for each
    other. Equal pixels give equal words, whatever the number of ``threads`` (0: one a core)."""

    def __init__(self, threads: int = 0) -> None:
        """Raises ExtraMissing where the extra ``ocr`` is not installed."""
        with needs_extra("reading the words in pictures", "ocr"):
            import onnxruntime
            import rapidocr
            from rapidocr.ch_ppocr_det.utils import DBPostProcess
        folder = Path(rapidocr.__file__).parent / "models"
        paths = {name: folder / name for name in (_DETECTOR, _TURNER, _RECOGNISER)}
        _require(paths)
        threads = threads or available_cores()
        self.name = f"rapidocr {importlib.metadata.version('rapidocr')}"
        self.fingerprint = _fingerprint(paths)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.log_severity_level = threads, 4
        self._detector = onnxruntime.InferenceSession(str(paths[_DETECTOR]), options, ["CPUExecutionProvider"])
        self._found = DBPostProcess(**_THRESHOLDS)
        self._reader = _quiet(rapidocr.RapidOCR, params=_parameters(paths, threads))
        self._lock = threading.Lock()

    def heat(self, pixels: UInt8) -> Float32:
        """See `contract.TextEngine`. 0.5 s of a core a megapixel."""
        import cv2

        height, width = (max(32, round(side / 32) * 32) for side in pixels.shape[:2])
        scaled = cv2.resize(pixels, (width, height), interpolation=cv2.INTER_AREA)
        batch = ((scaled.astype(np.float32) / 255 - 0.5) / 0.5).transpose(2, 0, 1)[None]
        name = self._detector.get_inputs()[0].name
        found: Float32 = self._detector.run(None, {name: np.ascontiguousarray(batch, np.float32)})[0][0, 0]
        return found

    def boxes(self, heat: Float32, height: int, width: int) -> list[Points]:
        """See `contract.TextEngine`."""
        with self._lock:
            found, _ = self._found(heat[None, None], (height, width))
        return [np.asarray(box, np.float64) for box in found]

    def recognise(self, pixels: UInt8, boxes: Sequence[Points]) -> list[Recognised]:
        """See `contract.TextEngine`. 40 ms of a core a line."""
        if not boxes:
            return []
        with self._lock:
            crops = self._reader.crop_text_regions(pixels, [np.asarray(box, np.float32) for box in boxes])
            crops, answers = self._reader.cls_and_rotate(crops)
            half = ["180" in label and score > _TURNED for label, score in answers.cls_res]
            read = [self._surely_read(crop, 2 * turned) for crop, turned in zip(crops, half, strict=True)]
            found = [_recognised(box, line, self._letters(box, line)) for box, line in zip(boxes, read, strict=True)]
        return [one for one in found if one is not None]

    def _letters(self, box: Points, line: _Line) -> Letters:
        """The letters of a line; of a column that was read lying, with those that were left out."""
        letters = placed(line.text, line.score, line.info)
        if not _lies(box) or line.turns % 2:
            return letters

        def reread(start: float, stop: float) -> tuple[str, float]:
            width = line.crop.shape[1]
            part = self._read(np.ascontiguousarray(line.crop[:, int(start * width) : math.ceil(stop * width)]), 0)
            return part.text, part.score

        return completed(letters, reread)

    def _surely_read(self, crop: UInt8, turns: int) -> _Line:
        """A line that was turned by so many quarter turns; of a short one the direction that is read best."""
        line = self._read(crop, turns)
        letters = sum(letter.isalnum() for letter in line.text)
        if not 0 < letters <= _UNSURE_LETTERS or line.score > 1 - _BETTER:
            return line
        height, width = crop.shape[:2]
        near_square = max(height, width) < _UPRIGHT * min(height, width)  # a quarter turn is as likely
        ways = (2, 1, 3) if near_square else (2,)
        others = [self._read(np.ascontiguousarray(np.rot90(crop, more)), turns + more) for more in ways]
        best = max(others, key=lambda other: other.score)
        return best if best.score >= max(_CLEARLY, line.score + _BETTER) else line

    def _read(self, crop: UInt8, turns: int) -> _Line:
        read = self._reader.recognize_txt([crop])
        return _Line(read.txts[0], float(read.scores[0]), read.word_results[0], turns, crop)


def _parameters(paths: dict[str, Path], threads: int) -> dict[str, Any]:
    onnx = "EngineConfig.onnxruntime"
    return {
        "Global.log_level": "critical",
        "Global.return_word_box": True,  # gives the places of letters
        "Det.model_path": str(paths[_DETECTOR]),
        "Cls.model_path": str(paths[_TURNER]),
        "Cls.cls_batch_num": 1,
        "Rec.model_path": str(paths[_RECOGNISER]),
        "Rec.rec_batch_num": 1,
        f"{onnx}.intra_op_num_threads": threads,
        f"{onnx}.inter_op_num_threads": 1,
    }


def _require(paths: dict[str, Path]) -> None:
    missing = [name for name, path in paths.items() if not path.is_file()]
    if missing:
        raise ExtraMissing(
            f"this rapidocr carries no {missing[0]}, expected a release of 3.10",
            "pip install --force-reinstall 'imgsearch[ocr]'",
        )


def _fingerprint(paths: dict[str, Path]) -> str:
    digest = hashlib.sha256(f"recipe {RECIPE}".encode())
    for path in paths.values():
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _quiet(make: Any, **arguments: Any) -> Any:
    """rapidocr sets its logger up while it is made; what it tells is for its developers."""
    made = make(**arguments)
    logging.getLogger("RapidOCR").setLevel(logging.CRITICAL)
    return made


def placed(text: str, score: float, info: Any) -> Letters:
    """The letters of a line where rapidocr saw them, as its ``info`` tells; the line was read with ``score``."""
    known = len(info.confs) == len(text)
    return Letters(text, tuple(_centres(text, info)), tuple(info.confs if known else [score] * len(text)))


def _recognised(box: Points, line: _Line, letters: Letters) -> Recognised | None:
    text, score = letters.text, line.score
    text_there = text.strip()
    short = sum(letter.isalnum() for letter in text_there) <= _SHORT
    if not text_there or score < (_SHORT_LEGIBLE if short else _LEGIBLE):
        return None
    first = len(text) - len(text.lstrip())
    inside = slice(first, first + len(text_there))
    return Recognised(text_there, begun(box, line.turns), score, letters.centres[inside], letters.confidences[inside])


def _centres(text: str, info: Any) -> list[float]:
    """How far along the line each letter of ``text`` stands. rapidocr tells it of letters that are no spaces; a space
    is midway between its neighbours. What is no text at all may be read as spaces alone."""
    known = [column for columns in info.word_cols for column in columns]
    letters = [place for place, letter in enumerate(text) if not letter.isspace()]
    if not letters or len(known) != len(letters) or not info.line_txt_len:
        return [(place + 0.5) / len(text) for place in range(len(text))]
    at = [min(1.0, (column + 0.5) / info.line_txt_len) for column in known]
    return [float(place) for place in np.interp(range(len(text)), letters, at)]


def begun(box: Points, turns: int) -> Points:
    """``box``, from its upper left corner on, as from the corner where its text begins: a box that is higher than wide
    was laid on its left side before it was read, and then perhaps turned by quarter turns."""
    return np.roll(box, -(_lies(box) + turns), axis=0)


def _lies(box: Points) -> bool:
    """Whether rapidocr lays a box on its left side before it reads it."""
    along = max(np.linalg.norm(box[0] - box[1]), np.linalg.norm(box[2] - box[3]))
    across = max(np.linalg.norm(box[0] - box[3]), np.linalg.norm(box[1] - box[2]))
    return int(across) >= _UPRIGHT * int(along)
