"""The whole error tree, on one page.

Every error carries a message (what was received, what was expected) and a hint (the command or act that
mends it). Foreign errors are translated where they enter, with ``raise ... from exc``; only the command line
and the web layer print.

    ImgsearchError                      exit code 4
      UsageError                        2   wrong argument, missing path, bad setting
        ExtraMissing                    2   what was asked for needs a package that is not installed
      ModelError                        4
        ModelUnavailable                    no network, weights not on disk, half downloaded
          ModelUnknown                2   no model of that name, and none at that path
        CheckpointInvalid                   not a BLIP-2 checkpoint, damaged file, missing part
        NotEnoughMemory                     the model does not fit in RAM or on the device
      LibraryError                      4
        LibraryMissing                  2   no library where one was expected
        LibraryBusy                         another process holds the writer lock
        LibraryUnsupported                  newer format, network file system
        ModelMismatch                   2   the library belongs to another model
        SegmentDamaged                      vectors on disk disagree with the catalog
        CatalogDamaged                      catalog.db is not readable as a catalog
        CatalogUnreachable                  the database that holds the catalog: away, no login, connection lost
        StorageFull                         no space left, quota, read-only folder
        IndexServerError                    the vector server does not answer, refuses, or holds something else
      MediaError                        -   one file cannot become pixels: a failure row, never the end of a run
"""

from __future__ import annotations


class ImgsearchError(Exception):
    """Base of all errors that a user may see; ``exit_code`` is what the command line exits with."""

    exit_code = 4

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


class UsageError(ImgsearchError):
    exit_code = 2


class ExtraMissing(UsageError):
    pass


class ModelError(ImgsearchError):
    pass


class ModelUnavailable(ModelError):
    pass


class ModelUnknown(ModelUnavailable):
    exit_code = 2


class CheckpointInvalid(ModelError):
    pass


class NotEnoughMemory(ModelError):
    pass


class LibraryError(ImgsearchError):
    pass


class LibraryMissing(LibraryError):
    exit_code = 2


class LibraryBusy(LibraryError):
    pass


class LibraryUnsupported(LibraryError):
    pass


class ModelMismatch(LibraryError):
    exit_code = 2


class SegmentDamaged(LibraryError):
    pass


class CatalogDamaged(LibraryError):
    pass


class CatalogUnreachable(LibraryError):
    pass


class StorageFull(LibraryError):
    pass


class IndexServerError(LibraryError):
    pass


class MediaError(ImgsearchError):
    """One file cannot become pixels.

    ``stage`` is where it failed ("read", "open", "decode", "encode"); ``transient`` is True for an I/O,
    permission or memory failure, which every run tries again, and False where the content is at fault, which
    is tried again when the file changes.
    """

    def __init__(self, message: str, *, stage: str, transient: bool = False) -> None:
        super().__init__(message)
        self.stage = stage
        self.transient = transient

    def __reduce__(self) -> tuple[object, ...]:
        return (_rebuild_media_error, (self.message, self.stage, self.transient))


def _rebuild_media_error(message: str, stage: str, transient: bool) -> MediaError:
    return MediaError(message, stage=stage, transient=transient)
