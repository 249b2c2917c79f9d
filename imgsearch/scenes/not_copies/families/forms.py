"""One layout, another content: forms, bills, tickets, screens. Each is another document."""

from __future__ import annotations

import random

from PIL import Image, ImageDraw, ImageFont

from imgsearch.scenes.not_copies.album import Draw, MadeAlbum
from imgsearch.scenes.not_copies.families.shots import stamped

INK, PAPER, FAINT = (30, 30, 35), (252, 251, 248), (170, 170, 175)
_NAMES = ("Jonas Weber", "Mia Hofmann", "Elif Kaya", "Tomasz Nowak", "Ana Ruiz", "Liam Byrne")
_LABELS = ("Surname", "Given name", "Born", "Street", "Town", "Telephone", "Signature")


def words(rng: random.Random, count: int) -> str:
    return " ".join("".join(rng.choice("etaoinshrdlucmf") for _ in range(rng.randint(2, 9))) for _ in range(count))


def scrawl(pen: ImageDraw.ImageDraw, rng: random.Random, place: tuple[float, float], width: float, high: float) -> None:
    """A word by hand: a wavy line with loops, ``width`` long and ``high`` high."""
    x, y = place
    points, at = [(x, y)], x
    while at < x + width:
        at += rng.uniform(0.1, 0.35) * high
        points.append((at + rng.uniform(-0.3, 0.3) * high, y + rng.uniform(-1, 0.6) * high))
    pen.line(points, fill=(25, 35, 110), width=max(2, round(high / 9)), joint="curve")


def _filled_forms(album: MadeAlbum) -> None:
    """One printed form by four people, and empty; scanned at 150 dots an inch, JPEG."""
    rng, font = album.rng, ImageFont.load_default(20)
    form = Image.new("RGB", (1240, 1754), PAPER)
    pen = ImageDraw.Draw(form)
    pen.text((90, 80), "Application for a parking permit", fill=INK, font=ImageFont.load_default(44))
    for at, label in enumerate(_LABELS):
        y = 240 + 130 * at
        pen.text((90, y), label, fill=INK, font=font)
        pen.rectangle((330, y - 20, 1150, y + 60), outline=INK, width=2)
    for line in range(12):
        pen.text((90, 1220 + 36 * line), words(rng, 14)[:88], fill=INK, font=font)
    for person in range(5):
        sheet, hand = form.copy(), random.Random(rng.getrandbits(30))
        for at in range(len(_LABELS) if person else 0):
            scrawl(ImageDraw.Draw(sheet), hand, (350, 275 + 130 * at), hand.uniform(120, 420), 28 * album.scale)
        album.show(f"form {person}.jpg", sheet, quality=60 + 8 * person)


def invoice(rng: random.Random, number: int, scale: int = 1) -> Image.Image:
    """A page of an invoice, A4 at 150 dots an inch times ``scale``; ``rng`` decides everything but the number."""
    page = Image.new("RGB", (1240 * scale, 1754 * scale), PAPER)
    pen = ImageDraw.Draw(page)

    def put(x: int, y: int, text: str, size: int = 22) -> None:
        pen.text((x * scale, y * scale), text, fill=INK, font=ImageFont.load_default(size * scale))

    put(90, 90, "Nordlicht GmbH", 40)
    put(90, 340, f"Invoice {number}", 30)
    put(850, 340, "12 March 2024")
    total = 0.0
    for line in range(9):
        price = rng.randrange(500, 90_000) / 100
        total += price
        put(90, 460 + 60 * line, words(rng, 4))
        put(950, 460 + 60 * line, f"{price:10.2f} EUR")
    put(950, 1040, f"{total:10.2f} EUR", 26)
    for line in range(10):
        put(90, 1180 + 36 * line, words(rng, 13)[:84], 20)
    return page


def _invoices(album: MadeAlbum) -> None:
    """Invoice 10031, 10032, 10041: only the number differs; small and (every third set) at 300 dots an inch."""
    style, scale = album.rng.getrandbits(30), 2 if album.number % 3 == 1 else 1
    quality = (60, 75, 95)[album.number % 3]
    for number in (10031, 10032, 10041, 10037):
        ways = ("bytes",) if scale == 2 else None
        album.show(f"{number}.jpg", invoice(random.Random(style), number, scale), ways, quality=quality)


def _one_word(album: MadeAlbum) -> None:
    """A page of text in which one word, one letter or one figure is another; PNG."""
    rng, font = album.rng, ImageFont.load_default(20)
    lines = [words(rng, 9)[:58] for _ in range(30)]
    changed = rng.randrange(5, 25)
    first, _, rest = lines[changed].partition(" ")
    for at, put in enumerate(
        (f"{first} {rest}", f"{first[::-1]}x {rest}", f"{first} {rest[:-1]}q", f"7{first} {rest}")
    ):
        page = Image.new("L", (720, 1018), 255)
        pen = ImageDraw.Draw(page)
        for line, text in enumerate(lines):
            pen.text((50, 50 + 30 * line), put if line == changed else text, fill=20, font=font)
        album.show(f"letter v{at}.png", page)


def _statements(album: MadeAlbum) -> None:
    """Bank statements of one layout: other amounts, or (two of three sets) one other amount and another month."""
    rng = album.rng
    texts = [words(rng, 4)[:30] for _ in range(22)]
    amounts = [rng.randrange(-90_000, 90_000) for _ in texts]
    for month in range(3):
        page = Image.new("RGB", (1240, 1754), PAPER)
        pen, font = ImageDraw.Draw(page), ImageFont.load_default(22)
        pen.text((90, 90), "Statement of account", fill=INK, font=ImageFont.load_default(38))
        pen.text((900, 180), f"{month + 1:02d}/2024", fill=INK, font=font)
        for line, text in enumerate(texts):
            y = 320 + 56 * line
            pen.text((90, y), f"{line + 3:02d}.{month + 1:02d}.  {text}", fill=INK, font=font)
            changes = line == 3 + month or album.number % 3 == 1
            amount = rng.randrange(-90_000, 90_000) if changes else amounts[line]
            pen.text((980, y), f"{amount / 100:10.2f}", fill=INK, font=font)
            pen.line((90, y + 36, 1150, y + 36), fill=FAINT)
        album.show(f"statement-{month + 1:02d}.png", page)


def _phone(album: MadeAlbum, size: tuple[int, int] = (540, 1170)) -> Image.Image:
    screen = Image.new("RGB", size, (246, 246, 248))
    ImageDraw.Draw(screen).rectangle((0, 0, size[0], 44), fill=(235, 235, 238))
    return screen


def _chats(album: MadeAlbum) -> None:
    """Screenshots of one chat: another last message, another time above."""
    rng, font = album.rng, ImageFont.load_default(20)
    sent = [words(rng, rng.randint(2, 6))[:34] for _ in range(9)]
    last = ("ok", "ok!", "see you at 7", "see you at 8")
    for at, text in enumerate(last):
        screen = _phone(album)
        pen = ImageDraw.Draw(screen)
        pen.text((24, 10), f"14:{20 + at}", fill=INK, font=font)
        for line, message in enumerate([*sent, text]):
            x, y = (30 if line % 3 else 200), 80 + 104 * line
            pen.rounded_rectangle((x, y, x + 310, y + 74), 20, fill=(255, 255, 255) if line % 3 else (200, 235, 200))
            pen.text((x + 16, y + 22), message, fill=INK, font=font)
        album.show(f"Screenshot_2024-05-0{at + 1}.png", screen)


def _clocks(album: MadeAlbum) -> None:
    """Screens a minute apart: only the clock in the corner differs."""
    screen = album.pictures.take(720, 480)
    for at in range(4):
        image = stamped(screen, f"{9 + album.number}:4{at}", 18 + 4 * album.number)
        album.show(f"Screenshot {at}.png", image)


def _themes(album: MadeAlbum) -> None:
    """One screen light, dark, and with another accent."""
    rng, font = album.rng, ImageFont.load_default(22)
    rows = [words(rng, 4)[:28] for _ in range(14)]
    looks = {
        "light": ((250, 250, 250), (20, 20, 20), (40, 110, 220)),
        "dark": ((22, 22, 26), (235, 235, 235), (40, 110, 220)),
        "accent": ((250, 250, 250), (20, 20, 20), (215, 60, 90)),
    }
    for name, (paper, ink, accent) in looks.items():
        screen = Image.new("RGB", (540, 960), paper)
        pen = ImageDraw.Draw(screen)
        pen.rectangle((0, 0, 540, 70), fill=accent)
        for line, text in enumerate(rows):
            pen.ellipse((20, 94 + 60 * line, 56, 130 + 60 * line), fill=accent)
            pen.text((80, 98 + 60 * line), text, fill=ink, font=font)
        album.show(f"settings-{name}.png", screen)


def _numbers(album: MadeAlbum) -> None:
    """A rendered number, a figure apart: a counter that fills the image, or a small one in a photograph."""
    value, scale = album.rng.randrange(10_000, 99_000), album.scale
    back = album.pictures.take() if scale < 1 else Image.new("RGB", (420, 200), (225, 225, 220))
    for step in (0, 1, 10, 3000):
        image = back.copy()
        pen = ImageDraw.Draw(image)
        pen.rectangle((30, 50, 30 + 330 * scale, 50 + 100 * scale), fill=(15, 15, 18))
        font = ImageFont.load_default(round(70 * scale))
        pen.text((30 + 40 * scale, 50 + 10 * scale), f"{value + step:05d}", fill=(240, 240, 230), font=font)
        album.show(f"meter-{step}.png", image)


def _cards(album: MadeAlbum) -> None:
    """Name badges and certificates: another name on one background, JPEG."""
    back = album.pictures.take(800, 560)
    for at, name in enumerate(_NAMES[:4]):
        card = back.copy()
        pen = ImageDraw.Draw(card)
        size = round(44 * album.scale)
        pen.rectangle((180, 210, 220 + 9 * size, 250 + 2 * size), fill=PAPER)
        pen.text((200, 215), "is awarded to", fill=INK, font=ImageFont.load_default(max(12, size // 2)))
        pen.text((200, 235 + size // 2), name, fill=INK, font=ImageFont.load_default(size))
        album.show(f"certificate-{at}.jpg", card, quality=88)


def _signed(album: MadeAlbum) -> None:
    """A contract without a signature, with one, and with two; scanned, JPEG."""
    style = album.rng.getrandbits(30)
    for signatures in range(3):
        page = invoice(random.Random(style), 7)
        pen = ImageDraw.Draw(page)
        for at in range(signatures):
            scrawl(pen, album.rng, (140 + 560 * at, 1640), 260, 36 * album.scale)
        album.show(f"contract-{signatures}.jpg", page, quality=80)


FAMILIES: dict[str, Draw] = {
    "filled-forms": _filled_forms,
    "invoices": _invoices,
    "one-word": _one_word,
    "statements": _statements,
    "chats": _chats,
    "clocks": _clocks,
    "themes": _themes,
    "numbers": _numbers,
    "certificates": _cards,
    "signatures": _signed,
}
"""Family -> the function that writes one set of it."""
