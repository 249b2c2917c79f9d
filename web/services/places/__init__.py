"""What the map asks: where the pictures of an answer were taken, in clusters with names and small pictures."""

from web.services.places.answers import BEST, AnswerPlaces, PlacesService

__all__ = ["BEST", "AnswerPlaces", "PlacesService"]
