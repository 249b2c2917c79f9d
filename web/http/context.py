"""The context of a view: the service, the settings, and whether the server is about to stop."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, cast

from flask import current_app, request

if TYPE_CHECKING:
    from web.config import WebConfig
    from web.services.picture_texts import PictureTexts
    from web.services.review_service import ReviewService
    from web.services.runs import Runs
    from web.services.search_service import SearchService
    from web.services.setup import Setup

SERVICE, CONFIG, DRAINING = "imgsearch.service", "imgsearch.config", "imgsearch.draining"
REVIEWS, TEXTS, SETUP, RUNS = "imgsearch.reviews", "imgsearch.texts", "imgsearch.setup", "imgsearch.runs"


def current_service() -> SearchService:
    """The search service of this app."""
    return cast("SearchService", current_app.extensions[SERVICE])


def current_config() -> WebConfig:
    """The settings of this app."""
    return cast("WebConfig", current_app.extensions[CONFIG])


def rooted(path: str) -> str:
    """A path of this site as a browser requests it: behind the prefix under which a proxy serves it, if there is
    one."""
    return request.script_root + path


def draining() -> threading.Event:
    """Set once the server has been asked to stop: an event stream that would continue then ends itself.

    Call it before a generator starts, since inside one there may be no app context."""
    return cast(threading.Event, current_app.extensions[DRAINING])


def current_texts() -> PictureTexts:
    """What is written about the images of this app."""
    return cast("PictureTexts", current_app.extensions[TEXTS])


def client_gone() -> Callable[[], bool]:
    """A function that says whether the client of this request has gone. Call it before a generator starts."""
    watch = request.environ.get("imgsearch.watch_client")
    return cast("Callable[[], bool]", watch()) if watch else lambda: False


def current_reviews() -> ReviewService:
    """The review of duplicates of this app."""
    from web.services.review_service import ReviewService

    known = current_app.extensions.get(REVIEWS)
    if known is None:
        known = current_app.extensions.setdefault(REVIEWS, ReviewService(current_service().store))
    return cast("ReviewService", known)


def current_runs() -> Runs:
    """The runs of this app."""
    from web.services.runs import Runs

    known = current_app.extensions.get(RUNS)
    if known is None:
        service = current_service()
        known = current_app.extensions.setdefault(RUNS, Runs(lambda: service.store))
    return cast("Runs", known)


def current_setup() -> Setup:
    """What a page of this app may do to the making of its library."""
    from web.services.setup import Setup
    from web.services.welcome.folders import FolderRules

    runs, known = current_runs(), cast("Setup | None", current_app.extensions.get(SETUP))
    if known is None or known.runs is not runs:
        known = Setup(runs, runs.library, FolderRules.of(current_config().folders))
        current_app.extensions[SETUP] = known
    return known
