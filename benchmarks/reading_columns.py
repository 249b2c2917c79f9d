"""Japanese and Chinese words that a search finds after `imgsearch read`: in lines, columns, and running columns.

    python benchmarks/reading_columns.py --font NotoSansCJK-Regular.ttc [--font ...] [--pictures 6] [--seed 1]

Words of signs, menus and receipts, and some with Latin letters between, in 24, 32 and 48 pixels, black on white. In
columns a letter stands below the other, strokes and brackets turned as in print. Running text goes on in the next
column to the left, so that words are divided. A word counts as found if ``text:word`` would find its picture. Needs a
font with these letters, such as Debian's fonts-noto-cjk.
"""

from __future__ import annotations

import argparse
import random
import time
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from results import add_flags, markdown_table, write_section, writes

TITLE = "Japanese and Chinese, in lines and columns (benchmarks/reading_columns.py)"
_JAPANESE = """
東京都庁 営業時間 本日休業 立入禁止 領収書 合計金額 消費税 お手洗い 非常口 切符売場 新宿駅 南口 ラーメン
コーヒー アイスクリーム 富士山 ありがとうございます いらっしゃいませ 大阪城公園 図書館 病院 郵便局 駐車場
自転車 注意 ようこそ カレーライス 天ぷら 寿司 温泉
"""
_SIMPLIFIED = """
北京大学 营业时间 出口 禁止吸烟 发票 合计金额 电话号码 地址 欢迎光临 图书馆 医院 火车站 停车场 注意安全
中华人民共和国 人民币 牛肉面 咖啡 超市 银行 邮局 上海市 广州 学生证
"""
_TRADITIONAL = """
臺北車站 營業時間 禁止吸煙 發票 統一編號 電話號碼 歡迎光臨 圖書館 醫院 停車場 注意安全 香港特別行政區 牛肉麵
咖啡廳 銀行 郵局 捷運 學生證
"""
_MIXED = """
ABC株式会社 TEL03-1234-5678 2024年12月31日 ¥1,980 Tokyo東京 Wi-Fi無料 IKEAで買う 8番出口 B1F JR新宿駅
100円ショップ
"""
WORDS = {
    "Japanese": _JAPANESE.split(),
    "simplified Chinese": _SIMPLIFIED.split(),
    "traditional Chinese": _TRADITIONAL.split(),
    "mixed with Latin": _MIXED.split(),
}
_TURNED = "ー〜（）()「」-"
_SIZES = (24, 32, 48)
Drawn = tuple[Image.Image, list[str]]


def lines(dice: random.Random, words: list[str], font: Any, size: int) -> Drawn:
    """Up to six lines of one or two words."""
    image = Image.new("RGB", (900, 600), "white")
    pen = ImageDraw.Draw(image)
    drawn: list[str] = []
    for top in range(20, 600 - 2 * size, int(1.8 * size)):
        line = [dice.choice(words) for _ in range(dice.choice((1, 2)))]
        if pen.textlength("  ".join(line), font=font) > 860:
            line = line[:1]
        if len(drawn) < 6:
            pen.text((20, top), "  ".join(line), font=font, fill="black")
            drawn += line
    return image, drawn


def columns(dice: random.Random, words: list[str], font: Any, size: int) -> Drawn:
    """Five words, each a column."""
    image = Image.new("RGB", (900, 700), "white")
    drawn = [dice.choice(words) for _ in range(5)]
    for number, word in enumerate(drawn):
        _column(image, (860 - size // 2 - 2 * size * number, 40 + size), word, font, size)
    return image, drawn


def running(dice: random.Random, words: list[str], font: Any, size: int) -> Drawn:
    """Eight words one after the other, in columns of 440 pixels from right to left."""
    image = Image.new("RGB", (700, 520), "white")
    drawn = [dice.choice(words) for _ in range(8)]
    text, each = "".join(drawn), int(440 / (size * 1.08))
    for number, start in enumerate(range(0, len(text), each)):
        _column(image, (660 - size // 2 - int(1.6 * size * number), 40 + size), text[start : start + each], font, size)
    return image, drawn


def _column(image: Image.Image, at: tuple[int, int], text: str, font: Any, size: int) -> None:
    left, top = at
    for letter in text:
        cell = Image.new("L", (2 * size, 2 * size), 0)
        ImageDraw.Draw(cell).text((size, size), letter, font=font, fill=255, anchor="mm")
        cell = cell.rotate(-90) if letter in _TURNED else cell
        image.paste(Image.new("RGB", cell.size, "black"), (left - size, top - size // 2), cell)
        top += int(size * 1.08)


LAYOUTS = {"lines": lines, "columns": columns, "running columns": running}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--font", action="append", required=True, metavar="FILE")
    parser.add_argument("--pictures", type=int, default=6, help="of each kind")
    parser.add_argument("--seed", type=int, default=1)
    add_flags(parser)
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.pictures = 1
    from imgsearch import wordforms
    from imgsearch.reading.engine import RapidEngine
    from imgsearch.reading.reader import ImageReader

    reader, dice = ImageReader(RapidEngine(threads=1)), random.Random(arguments.seed)
    rows: list[list[object]] = []
    for layout, draw in LAYOUTS.items():
        for script, words in WORDS.items():
            if script == "mixed with Latin" and layout != "lines":
                continue
            count, lost, used = 0, [], time.process_time()
            for _ in range(arguments.pictures):
                size = dice.choice(_SIZES)
                image, drawn = draw(dice, words, ImageFont.truetype(dice.choice(arguments.font), size), size)
                searched = reader.read(np.asarray(image)).searched
                lost += [word for word in drawn if not any(wordforms.holds(text, word) for text in searched)]
                count += len(drawn)
            seconds = (time.process_time() - used) / arguments.pictures
            rows.append([layout, script, count, f"{100 * (1 - len(lost) / count):.1f} %", f"{seconds:.2f}"])
            print(*rows[-1], "lost:", *lost, flush=True)
    table = markdown_table(["laid out", "script", "words", "found", "s of a core a picture"], rows)
    if writes(arguments):
        write_section(TITLE, table)


if __name__ == "__main__":
    main()
