"""One long run of a kind at a time over a library, while other writers get their turn between its batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from imgsearch.errors import LibraryBusy
from imgsearch.files import writer_lock
from imgsearch.storage.store import Store


@contextmanager
def single_run(store: Store, verb: str) -> Iterator[None]:
    """Hold the lock of the library's runs of ``verb`` ("caption", "read") while the block lasts: two of them would do
    everything twice. The kernel drops it when the process ends in any way.

    Raises LibraryBusy where another process holds it, and StorageFull where the folder takes no file."""
    with ExitStack() as held:
        try:
            held.enter_context(writer_lock(store.layout.run_lock(verb)))
        except LibraryBusy as exc:
            who = exc.message.rpartition(" by ")[2]
            raise LibraryBusy(
                f"`imgsearch {verb}` is at work on the library {store.path} already, in {who}",
                "wait until it is done, or end that process; the same command then does what is left",
            ) from exc
        yield
