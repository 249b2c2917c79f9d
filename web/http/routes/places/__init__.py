"""Places: the map's page, and what it asks."""
