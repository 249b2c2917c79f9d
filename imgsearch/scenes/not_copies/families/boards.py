"""One board with other pieces: codes, maps, scores, plates, games, tables. Each is another image."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from imgsearch.scenes.not_copies.album import Draw, MadeAlbum
from imgsearch.scenes.not_copies.families.forms import FAINT, INK, PAPER, words

GREEN = (40, 110, 60)


def _code(album: MadeAlbum, modules: int, side: int) -> Image.Image:
    """A square code [side, side]: finders in three corners, other modules at random."""
    grid = np.random.default_rng(album.rng.getrandbits(32)).integers(0, 2, (modules, modules)).astype(np.uint8)
    for top, left in ((0, 0), (0, modules - 7), (modules - 7, 0)):
        grid[top : top + 7, left : left + 7] = 1
        grid[top + 1 : top + 6, left + 1 : left + 6] = 0
        grid[top + 2 : top + 5, left + 2 : left + 5] = 1
    return Image.fromarray(255 - grid * 255).resize((side, side), Image.Resampling.NEAREST)


def _tickets(album: MadeAlbum) -> None:
    """Tickets of one event: another code, another seat."""
    event = words(album.rng, 3).title()
    for number in range(4):
        ticket = Image.new("RGB", (900, 360), PAPER)
        pen = ImageDraw.Draw(ticket)
        pen.rectangle((0, 0, 900, 70), fill=(150, 40, 60))
        pen.text((30, 14), event[:30], fill=PAPER, font=ImageFont.load_default(36))
        pen.text((30, 120), "12 May 2024, 20:00, Stadthalle", fill=INK, font=ImageFont.load_default(28))
        pen.text((30, 200), f"Row 7  Seat {14 + number}", fill=INK, font=ImageFont.load_default(34))
        ticket.paste(_code(album, 25, 220), (640, 100))
        album.show(f"ticket-{number}.png", ticket)


def _codes(album: MadeAlbum) -> None:
    """Square codes alone."""
    for number in range(4):
        frame = Image.new("L", (330, 330), 255)
        frame.paste(_code(album, 29, 290), (20, 20))
        album.show(f"qr-{number}.png", frame)


def _bars(album: MadeAlbum) -> None:
    """Parcel labels: another bar code, another number, one address."""
    address = [words(album.rng, 2).title() for _ in range(3)]
    for number in range(4):
        label = Image.new("RGB", (600, 420), (255, 255, 255))
        pen = ImageDraw.Draw(label)
        for line, text in enumerate(address):
            pen.text((40, 40 + 44 * line), text[:26], fill=INK, font=ImageFont.load_default(32))
        x = 40
        while x < 550:
            wide, gap = album.rng.choice((2, 4, 6)), album.rng.choice((2, 4, 6))
            pen.rectangle((x, 210, x + wide - 1, 340), fill=(0, 0, 0))
            x += wide + gap
        pen.text((150, 350), f"3407 {album.rng.randrange(10**9):09d}", fill=INK, font=ImageFont.load_default(28))
        album.show(f"label-{number}.png", label)


def _maps(album: MadeAlbum) -> None:
    """One map, the pin elsewhere."""
    rng = album.rng
    land = Image.new("RGB", (640, 480), (236, 240, 226))
    pen = ImageDraw.Draw(land)
    for _ in range(26):
        x, y = rng.randrange(640), rng.randrange(480)
        pen.line((x, y, x + rng.randint(-300, 300), y + rng.randint(-300, 300)), fill=(255, 255, 255), width=7)
    pen.line([(0, 300), (200, 260), (380, 330), (640, 250)], fill=(150, 190, 230), width=26)
    for number in range(4):
        shown, x, y = land.copy(), rng.randrange(60, 580), rng.randrange(80, 420)
        pin = ImageDraw.Draw(shown)
        r = 14 * album.scale**0.5
        pin.polygon([(x - r, y - 2 * r), (x + r, y - 2 * r), (x, y)], fill=(215, 50, 45))
        pin.ellipse((x - r, y - 3 * r, x + r, y - r), fill=(215, 50, 45))
        pin.ellipse((x - r / 3, y - 2.3 * r, x + r / 3, y - 1.6 * r), fill=(255, 255, 255))
        album.show(f"map-{number}.png", shown)


def _scores(album: MadeAlbum) -> None:
    """A scoreboard over one image of a game."""
    game = album.pictures.take(800, 450)
    for number, score in enumerate(("0 - 0", "1 - 0", "1 - 1", "1 - 2")):
        shown = game.copy()
        pen = ImageDraw.Draw(shown)
        pen.rectangle((30, 24, 290, 66), fill=(20, 30, 70))
        pen.text((44, 30), f"FCA  {score}  TSV", fill=(255, 255, 255), font=ImageFont.load_default(26))
        album.show(f"game-{number}.jpg", shown, quality=88)


def _plates(album: MadeAlbum) -> None:
    """One car, another licence plate."""
    car = album.pictures.take(640, 480)
    for number in range(4):
        shown = car.copy()
        pen = ImageDraw.Draw(shown)
        size = round(36 * album.scale)
        box = (220, 330, 220 + 6 * size, 330 + round(1.4 * size))
        pen.rounded_rectangle(box, 3, fill=(245, 245, 245), outline=(10, 10, 10))
        text = f"M-{album.rng.choice('ABCDEFG')}{album.rng.choice('HKLMN')} {album.rng.randrange(100, 999)}"
        pen.text((220 + size // 2, 330), text, fill=(10, 10, 10), font=ImageFont.load_default(size))
        album.show(f"car-{number}.jpg", shown, quality=90)


def _chess(album: MadeAlbum) -> None:
    """Positions of one game, a move apart."""
    rng, side = album.rng, 56
    squares = {(column, row) for column in range(8) for row in (0, 1, 6, 7)}
    squares -= set(rng.sample(sorted(squares), 9))  # otherwise every game would begin with one image
    for number in range(4):
        board = Image.new("RGB", (8 * side, 8 * side))
        pen = ImageDraw.Draw(board)
        for column in range(8):
            for row in range(8):
                light = (column + row) % 2 == 0
                box = (column * side, row * side, (column + 1) * side, (row + 1) * side)
                pen.rectangle(box, fill=(238, 216, 180) if light else (178, 132, 96))
        for column, row in squares:
            x, y, dark = column * side, row * side, row < 4
            pen.ellipse((x + 14, y + 14, x + 42, y + 42), fill=(40, 35, 30) if dark else (250, 248, 240), outline=INK)
        album.show(f"move-{number:02d}.png", board)
        taken = rng.choice(sorted(square for square in squares if square[1] in (1, 6)))
        free = [square for column in range(8) for row in (2, 3, 4, 5) if (square := (column, row)) not in squares]
        squares = (squares - {taken}) | {rng.choice(free)}


def _dice(album: MadeAlbum) -> None:
    """Dice and domino stones: one pip more."""
    spots = {1: (4,), 2: (0, 8), 3: (0, 4, 8), 4: (0, 2, 6, 8), 5: (0, 2, 4, 6, 8), 6: (0, 2, 3, 5, 6, 8)}
    colour = tuple(album.rng.randrange(100, 256) for _ in range(3))
    for value, places in spots.items():
        image = Image.new("RGB", (240, 240), GREEN)
        pen, s = ImageDraw.Draw(image), album.scale
        pen.rounded_rectangle((120 - 90 * s, 120 - 90 * s, 120 + 90 * s, 120 + 90 * s), 24 * s, fill=colour)
        for place in places:
            x, y = 120 + 45 * s * (place % 3 - 1), 120 + 45 * s * (place // 3 - 1)
            pen.ellipse((x - 14 * s, y - 14 * s, x + 14 * s, y + 14 * s), fill=(20, 20, 20))
        album.show(f"die-{value}.png", image)


def _sudoku(album: MadeAlbum) -> None:
    """One puzzle, more of it solved; a crossword the same way."""
    cells = {(column, row): album.rng.randint(1, 9) for column in range(9) for row in range(9)}
    known = album.rng.sample(sorted(cells), 30)
    for number in range(4):
        sheet = Image.new("L", (480, 480), 255)
        pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(30)
        for line in range(10):
            wide = 4 if line % 3 == 0 else 1
            pen.line((15, 15 + 50 * line, 465, 15 + 50 * line), fill=0, width=wide)
            pen.line((15 + 50 * line, 15, 15 + 50 * line, 465), fill=0, width=wide)
        for column, row in known:
            pen.text((31 + 50 * column, 20 + 50 * row), str(cells[column, row]), fill=0, font=font)
        album.show(f"sudoku-{number}.png", sheet)
        known += album.rng.sample(sorted(set(cells) - set(known)), 2)


def _calendars(album: MadeAlbum) -> None:
    """Pages of one calendar: another month begins on another day."""
    for month, (name, first) in enumerate((("May", 2), ("June", 5), ("July", 0), ("August", 3))):
        page = Image.new("RGB", (620, 480), PAPER)
        pen, font = ImageDraw.Draw(page), ImageFont.load_default(24)
        pen.text((30, 20), f"{name} 20{20 + album.number}", fill=(160, 40, 40), font=ImageFont.load_default(40))
        for day in range(1, 31):
            column, row = (day + first - 1) % 7, (day + first - 1) // 7
            pen.text((40 + 80 * column, 100 + 60 * row), str(day), fill=INK, font=font)
        album.show(f"calendar-{month + 5:02d}.png", page)


def _tables(album: MadeAlbum) -> None:
    """A spreadsheet on the screen with one cell changed."""
    cells = {(column, row): album.rng.randrange(1000) for column in range(7) for row in range(16)}
    for number in range(4):
        sheet = Image.new("RGB", (900, 560), (255, 255, 255))
        pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(17)
        for (column, row), value in cells.items():
            pen.rectangle((20 + 122 * column, 20 + 32 * row, 142 + 122 * column, 52 + 32 * row), outline=FAINT)
            pen.text((84 + 122 * column, 26 + 32 * row), f"{value:4d}", fill=INK, font=font)
        album.show(f"table {number}.png", sheet)
        cells[album.rng.choice(sorted(cells))] = album.rng.randrange(1000)


FAMILIES: dict[str, Draw] = {
    "tickets": _tickets,
    "square-codes": _codes,
    "parcel-labels": _bars,
    "maps": _maps,
    "scores": _scores,
    "licence-plates": _plates,
    "chess": _chess,
    "dice": _dice,
    "sudoku": _sudoku,
    "calendars": _calendars,
    "spreadsheets": _tables,
}
"""Family -> the function that writes one set of it."""
