"""BMP, PCX and other old raster formats."""
