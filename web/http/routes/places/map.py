"""The map of where pictures were taken: its page, clusters of pictures, and the towns to orient oneself by."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from flask import Blueprint, current_app, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from imgsearch.errors import UsageError
from imgsearch.places import Cluster, Nearby, Window, known_towns
from imgsearch.places.clusters import LARGEST_ZOOM
from imgsearch.search.query.description import readable
from web.config import MAX_QUERY_CHARS
from web.http.answers import read_number, thumbnail_path
from web.http.context import current_service
from web.http.tagging import tagged_json
from web.problems import printable
from web.services.places import AnswerPlaces, PlacesService
from web.services.search_service import SearchService
from web.wording import heading_of

blueprint = Blueprint("places", __name__)

TOWNS, MOST_TOWNS = 40, 200
"""Towns of one window: by default, and at most."""

DETAILED = 120
"""Clusters, the fullest first, that are told with a name and a small picture; a window has mostly fewer."""

_LISTED_ZOOM = 4
"""Of the list in the page for those without scripts: cells of 3 degrees."""

WIDE_KM = 40.0
"""Clusters with a greater radius are named by their fullest spot."""

_SMALLEST_KM = 0.05
"""Of ``near:`` around a cluster: what GPS errs by."""


@blueprint.get("/map")
def show_page() -> ResponseReturnValue:
    """The page: drawn by its script; without, a list of places."""
    text = _text()
    places = _places()
    listed = places.clusters(text, Window(), _LISTED_ZOOM).found[:DETAILED]
    return render_template(
        "map.html",
        title=printable(heading_of(text, lambda _: None)) if text else "Where the pictures were taken",
        query=printable(text),
        told=(told := _counts_json(places, text)),
        status=_counted(told),
        listed=_clusters_json(current_service(), text, listed),
    )


@blueprint.get("/api/v1/places")
def show_places() -> ResponseReturnValue:
    """Clusters of the pictures in a window, and how many have a place."""
    text, window = _text(), _window()
    zoom = read_number(request.args, "zoom", 1, 0, LARGEST_ZOOM)
    found = _places().clusters(text, window, zoom)
    told = _counts_json(_places(), text)
    clusters = _clusters_json(current_service(), text, found.found)
    return tagged_json({**told, "inside": found.count, "zoom": found.zoom, "clusters": clusters})


@blueprint.get("/api/v1/places/towns")
def show_towns() -> ResponseReturnValue:
    """The largest towns of a window."""
    window, most = _window(), read_number(request.args, "limit", TOWNS, 1, MOST_TOWNS)
    found = known_towns().largest_in(window.south, window.north, window.west, window.width, most)
    told = [
        {
            "name": town.name,
            "country": town.country,
            "latitude": town.latitude,
            "longitude": town.longitude,
            "population": town.population,
        }
        for town in found
    ]
    return jsonify({"towns": told})


def _places() -> PlacesService:
    known = current_app.extensions.get("imgsearch.places")
    if known is None:
        known = current_app.extensions.setdefault("imgsearch.places", PlacesService(current_service()))
    assert isinstance(known, PlacesService)
    return known


def _text() -> str:
    text = " ".join(readable(request.args.get("q", "")).split())
    if len(text) > MAX_QUERY_CHARS:
        raise UsageError(
            f"got a query of {len(text):,} characters, expected {MAX_QUERY_CHARS:,} or fewer", "shorten it"
        )
    return text


def _window() -> Window:
    """?box=south,west,north,east in degrees; the whole world without. Raises UsageError."""
    text = request.args.get("box")
    if text is None:
        return Window()
    try:
        south, west, north, east = (float(part) for part in text.split(","))
        if not (-90 <= south <= north <= 90 and -180 <= west <= 180 and -180 <= east <= 180):
            raise ValueError
    except ValueError as exc:
        raise UsageError(
            f"got box={printable(text[:60])}, expected four numbers of degrees: south, west, north, east",
            "for example box=35,-10,60,30; a western edge greater than the eastern one goes across 180 degrees",
        ) from exc
    return Window(south, west, north, east)


def _counts_json(places: PlacesService, text: str) -> dict[str, Any]:
    answered = places.answered(text)
    return {
        "total": answered.total,
        "placed": len(answered.placed),
        "unplaced": answered.placed.unplaced,
        "best_of": answered.best_of,
    }


def _counted(told: dict[str, Any]) -> str:
    """For a person, as the page's script says it too."""
    best = told["best_of"]
    every = f"the best {told['total']:,} matches" if best else f"{told['total']:,} picture{'s' * (told['total'] != 1)}"
    return f"{told['placed']:,} of {every} with a place" if told["unplaced"] else every


def _town_of(answered: AnswerPlaces, cluster: Cluster) -> Nearby | None:
    """The town of a cluster; of a wide one, whose middle may lie at sea, that of its fullest spot."""
    middle = cluster.latitude, cluster.longitude
    spot = answered.fullest_spot(cluster.bounds) if cluster.radius_km > WIDE_KM else None
    return known_towns().around(*(spot or middle))


def _clusters_json(service: SearchService, text: str, found: Sequence[Cluster]) -> list[dict[str, Any]]:
    answered = _places().answered(text)
    records = service.store.images([one.newest for one in found[:DETAILED]])
    told = []
    for number, one in enumerate(found):
        record = records.get(one.newest)
        near = near_of(one)
        town = _town_of(answered, one) if number < DETAILED else None
        told.append(
            {
                "latitude": round(one.latitude, 6),
                "longitude": round(one.longitude, 6),
                "count": one.count,
                "radius_km": round(one.radius_km, 3),
                "bounds": [one.bounds.south, one.bounds.west, one.bounds.north, one.bounds.east],
                "place": None if town is None else town.as_dict(),
                "image_id": one.newest,
                "thumbnail": None if record is None else thumbnail_path(record),
                "near": near,
                "search": f"{printable(text)} {near}".strip(),
            }
        )
    return told


def near_of(cluster: Cluster) -> str:
    """The term of the query language that finds at least the pictures of a cluster."""
    wanted = max(_SMALLEST_KM, cluster.radius_km + 0.002)  # the degrees are rounded to 1 m
    step = 10 ** (math.floor(math.log10(wanted)) - 2)
    kilometres = min(29_999.0, math.ceil(wanted / step) * step)
    return f"near:{cluster.latitude:.5f},{cluster.longitude:.5f},{kilometres:.10g}"
