"""Splits a file's name into its original name, the marks that programs add to versions, and the counters of copies.

``IMG_1234-edited(1).jpg`` is ``IMG_1234``, then the mark "edited", then the counter 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from imgsearch.media.facts.sidecar_names import fold as fold

# "Edited" as Google Photos, Lightroom, Samsung, Apple and similar programs write it behind a name, in the language of
# the account or the program. Sources: Google Takeout exports as listed by GooglePhotosTakeoutHelper and PhotoMigrator;
# Lightroom Classic, "Edit in ..." per language; osxphotos (--edited-suffix); photo forums for the rest.
_EDITED = (
    "edited edit modified modifed retouched retouch",  # English
    "bearbeitet bearbeitete",  # German
    "modifié modifiée modifie modifier retouché retouchée",  # French
    "editado|editada|ha editado|modificado|editar",  # Spanish
    "editada editado",  # Portuguese
    "modificato modificata modifica",  # Italian
    "bewerkt bewerken",  # Dutch
    "editat editada",  # Catalan, Romanian
    "edytowane edytowany edytowano edycja",  # Polish
    "upraveno upravené upravený upravena uređeno urejeno",  # Czech, Slovak, Croatian, Slovenian
    "redigeret redigert redigerad redigera muokattu muokkaa breytt",  # Danish, Norwegian, Swedish, Finnish, Icelandic
    "muudetud rediģēts redaguota szerkesztett szerkesztve editată",  # Baltic languages, Hungarian
    "отредактировано изменено редактирано відредаговано змінено",  # Russian, Bulgarian, Ukrainian
    "επεξεργασμένο|επεξεργασμένη|επεξεργασία|düzenlendi|düzenlenmiş|נערך|تم التعديل|معدل|ویرایش شده",
    "संपादित|แก้ไขแล้ว|đã chỉnh sửa|diedit|telah diedit|disunting",  # Hindi, Thai, Vietnamese, Indonesian, Malay
    "已编辑 编辑 已編輯 編輯 編集済み 編集済 編集 加工 편집됨 편집 수정됨",  # Chinese, Japanese, Korean
)
# Behind a hyphen only: Google Photos' own creations, in English everywhere; Lightroom's merges; programs that add their
# name; MyHeritage's (-Colorized), and words that people use for the same. Topaz adds the names of its filters
# (-topaz-denoise-faceai, -gigapixel-standard-2x). Camera Raw's "Enhance" adds what it did: -Enhanced-NR, German
# -Verbessert-RR.
_MADE = (
    "effects animation collage smile mix motion pano hdr pop_out color_pop cinematic stylized hdr-pano",
    "nik photoshop snapseed lightroom luminar luminarneo",
    "colorized colourized colorised colourised repaired animated restored denoised unblurred upscaled stacked cropped",
)
_ENHANCED = (
    "enhanced verbessert amélioré améliorée mejorado mejorada melhorado migliorato verbeterd förbättrad ulepszone "
    "улучшено 強化"
)
# Behind an underscore: Shotwell (_shotwell, _modified, _embedded), DxO (_DxO, _DxO_DeepPRIME), Photomatix, phones' HDR,
# digiKam's versions (_v1). Behind a hyphen DxO too.
_MADE_UNDERSCORE = r"shotwell|embedded|dxo(?:[_-]\w{1,16}){0,2}|tonemapped|hdr|on1|luminar|snapseed|v\d{1,2}"

# Names of copies: Windows "- Copy (2)", macOS "copy 2", Linux "(copy)", "(another copy)"; and in other languages.
_COPY = (
    "copy copia cópia copie kopie kopia kopio kopi kopija kópia kópie másolat koopia копия копія kopyası kopya "
    "αντίγραφο コピー 副本 复制 拷贝 複製 복사본 salinan duplicate duplikat"
)


def _words(lines: tuple[str, ...]) -> str:
    found = {fold(word) for line in lines for word in (line.split("|") if "|" in line else line.split())}
    return "|".join(re.escape(word) for word in sorted(found, key=len, reverse=True))


_EDITED_WORDS, _COPY_WORDS = _words(_EDITED), _words((_COPY,))
_MARK = re.compile(
    rf"(?:[-_. ](?P<word>{_EDITED_WORDS})| ?[(\[](?P<bracket>{_EDITED_WORDS})(?: in [^()\[\]]{{1,30}})?[)\]]"
    rf"|-(?P<made>(?:{_words((_ENHANCED,))})(?:-[a-z]{{2}}){{0,3}}|{_words(_MADE)})"
    rf"|-(?P<topaz>(?:topaz|gigapixel|denoise-?ai|sharpen-?ai)(?:[- ][a-z0-9.]{{1,16}}){{0,6}})"
    rf"|[-_](?P<dated>edit(?:ed)?[-_]\d{{4,20}})|[-_](?P<program>{_MADE_UNDERSCORE})|~(?P<tilde>\d{{1,2}}))$"
)
_COUNTER = re.compile(
    rf"(?: ?\(\d{{1,4}}\)| ?- ?(?:{_COPY_WORDS})| ?\((?:\d{{1,3}}(?:st|nd|rd|th) |another )?(?:{_COPY_WORDS})\)"
    rf"|[ _-](?:{_COPY_WORDS})(?: ?\d{{1,3}})?|[ _-]\d{{1,2}}| - \d{{1,3}})$"
)
_NO_PARTS = re.compile(r"(?!.*edit)[a-z0-9_.-]*\d{3}")  # "img_1234": nearly all names match, in 0.5 us
# Pixel phones: PXL_20230101_120000000.PORTRAIT-01.COVER.jpg, .RAW-02.ORIGINAL.dng, .MP.jpg, .NIGHT.jpg; and Google
# Photos' ~2 behind any of them.
_PIXEL = re.compile(r"^(?P<base>pxl_\d{6,8}[_\d]*)(?P<rest>\..+)$")
_PIXEL_MARK = re.compile(r"\.(?P<mark>[a-z_]+(?:-\d{1,2})?|ts|mp)$")
# iPhones: IMG_E1234 is the edit of IMG_1234; a folder's four letters may be others (DCF: four letters, four digits).
_APPLE_EDIT = re.compile(r"^(?P<letters>[a-z0-9_]{4})e(?P<number>\d{4,5})$")
# Older Google cameras: the blurred cover and the plain frame of one portrait.
_PORTRAIT = re.compile(r"^\d{5}[a-z]{0,4}portrait_\d{5}_burst(?P<number>\d{10,20})(?P<cover>_cover)?$")
_LONG_NAME = 42  # letters from which Google Takeout cuts a name (it allows 46 to 51), and with it "-edited"
_CUT_MARK = re.compile(r"-(?:e|ed|edi|edit|edite)$")


@dataclass(frozen=True, slots=True)
class VersionName:
    """A file's name in parts, folded. ``parts`` follow the base from left to right: ("mark", "edited") or
    ("copy", "(1)")."""

    base: str
    parts: tuple[tuple[str, str], ...]

    @property
    def marks(self) -> tuple[str, ...]:
        """The marks of versions: "edited", "~2", "mp"."""
        return tuple(text for kind, text in self.parts if kind == "mark")

    @property
    def counters(self) -> tuple[str, ...]:
        """The counters of copies: "(1)", " - copy"."""
        return tuple(text for kind, text in self.parts if kind == "copy")

    @property
    def counters_before_marks(self) -> tuple[str, ...]:
        """The counters before the first mark, which belong to the image that was edited."""
        found: list[str] = []
        for kind, text in self.parts:
            if kind == "mark":
                break
            found.append(text)
        return tuple(found)


@lru_cache(maxsize=8192)
def version_name(stem: str) -> VersionName:
    """``stem`` is a file's name without its last extension. About 8 us."""
    rest = fold(stem)
    parts: list[tuple[str, str]] = []
    pixel = bool(_PIXEL.match(rest))
    while not _NO_PARTS.fullmatch(rest) and (found := _last_part(rest, pixel)):
        kind, text, length = found
        shorter = rest[:-length].rstrip()
        if not shorter:  # the whole name, such as "edited.jpg"
            break
        parts.append((kind, text))
        rest = shorter
    if len(rest) >= _LONG_NAME and (cut := _CUT_MARK.search(rest)):
        parts.append(("mark", "edited"))
        rest = rest[: cut.start()]
    if rest.startswith("mvimg_"):  # a motion photo of an older Pixel, IMG_ where the film was taken out
        parts.append(("mark", "mp"))
        rest = rest[2:]
    if apple := _APPLE_EDIT.match(rest):
        parts.append(("mark", "edited"))
        rest = apple["letters"] + apple["number"]
    elif portrait := _PORTRAIT.match(rest):
        parts.append(("mark", "cover" if portrait["cover"] else "original"))
        rest = "portrait_burst" + portrait["number"]
    return VersionName(rest, tuple(reversed(parts)))


def _last_part(rest: str, pixel: bool) -> tuple[str, str, int] | None:
    """Kind, text and length of the last part behind the base."""
    if mark := _MARK.search(rest):
        text = mark["word"] or mark["bracket"] or mark["made"] or mark["dated"] or mark["program"] or mark["topaz"]
        return "mark", "~" + mark["tilde"] if text is None else text, len(mark[0])
    if pixel and (mark := _PIXEL_MARK.search(rest)):
        return "mark", mark["mark"], len(mark[0])
    if counter := _COUNTER.search(rest):
        text = counter[0]
        return "copy", text.strip() if "(" in text else text, len(text)
    return None
