"""JPEG XL through pillow-jxl-plugin, or through imagecodecs where 8 bits are not enough (linear light, PQ, HLG) or
where the plugin mixes up channels."""

from __future__ import annotations

import io
import re

import numpy as np
from PIL import Image, ImageCms

from imgsearch.errors import MediaError
from imgsearch.media.colour.code_points import HLG, PQ, CodePoints
from imgsearch.media.colour.ranges import Span
from imgsearch.media.colour.rows import ArrayRows
from imgsearch.media.colour.small import DeepImage, reduced_size, small_srgb
from imgsearch.media.colour.srgb import shrink, to_srgb
from imgsearch.media.containers.jxl import JxlHead, read_jxl_head
from imgsearch.media.formats.other_readers import imagecodecs_for, read_all
from imgsearch.media.limits import check_bytes, check_memory
from imgsearch.media.opening import decoding, open_image
from imgsearch.media.orientation import orient_image
from imgsearch.media.wanted import DecodeRequest, Upright

_LINEAR = 8
# libjxl names the profiles that it makes from code points, for example "RGB_D65_202_Rel_PeQ".
_NAME = re.compile(r"(?:RGB|Gra)_(?:D65|DCI|E)_?(SRG|202|DCI|P3)?_?(?:Per|Rel|Sat|Abs)_(PeQ|HLG|Lin)")
_PRIMARIES = {"202": 9, "DCI": 12, "P3": 12}
_TRANSFERS = {"PeQ": PQ, "HLG": HLG, "Lin": _LINEAR}


def read_jxl(wanted: DecodeRequest) -> Upright:
    """The image, turned as the codestream says, whatever EXIF says. A repacked JPEG comes back as it was, without
    turning. Raises MediaError."""
    head = read_jxl_head(wanted.stream)
    size = head.width, head.height
    check_memory("JXL", "RGBA", size, size_bytes=wanted.size_bytes, extra_bytes=0, limits=wanted.limits)
    with open_image(wanted.stream, wanted.kind, wanted.size_bytes, wanted.limits) as image:
        packed = bool(getattr(image, "jpeg", False))
        codes = None if packed else _codes_of(image.info.get("icc_profile") or b"")
        mixed_up = not packed and len(getattr(image, "_data", b"")) != _expected_bytes(image)
        if codes is not None or mixed_up:
            deep = _read_deep(wanted, head, codes)
            if deep is not None:
                return deep
        with decoding(wanted.kind):
            image.load()
        orientation = head.orientation if packed else 1
        small = to_srgb(shrink(image, wanted.target), image.info.get("icc_profile"), codes)
        width, height = image.size[::-1] if orientation >= 5 else image.size
        return Upright(orient_image(small, orientation), width, height, "JXL", _own(head))


def read_jxl_samples(wanted: DecodeRequest) -> DeepImage:
    """The samples of a file with one image, at full depth and with its own profile, for comparison. Raises
    MediaError."""
    head = read_jxl_head(wanted.stream)
    codecs = imagecodecs_for("a JPEG XL picture of which every sample counts")
    check_bytes((head.width, head.height), 24 * head.width * head.height + wanted.size_bytes, wanted.limits)
    with open_image(wanted.stream, wanted.kind, wanted.size_bytes, wanted.limits) as image:
        icc = image.info.get("icc_profile") or b""
    with decoding(wanted.kind):
        samples = np.asarray(codecs.jpegxl_decode(read_all(wanted)))
    samples = samples if samples.ndim >= 3 else samples[..., None]
    if samples.ndim != 3 or samples.shape[2] > 4:
        raise MediaError("a JPEG XL picture of several frames or of further channels", stage="decode")
    colours = 3 if samples.shape[2] >= 3 else 1
    span = (0.0, float((1 << head.bits) - 1)) if head.bits and samples.dtype.kind == "u" else None
    return DeepImage(ArrayRows(samples, colours=colours), span, icc)


def _own(head: JxlHead) -> int:
    """The file's own orientation. A codestream without one says 1, so 1 becomes 0."""
    return head.orientation if head.orientation > 1 else 0


def _read_deep(wanted: DecodeRequest, head: JxlHead, codes: CodePoints | None) -> Upright | None:
    """All channels at full depth; None without imagecodecs."""
    try:
        import imagecodecs
    except ImportError:
        return None
    check_bytes((head.width, head.height), 24 * head.width * head.height + wanted.size_bytes, wanted.limits)
    wanted.stream.seek(0)
    with decoding(wanted.kind):
        samples = np.asarray(imagecodecs.jpegxl_decode(wanted.stream.read(), index=0))
    samples = samples[0] if samples.ndim == 4 else samples if samples.ndim == 3 else samples[..., None]
    highest = (1 << head.bits) - 1 if head.bits and samples.dtype.kind == "u" else 0
    span: Span = (0.0, float(highest or 1))  # floats run from 0 to 1, what is brighter lies beyond white
    colours = 3 if samples.shape[2] >= 3 else 1
    kept = samples[..., : colours + (samples.shape[2] in (2, 4))]
    height, width = samples.shape[:2]
    across, down = reduced_size((width, height), wanted.target)
    check_bytes((width, height), 40 * across * down, wanted.limits)
    image = small_srgb(DeepImage(ArrayRows(kept, colours=colours), span, b"", codes), wanted.target)
    return Upright(image, width, height, "JXL", _own(head))


def _expected_bytes(image: Image.Image) -> int:
    sample = {"F": 4, "I;16": 2}.get(image.mode, 1)
    return image.width * image.height * len(image.getbands()) * sample


def _codes_of(icc: bytes) -> CodePoints | None:
    """The code points behind a profile that libjxl made, if they need more than 8 bits."""
    if not icc:
        return None
    try:
        name = str(ImageCms.ImageCmsProfile(io.BytesIO(icc)).profile.profile_description)
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    match = _NAME.search(name)
    return None if match is None else CodePoints(_PRIMARIES.get(match[1] or "", 1), _TRANSFERS[match[2]])
