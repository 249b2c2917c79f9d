"""Groups of real files for reports, tables and pages: a drawn picture, its copies, and names that are hard to show."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from PIL import Image, ImageOps

from imgsearch.dedup.evidence.records import Copy, Evidence, Group, Member
from imgsearch.records import MediaFacts

HOSTILE = [
    '"><script>document.title="taken"</script>.png',
    "<img src=x onerror=alert(1)>.png",
    "two\nlines.png",
    "\u202egnp.exe.png",
    os.fsdecode(b"blue \xff three.png"),
    "' onload='x.png",
    "&lt;b&gt; 100% #fragment?query.png",
]


def picture(seed: int, side: int = 96) -> Image.Image:
    """A gradient with a square in it: no two seeds alike."""
    image = Image.linear_gradient("L").resize((side, side * 3 // 4)).convert("RGB")
    image.paste((40 * seed % 256, 90 * seed % 256, 200), (8 + seed % 20, 8, 40 + seed % 20, 44))
    return image


def make_copy(path: Path, image_id: int, image: Image.Image, **facts: object) -> Copy:
    """The file, written, and what a library would know of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, "PNG")
    return known(path, image_id, **facts)


def known(path: Path, image_id: int, **facts: object) -> Copy:
    """A copy of what lies at ``path``."""
    content = path.read_bytes()
    with Image.open(path) as image:
        width, height = image.size
    told = {"format": "PNG", "perceptual_hash": 0, "width": width, "height": height} | facts
    media = MediaFacts(content_hash=hashlib.sha256(content).hexdigest(), size_bytes=len(content), **told)  # type: ignore[arg-type]
    return Copy(str(path), 1, image_id, len(content), path.stat().st_mtime_ns, media)


def make_groups(folder: Path) -> list[Group]:
    """Four groups: with every tier but bursts, turned and cropped, and one of names that are hard to show."""
    folder.mkdir(parents=True, exist_ok=True)
    image = picture(1)
    keeper = make_copy(folder / "keeper.png", 1, image, taken_at="2024-05-03T10:00:00", camera="Canon EOS R6")
    same = make_copy(folder / "same.png", 1, image)
    saved = make_copy(folder / "saved again.png", 2, image.resize((48, 36)).resize((72, 54)))
    turned = make_copy(folder / "turned.png", 3, image.transpose(Image.Transpose.ROTATE_90))
    crop = make_copy(folder / "crop.png", 4, image.crop((5, 5, 90, 70)))
    mirrored = make_copy(folder / "mirrored.png", 5, ImageOps.mirror(image))
    scene = make_copy(folder / "scene.png", 6, picture(2))
    members = (
        Member(same, Evidence("bytes", 1.0)),
        Member(turned, Evidence("pixels", 1.0, 6)),
        Member(saved, Evidence("perceptual", 0.98, hamming=2, difference=0.05)),
        Member(mirrored, Evidence("perceptual", 0.97, 2, hamming=0, difference=0.0)),
        Member(crop, Evidence("near", 0.9, overlap=0.77, similarity=0.95)),
    )
    names = [make_copy(folder / name, 10 + at, picture(9)) for at, name in enumerate(HOSTILE)]
    hard = Group(names[0], "of many", tuple(Member(copy, Evidence("bytes", 1.0)) for copy in names[1:]))
    linked = make_copy(folder / "linked.png", 20, picture(4))
    linked = Copy(**{name: getattr(linked, name) for name in Copy.__slots__} | {"links": 2})  # type: ignore[attr-defined]
    return [
        Group(keeper, "larger, has EXIF", members),
        Group(scene, "oldest", (Member(keeper, Evidence("semantic", 0.8, similarity=0.9), move=False),)),
        hard,
        Group(names[-1], "first by name", (Member(linked, Evidence("bytes", 1.0)),)),
    ]
