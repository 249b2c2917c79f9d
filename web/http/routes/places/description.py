"""The map's operations and answers, for the API's description."""

from __future__ import annotations

from typing import Any

from imgsearch.places.clusters import LARGEST_ZOOM
from web.http.operations import Part, operation, parameter, q
from web.http.routes.places.map import MOST_TOWNS, TOWNS
from web.http.schemas import COUNT, IMAGE_ID, TEXT, Schema, ref

_NUMBER: Schema = {"type": "number"}
_NORTH = {"type": "number", "minimum": -90, "maximum": 90, "description": "degrees, north positive"}
_EAST = {"type": "number", "minimum": -180, "maximum": 180, "description": "degrees, east positive"}


def _object(**properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


PLACE_SCHEMAS: dict[str, Schema] = {
    "Cluster": _object(
        latitude=_NORTH,
        longitude=_EAST,
        count={"type": "integer", "minimum": 1},
        radius_km=_NUMBER | {"minimum": 0, "description": "around the middle; all of its pictures lie within"},
        bounds={"type": "array", "items": _NUMBER, "minItems": 4, "description": "south, west, north, east"},
        place={"anyOf": [ref("PlaceName"), {"type": "null"}]},
        image_id=IMAGE_ID | {"description": "the newest picture of its fullest part"},
        thumbnail={"type": ["string", "null"], "description": "path of a WebP; null for clusters of few pictures"},
        near=TEXT | {"description": "the filter that finds its pictures, and perhaps some beside them"},
        search=TEXT | {"description": "the whole query with it"},
    ),
    "Places": _object(
        total=COUNT | {"description": "pictures of the answer"},
        placed=COUNT | {"description": "of these, with a place"},
        unplaced=COUNT | {"description": "and without"},
        best_of={"type": ["integer", "null"], "description": "hits that words were cut to; null where all are counted"},
        inside=COUNT | {"description": "pictures of all clusters: those in the cells that the window touches"},
        zoom=COUNT | {"description": "that of the answer: less than asked for where the window is wide"},
        clusters={"type": "array", "items": ref("Cluster")},
    ),
    "Towns": _object(
        towns={
            "type": "array",
            "items": _object(name=TEXT, country=TEXT, latitude=_NORTH, longitude=_EAST, population=COUNT),
        }
    ),
}

_CLUSTER: Part = {
    "latitude": 38.7109,
    "longitude": -9.1371,
    "count": 312,
    "radius_km": 4.1,
    "bounds": [38.69, -9.18, 38.74, -9.09],
    "place": {
        "said": "Lisbon, Portugal",
        "name": "Lisbon",
        "country": "Portugal",
        "country_code": "PT",
        "state": None,
        "km": 1.8,
    },
    "image_id": 17,
    "thumbnail": "/api/v1/pictures/17/thumbnail/9f86d081884c7d65-2",
    "near": "near:38.71090,-9.13710,4.11",
    "search": "a red boat near:38.71090,-9.13710,4.11",
}
PLACE_ANSWERS: dict[str, Any] = {
    "places": {
        "total": 480,
        "placed": 312,
        "unplaced": 168,
        "best_of": 500,
        "inside": 312,
        "zoom": 4,
        "clusters": [_CLUSTER],
    },
    "towns": {
        "towns": [
            {"name": "Lisbon", "country": "Portugal", "latitude": 38.7251, "longitude": -9.1498, "population": 517802}
        ]
    },
}
PLACE_DESCRIPTIONS = {
    "places": "Exact counts. With filters alone all that they leave is counted, with words or pictures to compare with "
    "the best 500. `box=35,170,60,-170` goes across 180 degrees. Names of places: GeoNames, CC BY 4.0.",
    "towns": "Those of most inhabitants first. GeoNames, CC BY 4.0.",
}


def paths() -> dict[str, Part]:
    """The operations."""
    number = r"-?[0-9]{1,3}(\.[0-9]{1,12})?"
    box = parameter(
        "box",
        {"type": "string", "pattern": f"^{number}(,{number}){{3}}$"},
        "degrees: south, west, north, east; the whole world without",
    ) | {"example": "35,-10,60,30"}
    zoom = {"type": "integer", "minimum": 0, "maximum": LARGEST_ZOOM, "default": 1}
    limit = {"type": "integer", "minimum": 1, "maximum": MOST_TOWNS, "default": TOWNS}
    places = operation(
        "places",
        "Where the pictures of an answer were taken",
        "Places",
        [q(), box, parameter("zoom", zoom, "cells of 45 degrees at 0, half as wide with each more") | {"example": 4}],
    )
    towns = operation("towns", "The largest towns of a window", "Towns", [box, parameter("limit", limit, "how many")])
    for name, told in (("places", places), ("towns", towns)):
        told["description"] = PLACE_DESCRIPTIONS[name]
        told["responses"]["200"]["content"]["application/json"]["example"] = PLACE_ANSWERS[name]
    return {"/places": {"get": places}, "/places/towns": {"get": towns}}
