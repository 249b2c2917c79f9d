"""The things in scenes, and the words for them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Noun:
    """One kind of object: its name, and other words for it, each as (singular, plural)."""

    name: str
    words: tuple[tuple[str, str], ...]


def _noun(name: str, *others: str, plural: str = "") -> Noun:
    words = [(name, plural or name + "s")]
    words += [(word, word + "s") for word in others]
    return Noun(name, tuple(words))


NOUNS: tuple[Noun, ...] = (
    _noun("ball", "sphere"),
    _noun("star"),
    _noun("heart"),
    _noun("house", "cottage"),
    _noun("tree"),
    _noun("boat", "ship"),
    _noun("car", "automobile"),
    _noun("fish", plural="fish"),
    _noun("cat", "kitten"),
    _noun("bird"),
    _noun("flower", "blossom"),
    _noun("cup", "mug"),
    _noun("book"),
    _noun("key"),
    _noun("balloon"),
    _noun("umbrella", "parasol"),
    _noun("hat"),
    _noun("mushroom", "toadstool"),
    _noun("kite"),
    _noun("bell"),
    _noun("chair", "seat"),
    _noun("lamp"),
    _noun("butterfly", plural="butterflies"),
    _noun("rocket", "spaceship"),
)
KINDS: tuple[str, ...] = tuple(noun.name for noun in NOUNS)

# colour -> (base RGB, words). The base is varied in lightness and hue for every object.
COLOURS: dict[str, tuple[tuple[int, int, int], tuple[str, ...]]] = {
    "red": ((214, 36, 38), ("red", "scarlet")),
    "orange": ((244, 132, 20), ("orange",)),
    "yellow": ((248, 218, 38), ("yellow", "golden")),
    "green": ((44, 158, 60), ("green",)),
    "blue": ((36, 88, 212), ("blue",)),
    "purple": ((132, 48, 176), ("purple", "violet")),
    "pink": ((250, 148, 190), ("pink",)),
    "brown": ((122, 74, 36), ("brown",)),
    "black": ((28, 28, 32), ("black",)),
    "white": ((248, 248, 244), ("white",)),
}

# The shifted world: things and colours that no model here was trained on, under names that stand for nothing else, as a
# person's own products or pets do.
SHIFTED_NOUNS: tuple[Noun, ...] = (
    _noun("wug"),
    _noun("dax", plural="daxes"),
    _noun("fep"),
    _noun("zup"),
    _noun("tiv"),
    _noun("gorp"),
)
SHIFTED_COLOURS: dict[str, tuple[tuple[int, int, int], tuple[str, ...]]] = {
    "mib": ((64, 214, 206), ("mib",)),  # a turquoise
    "vop": ((140, 144, 152), ("vop",)),  # a grey
    "kez": ((186, 238, 60), ("kez",)),  # a lime green
}

# setting -> its phrases; each follows the thing that it describes.
SETTINGS: dict[str, tuple[str, ...]] = {
    "sea": ("on the sea", "at sea", "on the water"),
    "snow": ("in the snow", "on a snowy field", "in winter"),
    "night": ("at night", "in the dark", "under the stars"),
    "grass": ("on the grass", "in a meadow"),
    "desert": ("in the desert", "on the sand"),
    "sunset": ("at sunset", "in the evening"),
    "room": ("in a room", "indoors"),
    "road": ("on the road", "on a street"),
}

SIZES: dict[str, tuple[str, ...]] = {"large": ("large", "big"), "small": ("small", "little")}

NUMBERS: tuple[str, ...] = ("zero", "one", "two", "three", "four")
MAX_COUNT = 4

# position -> phrases. A group of things stands in one of these parts of the image.
POSITIONS: dict[str, tuple[str, ...]] = {
    "left": ("on the left", "on the left side"),
    "right": ("on the right", "on the right side"),
    "top": ("at the top",),
    "bottom": ("at the bottom",),
    "middle": ("in the middle", "in the centre"),
}
# relation -> phrases that stand between the first thing and the second.
RELATIONS: dict[str, tuple[str, ...]] = {
    "left": ("to the left of", "left of"),
    "right": ("to the right of", "right of"),
    "above": ("above", "over"),
    "below": ("below", "under", "beneath"),
}
OPENINGS: tuple[str, ...] = ("", "", "", "a picture of ", "a photo of ", "there is ", "i see ")

# Pairs that training never shows: two colours for every kind, so each colour is withheld from four to five
# kinds and every colour and every kind is still learned from the rest.
_COLOUR_NAMES = tuple(COLOURS)
UNSEEN_PAIRS: frozenset[tuple[str, str]] = frozenset(
    (kind, _COLOUR_NAMES[(3 * number + step) % len(_COLOUR_NAMES)])
    for number, kind in enumerate(KINDS)
    for step in (0, 5)
)


def noun_of(kind: str) -> Noun:
    """The noun of a kind of either world; raises KeyError for an unknown kind."""
    return _NOUN_BY_NAME[kind]


def colour_of(name: str) -> tuple[tuple[int, int, int], tuple[str, ...]]:
    """Base RGB and words of a colour of either world; raises KeyError for an unknown one."""
    return COLOURS.get(name) or SHIFTED_COLOURS[name]


_NOUN_BY_NAME = {noun.name: noun for noun in (*NOUNS, *SHIFTED_NOUNS)}


def grammar_words() -> tuple[str, ...]:
    """Every word that a caption can hold, sorted; the small model's tokenizer has each as one piece."""
    phrases: list[str] = [
        "a",
        "an",
        "and",
        "with",
        "together",
        ",",
        "picture",
        "photo",
        "of",
        "there",
        "is",
        "are",
        "i",
        "see",
    ]
    phrases += [word for noun in NOUNS for pair in noun.words for word in pair]
    phrases += [word for _, words in COLOURS.values() for word in words]
    for table in (SETTINGS, SIZES, POSITIONS, RELATIONS):
        phrases += [phrase for words in table.values() for phrase in words]
    phrases += [*NUMBERS, *OPENINGS]
    return tuple(sorted({word for phrase in phrases for word in phrase.split()}))
