"""The web page and the API: Flask, one blueprint per noun, served by waitress (`imgsearch serve`)."""

from __future__ import annotations

import threading
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flask import Flask

    from web.config import WebConfig
    from web.http.parameters import Operations
    from web.services.generation import GenerationService
    from web.services.search_service import SearchService
    from web.services.setup import Setup

_NOUNS = (
    "pages",
    "api",
    "streams",
    "pictures",
    "images",
    "renditions",
    "texts.captions",
    "texts.read_words",
    "facets",
    "timeline",
    "news",
    "places.map",
    "collecting.selections",
    "collecting.albums",
    "collecting.marks",
    "duplicates",
    "jobs",
    "first_run.setup",
    "openapi",
    "login",
    "metrics",
)
"""Modules below `web.http.routes`, each with a ``blueprint``."""

_WELCOME_NOUNS = ("first_run.welcome", "jobs", "first_run.setup", "openapi", "login", "metrics")
"""Those of a server that has no library yet."""


def _described() -> Operations:
    from web.http.routes.openapi import document

    paths: Operations = document()["paths"]
    return paths


def create_app(service: SearchService, config: WebConfig, generation: GenerationService | None = None) -> Flask:
    """The app over the search service and, if there is one, the generation service. Their maker closes them."""
    from web.http.context import SERVICE, TEXTS
    from web.services.generation import GenerationService
    from web.services.picture_texts import PictureTexts

    generation = generation or GenerationService()
    app = _bare_app(config, service, generation)
    app.extensions[SERVICE] = service
    app.extensions[TEXTS] = PictureTexts(lambda: service.searcher, generation)
    _install(app, config, _NOUNS)
    app.register_blueprint(import_module(f"{__name__}.http.moving_pictures").blueprint)
    return app


def create_welcome_app(config: WebConfig, setup: Setup) -> Flask:
    """The app of a server that has no library yet: a page that makes one."""
    from web.http.context import RUNS, SETUP

    app = _bare_app(config)
    app.extensions[SETUP], app.extensions[RUNS] = setup, setup.runs
    _install(app, config, _WELCOME_NOUNS)
    return app


def _bare_app(config: WebConfig, *counted: Any) -> Flask:
    from flask import Flask

    from web.http.context import CONFIG, DRAINING
    from web.http.routes.metrics import install_metrics

    app = Flask(__name__, static_folder=None)  # web/http/assets.py serves it
    app.json.ensure_ascii = True  # type: ignore[attr-defined]  # file names may hold halves of characters
    app.extensions[CONFIG] = config
    app.extensions[DRAINING] = threading.Event()
    install_metrics(app, *counted)
    return app


def _install(app: Flask, config: WebConfig, nouns: tuple[str, ...]) -> None:
    from web.http.assets import install_assets
    from web.http.parameters import install_parameters
    from web.http.proxy import install_proxy
    from web.http.security import install_security
    from web.http.tagging import install_tagging
    from web.problems import install_problems

    install_security(app, config)
    install_problems(app)
    install_proxy(app, config)
    install_assets(app, Path(__file__).parent / "static")
    install_tagging(app)
    install_parameters(app, _described)
    for noun in nouns:
        app.register_blueprint(import_module(f"{__name__}.http.routes.{noun}").blueprint)
