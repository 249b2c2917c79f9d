"""An image and the files that were moved along with it: they come back together, and are deleted together."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from imgsearch.dedup.disk import Refused
from imgsearch.dedup.quarantine.folder import RunFolder
from imgsearch.dedup.quarantine.journal import History, Journal, StepState
from imgsearch.dedup.quarantine.names_beside import Followed
from imgsearch.dedup.quarantine.restore_file import Returned, put_back

BACK = ("left", "returned")
"""States of a file that is in its folder again, or never left it."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """The steps of an image and of its companions, in any state."""

    picture: StepState
    companions: tuple[StepState, ...] = ()

    @property
    def steps(self) -> tuple[StepState, ...]:
        """All steps, the image's first."""
        return (self.picture, *self.companions)

    def waiting(self, *, missing: bool = False) -> list[StepState]:
        """Steps that may have a file in the quarantine; with ``missing`` also those for which an undo found nothing."""
        return [own for own in self.steps if own.waits or (missing and own.state == "missing")]

    @property
    def returnable(self) -> bool:
        """Whether an undo may bring something back. Companions of a deleted image only wait for a purge."""
        return self.picture.waits or (self.picture.state != "purged" and bool(self.waiting()))

    @property
    def half_done(self) -> bool:
        """Whether a run ended in the middle of it, so that something has to be put back."""
        waiting = self.waiting()
        parted = self.picture.state in BACK and bool(waiting)
        return parted or any(own.state == "open" or own.returning is not None for own in waiting)


def bundles(history: History) -> list[Bundle]:
    """Every step once, the last image first."""
    along: dict[int, list[StepState]] = {}
    for own in history.steps.values():
        if own.step.of in history.steps:
            along.setdefault(own.step.of, []).append(own)
    heads = (own for own in reversed(history.steps.values()) if own.step.of not in history.steps)
    return [Bundle(own, tuple(along.get(own.step.number, ()))) for own in heads]


def return_bundle(
    run: RunFolder, journal: Journal, bundle: Bundle, waiting: Collection[StepState]
) -> Iterator[tuple[StepState, Returned | OSError | Refused]]:
    """Bring back those of its files that are ``waiting``, the image first, and report the result for each. Companions
    follow the name that the image gets; they stay in the quarantine while it does."""
    picture = bundle.picture
    company = [own for own in bundle.companions if any(own is one for one in waiting)]
    state, given, obstacle = picture.state, picture.given or picture.step.name, ""
    if any(picture is one for one in waiting):
        try:
            # If a bundle was cut short, some companions never left, and the image belongs beside them.
            result = put_back(run, journal, picture, company if picture.state != "open" else ())
        except (OSError, Refused) as exc:
            yield picture, exc
            obstacle = f"its picture, {picture.step.name}, could not be brought back"
        else:
            yield picture, result
            state, given = result.state, result.name
    if state == "purged":
        obstacle = f"its picture, {picture.step.name}, was deleted: `imgsearch dedup purge` deletes it too"
    for own in company:
        yield own, Refused(obstacle) if obstacle else _return(run, journal, own, Followed(picture.step.name, given))


def _return(run: RunFolder, journal: Journal, own: StepState, followed: Followed) -> Returned | OSError | Refused:
    try:
        return put_back(run, journal, own, followed=followed)
    except (OSError, Refused) as exc:
        return exc
