"""Files that look alike and are not copies of each other, by family, with true copies of each beside them."""

from imgsearch.scenes.not_copies.album import NotCopy
from imgsearch.scenes.not_copies.write import FAMILIES, write_not_copies

__all__ = ["FAMILIES", "NotCopy", "write_not_copies"]
