"""Files that belong together: a RAW and its JPEG, a still and its film, an image and its edit, sidecars."""

from __future__ import annotations

import io
import struct

from PIL import Image, ImageEnhance

from imgsearch.scenes.not_copies.album import QUICK_HEIC, Draw, MadeAlbum, encoded
from imgsearch.scenes.not_copies.exif import START, shot, xmp_packet
from imgsearch.scenes.not_copies.families.camera import noisy
from imgsearch.scenes.not_copies.tiff import dng


def _clip(seed: int, size: int = 6000) -> bytes:
    """Bytes that begin as an MP4 or MOV does: an ftyp box, and a box of data."""
    body = bytes((seed * 31 + at * 7) % 251 for at in range(size))
    kind = b"\0\0\0\x14ftypqt  \0\0\0\0qt  "
    return kind + struct.pack(">I", len(body) + 8) + b"mdat" + body


def _raw_and_jpeg(album: MadeAlbum) -> None:
    """A RAW and the camera's JPEG of it, twice; the JPEG has the place (odd sets); the second pair is also in a backup,
    whose files are alternately older and newer."""
    for at in range(2):
        image = noisy(album.pictures.take(), album.rng, 2)
        name, place = f"IMG_{4100 + at}", (48.1, 11.6) if album.number % 2 else None
        jpeg = encoded(image, ".jpg", exif=shot(60 * at, sub_seconds=False, place=place))
        raw = dng(image, album.rng.getrandbits(30), f"{START:%Y:%m:%d} 14:0{3 + at}:21")
        raw_path = album.original(f"{name}.DNG", raw, name)
        jpeg_path = album.original(f"{name}.JPG", jpeg, name)
        if at:
            album.copy(raw_path, f"backup/{name}.DNG", raw, whole=True, stack=f"backup {name}")
            album.copy(jpeg_path, f"backup/{name}.JPG", jpeg, whole=True, stack=f"backup {name}")
        else:
            album.copy(jpeg_path, f"sent/{name}.jpg", encoded(image.resize((320, 240)), ".jpg", quality=80))
            album.copy(jpeg_path, f"favourites/{name}.JPG", jpeg)


def _live_photos(album: MadeAlbum) -> None:
    """A still and its film of a second, HEIC or JPEG; the still alone elsewhere is a copy that lacks the film."""
    import pillow_heif

    for at in range(2):
        image = noisy(album.pictures.take(480, 360), album.rng, 2)
        stream = io.BytesIO()
        pillow_heif.from_pillow(image).save(stream, format="HEIF", quality=85, enc_params=QUICK_HEIC)
        suffix, film = (".HEIC", ".MOV") if at == 0 else (".JPG", ".MP4")
        data = stream.getvalue() if at == 0 else encoded(image, ".jpg", exif=shot(5.0 * at))
        name = f"IMG_{510 + at}"
        path = album.original(f"{name}{suffix}", data, name)
        album.companion(f"{name}{film}", _clip(album.number * 10 + at), name)
        album.copy(path, f"stills/{name}{suffix}", data)
        album.copy(path, f"sent/{name}.jpg", encoded(image, ".jpg", quality=80))


def _motion_photos(album: MadeAlbum) -> None:
    """A JPEG with a film behind it beside the plain still; two with one still and other films."""
    image = noisy(album.pictures.take(), album.rng, 2)
    still = encoded(image, ".jpg", exif=shot(2.5))
    paths = []
    for at in range(2):
        film = _clip(40 + album.number * 10 + at)
        told = {"GCamera__MotionPhoto": "1", "GCamera__MotionPhotoVersion": "1", "GCamera__MicroVideo": "1"}
        packet = xmp_packet(**told, GCamera__MicroVideoOffset=str(len(film)))
        data = encoded(image, ".jpg", exif=shot(2.5), xmp=packet) + film
        paths.append(album.original(f"PXL_2023061714{at}.MP.jpg", data))
    album.twin(paths[0])
    album.copy(paths[0], "sent/PXL_2023061714.jpg", still)


def _edited(album: MadeAlbum) -> None:
    """An original and an edit of it under the names that programs give, the edit a little brighter."""
    names = (
        ("IMG_2001.jpg", "IMG_2001-edited.jpg"),
        ("IMG_2002.JPG", "IMG_E2002.JPG"),
        ("DSC_2003.jpg", "DSC_2003-Edit.tif"),
        ("IMG_2004.jpg", "IMG_2004-bearbeitet.jpg"),
    )
    for at, (name, edited) in enumerate(names):
        image = noisy(album.pictures.take(), album.rng, 2)
        bright = ImageEnhance.Brightness(image).enhance(1.06)
        notes = shot(100.0 * at)
        stack = name
        path = album.original(name, encoded(image, ".jpg", exif=notes), stack)
        other = album.original(edited, encoded(bright, ".tif" if edited.endswith("tif") else ".jpg", exif=notes), stack)
        album.copy(path, f"backup/{name}", album.read(path))
        album.copy(other, f"backup/{edited}", album.read(other))


def _derived(album: MadeAlbum) -> None:
    """An export whose XMP names its source: cropped a little and sharpened."""
    for at in range(2):
        image = noisy(album.pictures.take(), album.rng, 2)
        document = f"xmp.did:{album.number}{at}f3-41"
        source = encoded(image, ".jpg", exif=shot(30.0 * at), xmp=xmp_packet(xmpMM__DocumentID=document))
        made = ImageEnhance.Sharpness(ImageEnhance.Contrast(image).enhance(1.05)).enhance(1.4)
        derived = {"xmpMM__DocumentID": f"{document}-b", "stRef__documentID": document}
        packet = xmp_packet(**derived, xmp__CreatorTool="Adobe Photoshop Lightroom")
        first = album.original(f"L10{at}7.jpg", source, f"{at}")
        second = album.original(
            f"print/harbour {at}.jpg", encoded(made, ".jpg", exif=shot(30.0 * at), xmp=packet), f"{at}"
        )
        album.copy(first, f"backup/L10{at}7.jpg", source)
        album.copy(second, f"backup/harbour {at}.jpg", album.read(second))


def _companions(album: MadeAlbum) -> None:
    """Images with a sidecar, an edit list, Google's notes, a sound note; their twins have none, or another."""
    kinds = ("{stem}.xmp", "{stem}.AAE", "{name}.json", "{stem}.WAV")
    for at, kind in enumerate(kinds):
        image = noisy(album.pictures.take(480, 360), album.rng, 2)
        name, stem = f"DSC_0{700 + at}.jpg", f"DSC_0{700 + at}"
        data = encoded(image, ".jpg", exif=shot(40.0 * at))
        path = album.original(name, data, stem)
        beside = kind.format(stem=stem, name=name)
        album.companion(beside, xmp_packet(xmp__Rating=str(at + 1)) if at == 0 else f"note {at}".encode() * 40, stem)
        if at % 2:
            album.copy(path, f"backup/{name}", data, whole=True, stack=f"backup {stem}")
            album.companion(f"backup/{beside}", f"note {at}".encode() * 40, f"backup {stem}")
        else:
            album.copy(path, f"backup/{name}", data)


def _same_names(album: MadeAlbum) -> None:
    """Two images of one name and other suffixes that are no stack: each is its own, with copies beside."""
    for at in range(2):
        image = album.pictures.take(480, 360)
        album.show(("IMG_0001.jpg", "IMG_0001.png")[at], image, ("bytes", "half"))
    grey = Image.new("L", (480, 360), 90 + 40 * album.number)
    x, y = album.rng.randrange(20, 160), album.rng.randrange(20, 130)
    grey.paste(200, (x, y, x + 150 + 60 * album.number, y + 190 - 50 * album.number))
    album.show("IMG_0001.bmp", grey, ("bytes",))


FAMILIES: dict[str, Draw] = {
    "raw-and-jpeg": _raw_and_jpeg,
    "live-photos": _live_photos,
    "motion-photos": _motion_photos,
    "edited": _edited,
    "derived-from": _derived,
    "companions": _companions,
    "same-names": _same_names,
}
"""Family -> the function that writes one set of it."""
