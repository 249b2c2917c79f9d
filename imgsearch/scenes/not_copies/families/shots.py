"""Several shots of one thing: brackets, bursts, series, fixed cameras. Each is another image."""

from __future__ import annotations

from PIL import Image, ImageDraw, ImageFont

from imgsearch.scenes.look_alikes import FAMILIES as LOOK_ALIKES
from imgsearch.scenes.not_copies.album import Draw, MadeAlbum, encoded
from imgsearch.scenes.not_copies.exif import shot
from imgsearch.scenes.not_copies.families.camera import balanced, exposed, focused, moved, noisy, shaken, with_thing


def _name(album: MadeAlbum, at: int) -> str:
    return f"IMG_{1000 * (album.number + 1) + 100 + at}.jpg"


def _exposures(album: MadeAlbum) -> None:
    """An exposure bracket, a sixth of a second between shots."""
    still = album.pictures.take()
    for at, stops in enumerate((0.0, -1.0, 1.0)):
        image = noisy(exposed(still, stops), album.rng, 2)
        album.show(_name(album, at), image, exif=shot(0.17 * at, exposure_time=2**stops / 125, bias=stops))


def _small_exposures(album: MadeAlbum) -> None:
    """A bracket of thirds of a stop by a camera that notes whole seconds only: times agree, exposure times differ."""
    still = album.pictures.take()
    for at, stops in enumerate((0.0, -1 / 3, 1 / 3)):
        image = noisy(exposed(still, stops), album.rng, 2)
        notes = shot(0.0, sub_seconds=False, exposure_time=2**stops / 125, bias=stops)
        album.show(_name(album, at), image, exif=notes)


def _balances(album: MadeAlbum) -> None:
    """A white-balance bracket."""
    still = album.pictures.take(coloured=True)
    for at, warmth in enumerate((0.0, -0.08, 0.08)):
        image = noisy(balanced(still, warmth), album.rng, 2)
        album.show(_name(album, at), image, exif=shot(0.21 * at, white_balance=int(at > 0)))


def _focuses(album: MadeAlbum) -> None:
    """A focus bracket on a tripod: near, far, between."""
    still = album.pictures.take()
    shown = (focused(still, True), focused(still, False), still)
    for at, image in enumerate(shown):
        notes = shot(0.4 * at, subject_distance=1.0 + 2 * at)
        album.show(_name(album, at), noisy(image, album.rng, 2), exif=notes)


def _tripod(album: MadeAlbum) -> None:
    """Frames of a tripod a minute apart: only noise, light and one small thing differ."""
    still = album.pictures.take()
    for at in range(4):
        image = with_thing(still, album.rng, 0.03) if at == 2 else still
        gain = album.rng.uniform(0.98, 1.02)
        notes = shot(61 * at, sub_seconds=album.number % 2 == 0)
        album.show(_name(album, at), noisy(image, album.rng, 2.5, gain), exif=notes)


def _zones(album: MadeAlbum) -> None:
    """Frames of a tripod an hour apart by their offsets, at one time on the clock."""
    still = album.pictures.take()
    for at, offset in enumerate(("+02:00", "+01:00", "+00:00")):
        album.show(_name(album, at), noisy(still, album.rng), exif=shot(0.25, offset=offset))


def _hand(album: MadeAlbum) -> None:
    """A burst by hand: small motion of the camera, the foreground a little more; with times, or (odd sets) without."""
    still, motion = album.pictures.take(), 0.012 * album.scale**1.5
    for at in range(4):
        image = noisy(moved(still, album.rng, motion, motion) if at else still, album.rng)
        album.show(_name(album, at), image, exif=shot(0.1 * at) if album.number % 2 == 0 else None)


def _two_cameras(album: MadeAlbum) -> None:
    """Two people press the button in the same second."""
    still = album.pictures.take()
    motion = 0.02 * album.scale**1.5
    for at, model in enumerate(("EOS R6", "Pixel 8", "ILCE-7M4")):
        image = noisy(moved(still, album.rng, motion, motion) if at else still, album.rng)
        album.show(f"{model[:3]}_{_name(album, at)}", image, exif=shot(0.0, model=model, sub_seconds=False))


def _face(image: Image.Image, place: tuple[int, int], side: int, shut: bool) -> None:
    pen, (x, y) = ImageDraw.Draw(image), place
    pen.ellipse((x, y, x + side, y + round(1.25 * side)), fill=(224, 182, 150), outline=(120, 80, 60), width=2)
    pen.arc((x, y - side // 8, x + side, y + side), 180, 360, fill=(70, 45, 30), width=max(3, side // 7))
    for at in (0.3, 0.7):
        cx, cy, r = x + at * side, y + 0.5 * side, side * 0.09
        if shut:
            pen.arc((cx - r, cy - r / 2, cx + r, cy + r / 2), 0, 180, fill=(60, 40, 30), width=max(2, side // 40))
        else:
            pen.ellipse((cx - r, cy - 0.7 * r, cx + r, cy + 0.7 * r), fill="white", outline=(60, 40, 30))
            pen.ellipse((cx - 0.45 * r, cy - 0.45 * r, cx + 0.45 * r, cy + 0.45 * r), fill=(40, 60, 90))
    pen.arc((x + side * 0.3, y + side * 0.7, x + side * 0.7, y + side), 20, 160, fill=(150, 50, 50), width=3)


def _eyes(album: MadeAlbum) -> None:
    """A portrait with the eyes open, shut, and of two people one shut; with times, or (odd sets) without."""
    still = album.pictures.take()
    side = round(album.rng.randint(90, 150) * album.scale)
    for at, (left, right) in enumerate(((False, False), (True, True), (False, True))):
        image = still.copy()
        _face(image, (120, 150), side, left)
        _face(image, (380, 170), side, right)
        image = noisy(image, album.rng)
        album.show(_name(album, at), image, exif=shot(1.4 * at) if album.number % 2 == 0 else None)


def stamped(image: Image.Image, words: str, size: int = 16) -> Image.Image:
    """The words in the upper left corner, white on black."""
    shown, font = image.copy(), ImageFont.load_default(size)
    pen = ImageDraw.Draw(shown)
    pen.rectangle((0, 0, pen.textlength(words, font=font) + 8, size + 8), fill=(0, 0, 0))
    pen.text((4, 3), words, fill=(255, 255, 255), font=font)
    return shown


def _security(album: MadeAlbum) -> None:
    """A fixed camera on two days: a clock in the corner, noise, a person in one; with EXIF, or (odd sets) without."""
    still = album.pictures.take()
    clock = ("2024-03-04 02:10:00", "2024-03-05 02:10:00", "2024-03-05 02:10:01", "2024-03-05 14:37:22")
    for at, words in enumerate(clock):
        image = with_thing(still, album.rng, 0.04) if at == 3 else still
        image = stamped(noisy(image, album.rng, 2), words)
        notes = shot(86_400.0 * min(at, 1) + at, sub_seconds=False) if album.number % 2 == 0 else None
        album.show(f"cam1_{at:05d}.jpg", image, exif=notes)


def _shaken(album: MadeAlbum) -> None:
    """A sharp shot, and three seconds later a shaken one that is larger in bytes."""
    still = album.pictures.take()
    album.show(_name(album, 0), noisy(still, album.rng, 2), quality=80, exif=shot(0))
    blurred = noisy(moved(shaken(still, round(14 * album.scale)), album.rng, 0.003 * album.scale, 0.0), album.rng, 4)
    album.show(_name(album, 1), blurred, quality=97, exif=shot(3))


def _belt(album: MadeAlbum) -> None:
    """Frames of a conveyor belt, no times."""
    for at, frame in enumerate(LOOK_ALIKES["belt"](album.rng)):
        album.show(f"frame_{at:04d}.jpg", frame, ("bytes",) if at % 3 == 0 else ("half",) if at % 3 == 1 else ())


def _passing(album: MadeAlbum) -> None:
    """A tripod without times: one person walks through, the next one stands elsewhere."""
    still = album.pictures.take()
    for at in range(4):
        image = with_thing(still, album.rng, 0.05 * album.scale) if at else still
        album.show(f"still {at}.jpg", noisy(image, album.rng, 2))


def _sent_frames(album: MadeAlbum) -> None:
    """A burst whose shots were also sent by a messenger: half as large, without any notes."""
    still = album.pictures.take()
    for at in range(3):
        image = noisy(moved(still, album.rng, 0.02, 0.02) if at else still, album.rng)
        path = album.original(_name(album, at), encoded(image, ".jpg", exif=shot(0.2 * at)))
        small = image.resize((320, 240), Image.Resampling.LANCZOS)
        album.copy(path, f"sent/IMG-20230617-WA{at:04d}.jpg", encoded(small, ".jpg", quality=75))


FAMILIES: dict[str, Draw] = {
    "exposure-bracket": _exposures,
    "exposure-thirds": _small_exposures,
    "white-balance-bracket": _balances,
    "focus-bracket": _focuses,
    "tripod-minutes": _tripod,
    "time-zones": _zones,
    "burst-by-hand": _hand,
    "burst-sent": _sent_frames,
    "two-cameras": _two_cameras,
    "eyes": _eyes,
    "security-days": _security,
    "shaken": _shaken,
    "conveyor-belt": _belt,
    "passers-by": _passing,
}
"""Family -> the function that writes one set of it."""
