"""Writes a folder of odd, damaged and hostile picture files, each with what must become of it.

``write_odd_files(folder)`` returns {file name: expectation}; an expectation is "image", "failure", or "any" where
both are right (a flipped bit may or may not matter) and only a crash or a hang is wrong.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

Entry = tuple[str, bytes, str]


def photo(width: int = 96, height: int = 64, seed: int = 5) -> Image.Image:
    """A smooth picture whose four quarters differ strongly: any turn or flip shows."""
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.zeros((height, width, 3), np.float32)
    pixels[..., 0] = 220 * (x < width / 2)
    pixels[..., 1] = 200 * (y < height / 2)
    pixels[..., 2] = 255 * (x + y) / (width + height)
    noise = np.random.default_rng(seed).integers(-9, 10, (61, 67, 3), dtype=np.int8)
    noise = np.tile(noise, (height // 61 + 1, width // 67 + 1, 1))[:height, :width]
    return Image.fromarray(np.clip(pixels + noise, 0, 255).astype(np.uint8), "RGB")


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def deflated_zeros(count: int) -> bytes:
    """What unpacks to ``count`` zeros. One piece again and again: to pack 100 MB takes most of a second."""
    packer, side = zlib.compressobj(9, zlib.DEFLATED, -15), 1 << 20
    piece = packer.compress(bytes(side)) + packer.flush(zlib.Z_FULL_FLUSH)
    rest = packer.compress(bytes(count % side)) + packer.flush()
    return b"\x78\xda" + piece * (count // side) + rest + struct.pack(">HH", count % 65521, 1)


def png_claiming(width: int, height: int, *extra: bytes, depth: int = 8, colour: int = 2, data: bytes = b"") -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    body = png_chunk(b"IDAT", zlib.compress(data) if data.strip(b"\0") else deflated_zeros(len(data)))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(extra) + body + png_chunk(b"IEND", b"")


def tiff_of(tags: list[tuple[int, int, int, int]], tail: bytes = b"") -> bytes:
    """A little-endian TIFF of one directory: (tag, type, count, value)."""
    directory = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + directory + struct.pack("<I", 0) + tail


def p3_profile() -> bytes:
    """Display P3 as ICC v2: its primaries (Apple, SMPTE EG 432-1 adapted to D50) and sRGB's curve."""
    matrix = [(0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407)]
    linear = [i / 1023 for i in range(1024)]
    curve = [((v + 0.055) / 1.055) ** 2.4 if v > 0.04045 else v / 12.92 for v in linear]
    fixed = lambda v: struct.pack(">i", round(v * 65536))  # noqa: E731
    xyz = lambda values: b"XYZ \0\0\0\0" + b"".join(map(fixed, values))  # noqa: E731
    trc = b"curv\0\0\0\0" + struct.pack(">I", 1024) + b"".join(struct.pack(">H", round(v * 65535)) for v in curve)
    text = b"Display P3\0"
    desc = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 78
    parts = {b"desc": desc, b"wtpt": xyz((0.96420, 1.0, 0.82491))}
    parts |= {name: xyz(row) for name, row in zip((b"rXYZ", b"gXYZ", b"bXYZ"), matrix, strict=True)}
    parts |= {b"rTRC": trc, b"gTRC": trc, b"bTRC": trc, b"cprt": b"text\0\0\0\0none\0"}
    table, body, at = b"", b"", 128 + 4 + 12 * len(parts)
    for name, data in parts.items():
        table += name + struct.pack(">II", at + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    size = at + len(body)
    white = b"".join(map(fixed, (0.96420, 1.0, 0.82491)))
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H4s", 2024, 1, 1, 0, 0, 0, b"acsp") + b"\0" * 28 + white
    return header.ljust(128, b"\0") + struct.pack(">I", len(parts)) + table + body


def with_exif(orientation: int, width: int = 96, height: int = 64) -> bytes:
    """JPEG of `photo` stored as the sensor saw it, with the tag that turns it upright."""
    back = {2: 0, 3: 1, 4: 5, 5: 5, 6: 2, 7: 6, 8: 4}
    methods = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    assert set(back) == set(methods)
    stored = photo(width, height)
    if orientation in methods:
        stored = stored.transpose(methods[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encode(stored, "JPEG", quality=95, exif=exif)


def _good() -> Iterator[Entry]:
    base = photo()
    formats = {
        "jpg": ("JPEG", "1 L RGB CMYK"),
        "png": ("PNG", "1 L LA P RGB RGBA I;16"),
        "webp": ("WEBP", "RGB RGBA"),
        "gif": ("GIF", "1 L P RGB RGBA"),
        "bmp": ("BMP", "1 L P RGB RGBA"),
        "tif": ("TIFF", "1 L LA P RGB RGBA CMYK LAB YCbCr I;16 I F"),
        "avif": ("AVIF", "L RGB RGBA"),
        "jp2": ("JPEG2000", "L LA RGB RGBA"),
        "ppm": ("PPM", "1 L RGB"),
        "ico": ("ICO", "RGB RGBA"),
        "qoi": ("QOI", "RGB RGBA"),
    }
    for extension, (kind, modes) in formats.items():
        for mode in modes.split():
            yield f"mode-{mode.replace(';', '')}.{extension}", encode(in_mode(base, mode), kind), "image"
    for orientation in range(9):
        yield f"orientation-{orientation}.jpg", with_exif(orientation), "image"
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield f"{compression}.tif", encode(base, "TIFF", compression=compression), "image"
    yield "group4.tif", encode(base.convert("1"), "TIFF", compression="group4"), "image"
    yield "progressive.jpg", encode(base, "JPEG", progressive=True), "image"
    yield "p3.jpg", encode(base, "JPEG", icc_profile=p3_profile()), "image"
    yield "gray-with-rgb-profile.jpg", encode(base.convert("L"), "JPEG", icc_profile=p3_profile()), "image"
    yield "cmyk-with-rgb-profile.jpg", encode(base.convert("CMYK"), "JPEG", icc_profile=p3_profile()), "image"
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    yield "rgb-with-lab-profile.png", encode(base, "PNG", icc_profile=lab), "image"
    yield "broken-profile.jpg", encode(base, "JPEG", icc_profile=b"rubbish" * 40), "image"
    yield "cut-profile.png", encode(base, "PNG", icc_profile=p3_profile()[:300]), "image"
    frames = [photo(seed=seed) for seed in range(3)]
    for extension, kind in {"gif": "GIF", "webp": "WEBP", "png": "PNG", "avif": "AVIF", "tif": "TIFF"}.items():
        data = encode(frames[0], kind, save_all=True, append_images=frames[1:])
        yield f"animated.{extension}", data, "image"
    yield "mpo.jpg", encode(frames[0], "MPO", save_all=True, append_images=frames[1:]), "image"
    for width, height in ((1, 1), (1, 3000), (3000, 1), (2, 9000), (65500, 1), (1, 65500)):
        yield f"thin-{width}x{height}.jpg", encode(photo(width, height), "JPEG"), "image"
        yield f"thin-{width}x{height}.png", encode(photo(width, height), "PNG"), "image"
    yield "wrong-name-png.jpg", encode(base, "PNG"), "image"
    yield "wrong-name-jpeg.png", encode(base, "JPEG"), "image"
    yield "wrong-name-webp.heic", encode(base, "WEBP"), "image"
    yield "wrong-name-jpeg.cr2", encode(base, "JPEG"), "image"
    yield "wrong-name-gif.tif", encode(base.convert("P"), "GIF"), "image"
    yield "no-extension", encode(base, "JPEG"), "image"
    yield "UPPER.JPG", encode(base, "JPEG"), "image"
    yield "jpeg-with-zip-behind.jpg", encode(base, "JPEG") + b"PK\x03\x04" + bytes(500), "image"
    yield "jpeg-with-exif-rubbish.jpg", encode(base, "JPEG", exif=b"Exif\0\0II*\0" + b"\xff" * 300), "image"
    yield "jpeg-with-empty-exif.jpg", encode(base, "JPEG", exif=b"Exif\0\0"), "image"
    yield "flat-white.png", encode(Image.new("RGB", (50, 50), "white"), "PNG"), "image"
    yield "all-transparent.png", encode(Image.new("RGBA", (50, 50), (9, 9, 9, 0)), "PNG"), "image"
    nan = Image.fromarray(np.array([[np.nan, np.inf], [-np.inf, 0.5]], dtype=np.float32))
    yield "not-a-number.tif", encode(nan, "TIFF"), "image"
    key = encode(base.convert("P"), "PNG", transparency=bytes(range(256)))
    yield "palette-with-alphas.png", key, "image"
    yield "rgb-with-colour-key.png", encode(base, "PNG", transparency=(0, 0, 0)), "image"
    try:
        import pillow_heif
    except ImportError:
        return
    out = io.BytesIO()
    pillow_heif.from_pillow(base).save(out, format="HEIF")
    yield "good.heic", out.getvalue(), "image"
    yield "heic-named.jpg", out.getvalue(), "image"


def in_mode(base: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":
        return Image.fromarray((np.asarray(base.convert("L")).astype(np.uint16)) * 257)
    if mode == "I":
        return Image.fromarray(np.asarray(base.convert("L")).astype(np.int32) * 257)
    if mode == "F":
        return Image.fromarray(np.asarray(base.convert("L")).astype(np.float32) / 255)
    if mode == "LAB":
        transform = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB")
        converted = ImageCms.applyTransform(base, transform)
        assert converted is not None
        return converted
    return base.convert(mode)


def _no_pictures() -> Iterator[Entry]:
    texts = {
        "empty": b"",
        "one-byte": b"\xff",
        "soi-only": b"\xff\xd8\xff",
        "text": b"This is a letter, not a picture.\n" * 20,
        "html": b"<!DOCTYPE html><html><body>404 Not Found</body></html>",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>',
        "psd": b"8BPS\0\x01" + bytes(6) + struct.pack(">HIIHH", 3, 10, 10, 8, 3) + bytes(200),
        "pdf": b"%PDF-1.7\n1 0 obj",
        "eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\nshowpage\n",
        "zip": b"PK\x03\x04" + bytes(80),
        "mp4": b"\0\0\0\x18ftypisom\0\0\0\0isommp42" + bytes(100),
        "jxl": b"\xff\x0a" + bytes(60),
        "zeros": bytes(5000),
        "noise": random.Random(3).randbytes(5000),
        "lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
        "apple-double": b"\0\x05\x16\x07\0\x02\0\0" + bytes(76),
        "riff-wave": b"RIFF\x24\0\0\0WAVEfmt " + bytes(30),
    }
    for name, data in texts.items():
        for extension in ("jpg", "png") if name not in ("empty", "zeros") else ("jpg", "gif", "tif", "heic", "webp"):
            yield f"{name}.{extension}", data, "failure"
    yield "rubbish.dng", b"II*\0\x08\0\0\0" + bytes(200), "failure"
    yield "rubbish.cr2", b"II*\0\x10\0\0\0CR\x02\0" + bytes(200), "failure"
    yield "rubbish.nef", b"MM\0*" + bytes(200), "failure"
    yield "rubbish.raf", b"FUJIFILMCCD-RAW " + bytes(200), "failure"


def _bombs() -> Iterator[Entry]:
    for side in (20_000, 65_535, 1_000_000, 2**31 - 1):
        yield f"bomb-header-{side}.png", png_claiming(side, side), "failure"
    yield "bomb-zero.png", png_claiming(0, 10), "failure"
    yield "bomb-grey.png", png_claiming(30_000, 30_000, colour=0, data=bytes(1 << 20)), "failure"
    text = png_chunk(b"zTXt", b"Comment\0\0" + deflated_zeros(100_000_000))
    yield "bomb-ztxt.png", png_claiming(2, 2, text, data=b"\0" + bytes(6) + b"\0" + bytes(6)), "any"
    profile = png_chunk(b"iCCP", b"bomb\0\0" + deflated_zeros(100_000_000))
    yield "bomb-iccp.png", png_claiming(2, 2, profile, data=b"\0" + bytes(6) + b"\0" + bytes(6)), "any"
    yield "bomb-idat.png", png_claiming(2, 2, data=bytes(50_000_000)), "any"
    huge_gif = bytearray(encode(photo().convert("P"), "GIF"))
    huge_gif[6:10] = b"\xff\xff\xff\xff"
    yield "bomb-screen.gif", bytes(huge_gif), "any"
    one = encode(Image.new("P", (2, 2)), "GIF")
    frame = one[one.index(b",") : -1]
    yield "bomb-100000-frames.gif", one[:-1] + frame * 100_000 + b";", "image"
    vp8x = b"VP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + b"\xff\xff\xff" + b"\xff\xff\xff"
    yield "bomb-canvas.webp", b"RIFF" + struct.pack("<I", len(vp8x) + 4) + b"WEBP" + vp8x, "failure"
    bmp = bytearray(encode(photo(), "BMP"))
    bmp[18:26] = struct.pack("<ii", 60_000, 60_000)
    yield "bomb-size.bmp", bytes(bmp), "failure"
    bmp[18:26] = struct.pack("<ii", -5, 2**31 - 1)
    yield "bomb-negative.bmp", bytes(bmp), "failure"
    yield "bomb.ppm", b"P6\n99999 99999\n255\n" + bytes(99), "failure"
    yield "bomb-digits.ppm", b"P6\n" + b"9" * 50_000 + b" 1\n255\n", "failure"
    yield "bomb.qoi", b"qoif" + struct.pack(">IIBB", 2**31, 2**31, 4, 0) + bytes(20), "failure"
    jpeg = bytearray(encode(photo(), "JPEG", subsampling=0))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = b"\xff\xdc\xff\xdc"
    yield "bomb-size.jpg", bytes(jpeg), "failure"
    basic = [(258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 200), (277, 3, 1, 1)]
    yield "bomb-size.tif", tiff_of([*basic, (256, 4, 1, 10**6), (257, 4, 1, 10**6), (279, 4, 1, 10)]), "failure"
    wide = [(256, 4, 1, 30_000), (257, 4, 1, 30_000), (278, 4, 1, 30_000), (279, 4, 1, 2**32 - 1)]
    yield "bomb-strip.tif", tiff_of([*basic, *wide], bytes(300)), "failure"
    many = [(256, 4, 1, 10), (257, 4, 1, 10), (279, 4, 2**31, 10), (700, 1, 2**31, 0)]
    yield "odd-counts.tif", tiff_of([*basic, *many], bytes(300)), "any"
    loop = bytearray(encode(photo(), "TIFF"))
    yield "loop.tif", bytes(loop[:-4]) + struct.pack("<I", 8), "any"
    yield "no-tags.tif", tiff_of([]), "failure"
    deep = b"II*\0" + struct.pack("<IH", 8, 65535) + bytes(3000)
    yield "too-many-tags.tif", deep, "failure"
    ico = bytearray(encode(photo(64, 64), "ICO", sizes=[(64, 64)]))
    ico[22:] = png_claiming(50_000, 50_000)
    yield "bomb.ico", bytes(ico), "failure"
    yield "many.ico", b"\0\0\x01\0\xff\xff" + bytes(16) * 300, "failure"
    bomb_exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + bytes(range(256)) * 8
    yield "exif-many-tags.jpg", encode(photo(), "JPEG", exif=bomb_exif), "image"


def _damaged(seed: int, rounds: int) -> Iterator[Entry]:
    """Every good file cut off at several points, and with bytes flipped."""
    rng = random.Random(seed)
    sources = {
        "jpg": encode(photo(), "JPEG"),
        "progressive.jpg": encode(photo(), "JPEG", progressive=True),
        "png": encode(photo(), "PNG"),
        "webp": encode(photo(), "WEBP"),
        "lossless.webp": encode(photo(), "WEBP", lossless=True),
        "gif": encode(photo().convert("P"), "GIF"),
        "bmp": encode(photo(), "BMP"),
        "lzw.tif": encode(photo(), "TIFF", compression="tiff_lzw"),
        "tif": encode(photo(), "TIFF"),
        "avif": encode(photo(), "AVIF"),
        "jp2": encode(photo(), "JPEG2000"),
        "qoi": encode(photo(), "QOI"),
        "ppm": encode(photo(), "PPM"),
    }
    try:
        import pillow_heif

        out = io.BytesIO()
        pillow_heif.from_pillow(photo()).save(out, format="HEIF")
        sources["heic"] = out.getvalue()
    except ImportError:
        pass
    for extension, data in sources.items():
        for share in (0.02, 0.1, 0.35, 0.6, 0.85):
            expected = "any" if extension in ("jp2", "qoi") else "failure"
            yield f"cut-{share}.{extension}", data[: int(len(data) * share)], expected
        for number in range(rounds):
            broken = bytearray(data)
            for _ in range(rng.choice((1, 3, 20))):
                # Headers are where damage is worst: half of the hits go to the first 200 bytes.
                at = rng.randrange(min(200, len(broken))) if rng.random() < 0.5 else rng.randrange(len(broken))
                broken[at] = rng.randrange(256)
            yield f"flipped-{number}.{extension}", bytes(broken), "any"


def odd_files(seed: int = 1, rounds: int = 4) -> Iterator[Entry]:
    """All of them: (file name, bytes, expectation); the same for the same seed."""
    yield from _good()
    yield from _no_pictures()
    yield from _bombs()
    yield from _damaged(seed, rounds)


def write_odd_files(folder: Path, seed: int = 1, rounds: int = 4) -> dict[str, str]:
    expectations = {}
    for name, data, expected in odd_files(seed, rounds):
        (folder / name).write_bytes(data)
        expectations[name] = expected
    return expectations
