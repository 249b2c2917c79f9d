"""The columns that make filters and counts of a large library fast (`imgsearch.storage.columns`): made at the end of
`imgsearch index` if that pays, and by `imgsearch build`."""

from __future__ import annotations

from imgsearch.progress import Progress
from imgsearch.storage import Store
from imgsearch.storage.column_files import build_columns, columns_outlook
from imgsearch.wording import counted

PAYS_FROM = 10_000
"""Images from which columns are made: the catalog itself filters 10,000 in 5 to 20 ms."""

CHANGES = 4_000
"""Images, changed or new since the columns were read, that every process reads anew, 40 ms, before `index` makes new
columns ..."""

CHANGES_SHARE = 0.02
"""... or this share of a large library, 200 ms of a million: new columns take 10 s then, `index` may run hourly."""

WAIT_S = 60.0
"""For the writer lock; see `indexer.snapshot.WAIT_S`."""


def refresh_columns(store: Store, progress: Progress, *, force: bool = False) -> bool:
    """Make columns if there are none that can be read or too much changed since; with ``force`` in any case. -> whether
    new ones were made. Raises StorageFull, LibraryBusy."""
    outlook = columns_outlook(store, _bearable)
    few = outlook.changed is not None and outlook.changed <= _bearable(outlook.images)
    if not outlook.images or (not force and (outlook.images < PAYS_FROM or (outlook.sound and few))):
        return False
    progress.say(f"The filters' index of {counted(outlook.images, 'picture')} is made anew.")
    return build_columns(store, wait_s=WAIT_S) is not None


def _bearable(images: int) -> int:
    """Changes with which the columns of so many images still serve."""
    return max(CHANGES, round(CHANGES_SHARE * images))
