"""Several pictures at once, albums, favourites and hidden pictures."""
