"""Albums, favourites and hidden pictures for people and other programs: as JSON, in XMP sidecars, from Python."""
