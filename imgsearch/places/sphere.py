"""Distances on the globe, and the middle of many places, right at the poles and across 180 degrees."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

EARTH_KM = 6371.0088  # mean radius, IUGG
DEGREE_KM = EARTH_KM * math.pi / 180  # of latitude

Degrees = NDArray[Any]


def kilometres(latitude: Degrees, longitude: Degrees, north: float, east: float) -> NDArray[np.float64]:
    """float64 [n]: the great circle's length from each place, in degrees [n], to one; haversine formula."""
    lat, middle = np.radians(np.asarray(latitude, np.float64)), math.radians(north)
    half = np.sin((lat - middle) / 2) ** 2
    half += np.cos(lat) * math.cos(middle) * np.sin(np.radians(np.asarray(longitude, np.float64) - east) / 2) ** 2
    found: NDArray[np.float64] = 2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0, 1)))
    return found


def unit_vectors(latitude: Degrees, longitude: Degrees) -> NDArray[np.float64]:
    """float64 [n, 3]: places in degrees as points of the unit sphere."""
    lat, lon = np.radians(np.asarray(latitude, np.float64)), np.radians(np.asarray(longitude, np.float64))
    return np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)], axis=-1)


def degrees_of(vector: NDArray[np.float64]) -> tuple[float, float]:
    """Degrees north and east of where a vector [3] points to; for one without length 0, 0."""
    x, y, z = (float(value) for value in vector)
    return math.degrees(math.atan2(z, math.hypot(x, y))), math.degrees(math.atan2(y, x))
