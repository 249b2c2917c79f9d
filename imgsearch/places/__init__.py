"""Where a place is and what it is called, offline: towns by name and by position, and clusters for a map."""

from imgsearch.places.clusters import Cluster, Clusters, Window, clusters_of
from imgsearch.places.counted import counted_towns, near_name
from imgsearch.places.names import Found, find_town, radius_of, weight_of
from imgsearch.places.towns import Nearby, Town, Towns, known_towns, named_place

__all__ = [
    "Cluster",
    "Clusters",
    "Found",
    "Nearby",
    "Town",
    "Towns",
    "Window",
    "clusters_of",
    "counted_towns",
    "find_town",
    "known_towns",
    "named_place",
    "near_name",
    "radius_of",
    "weight_of",
]
