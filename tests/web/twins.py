"""A library with duplicates, and the plan that a find would have written for it."""

from __future__ import annotations

import os
from pathlib import Path

from colour_shelf import TOKEN, ColourModel, Shelf, index_pictures
from PIL import Image, ImageDraw, ImageOps

from imgsearch.dedup.evidence.records import Copy, Evidence, Group, Member
from imgsearch.dedup.plan.file import write_plan
from imgsearch.dedup.plan.records import Plan, make_plan
from imgsearch.search.engine import Searcher
from imgsearch.storage import create_store, open_store
from imgsearch.storage.reads.gallery import ImageDetails, read_picture
from web import create_app
from web.config import WebConfig
from web.http.access import hash_token
from web.services.search_service import SearchService

SAVED = Evidence("perceptual", 0.98, hamming=2, difference=0.06)
NAMES = ("bytes", "pixels", "hard", "large", "near", "semantic")


def draw(seed: int, side: int = 240) -> Image.Image:
    """A picture in the shape of a photograph, no two seeds alike."""
    image = Image.new("RGB", (side * 4 // 3, side), ((60 * seed) % 200, (110 * seed) % 220, (170 * seed) % 240))
    pen = ImageDraw.Draw(image)
    for at in range(5):
        x, y = (53 * seed + 61 * at) % (side - 40), (31 * seed + 47 * at) % (side - 50)
        colour = ((90 * at + 40 * seed) % 256, (50 * at) % 256, (200 - 30 * at) % 256)
        (pen.ellipse if at % 2 else pen.rectangle)((x, y, x + 60 + 9 * at, y + 50), fill=colour)
    return image


def write_twins(photos: Path) -> None:
    """Six pictures and their copies, as `groups_of` puts them together."""
    for name in ("originals", "phone"):
        (photos / name).mkdir(parents=True)
    pictures = {name: draw(number) for number, name in enumerate(NAMES, 1)}
    for name, image in pictures.items():
        image.save(photos / "originals" / f"{name}.png")
    (photos / "phone" / "bytes copy.png").write_bytes((photos / "originals" / "bytes.png").read_bytes())
    pictures["pixels"].transpose(Image.Transpose.ROTATE_90).save(photos / "phone" / "pixels turned.png")
    hard = os.fsencode(photos / "phone") + b"/<b>hard \xff\n.jpg"
    pictures["hard"].save(os.fsdecode(hard), "JPEG", quality=60)
    marked = pictures["large"].copy()
    ImageDraw.Draw(marked).rectangle((10, 10, 60, 40), fill=(255, 255, 255))
    marked.resize((200, 150)).save(photos / "phone" / "large small.jpg")
    ImageOps.mirror(pictures["large"]).save(photos / "phone" / "large mirrored.jpg", quality=90)
    pictures["large"].save(photos / "phone" / "large saved.jpg", quality=70)
    pictures["near"].crop((10, 10, 250, 200)).save(photos / "phone" / "near crop.jpg")
    draw(60).save(photos / "phone" / "semantic other.jpg")


def build_twins(folder: Path) -> None:
    """The pictures, their library and its plan, below ``folder``."""
    photos = folder / "photos"
    write_twins(photos)
    names = sorted(str(path.relative_to(photos)) for path in photos.rglob("*") if path.is_file())
    model = ColourModel()
    with create_store(folder / "library", model.model_id) as store:
        index_pictures(store, photos, names)
    plan_twins(folder)


def serve_twins(folder: Path) -> Shelf:
    """They, and the app that serves them. Whoever calls closes the service."""
    build_twins(folder)
    store = open_store(folder / "library")
    service = SearchService(Searcher(store, ColourModel()))  # type: ignore[arg-type]
    app = create_app(service, WebConfig(secret_key=b"k" * 32))
    programs = create_app(service, WebConfig(secret_key=b"k" * 32, token_hashes=(hash_token(TOKEN),))).test_client()
    programs.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {TOKEN}"
    return Shelf(folder / "photos", store, service, app, app.test_client(), programs)


def plan_twins(folder: Path) -> Plan:
    """Write the plan of a library that `build_twins` made."""
    with open_store(folder / "library") as store:
        pictures = [found for number in range(1, 40) if (found := read_picture(store, number)) is not None]
    copies = {place.path.name: _copy(picture, at) for picture in pictures for at, place in enumerate(picture.places)}
    roots = {place.root_id: place.root for picture in pictures for place in picture.places}
    plan = make_plan(_groups(copies), roots, library=folder / "library", options={"keep": "resolution"})
    write_plan(plan, folder / "library" / "dedup" / "plan.json")
    return plan


def _copy(picture: ImageDetails, at: int) -> Copy:
    place, facts = picture.places[at], picture.record.facts
    return Copy(str(place.path), place.root_id, picture.record.image_id, place.size_bytes, place.mtime_ns, facts)


def _groups(copies: dict[str, Copy]) -> list[Group]:
    def group(keeper: str, why: str, *members: tuple[str, Evidence]) -> Group:
        found = [Member(copies[name], seen, seen.tier in ("bytes", "pixels", "perceptual")) for name, seen in members]
        return Group(copies[keeper], why, tuple(found))

    hard = os.fsdecode(b"<b>hard \xff\n.jpg")
    saved, mirrored = (
        Evidence("perceptual", 0.99, hamming=0, difference=0.03),
        Evidence("perceptual", 0.97, 2, hamming=1),
    )
    large = (("large saved.jpg", saved), ("large small.jpg", SAVED), ("large mirrored.jpg", mirrored))
    return [
        group("bytes.png", "in a folder of originals", ("bytes copy.png", Evidence("bytes", 1.0))),
        group("pixels.png", "not turned", ("pixels turned.png", Evidence("pixels", 1.0, 6))),
        group("hard.png", "lossless", (hard, SAVED)),
        group("large.png", "larger, lossless", *large),
        group("near.png", "larger", ("near crop.jpg", Evidence("near", 0.92, overlap=0.6, similarity=0.93))),
        group("semantic.png", "first by name", ("semantic other.jpg", Evidence("semantic", 0.7, similarity=0.9))),
    ]
