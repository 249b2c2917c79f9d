"""The page of a server that has no library yet."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, redirect, render_template
from flask.typing import ResponseReturnValue

from web.http.context import current_setup, rooted
from web.http.setup_access import may_set_up
from web.http.tiles import install_tiles
from web.problems import NotFound, wants_page

blueprint = Blueprint("welcome", __name__)
install_tiles(blueprint)
blueprint.add_app_template_global(lambda: False, "writes")


@blueprint.get("/")
def show_welcome() -> ResponseReturnValue:
    """Models, folders, an estimate, and the demo."""
    setup = current_setup()
    if setup.notice():
        again: Response = redirect(rooted("/"))  # type: ignore[assignment]
        return again
    count, place = setup.demo_words()
    given: dict[str, Any] = {"setup": setup.state(), "allowed": may_set_up(), "scenes": count, "demo_place": place}
    return render_template("welcome.html", **given)


@blueprint.get("/<path:other>")
def show_other(other: str) -> ResponseReturnValue:
    """Every page of a library leads here while there is none."""
    if wants_page() and not other.startswith(("api/", "static/")):
        answer: Response = redirect(rooted("/"))  # type: ignore[assignment]
        return answer
    raise NotFound("there is no library yet", "open the page of this server, or make one: imgsearch index FOLDER")
