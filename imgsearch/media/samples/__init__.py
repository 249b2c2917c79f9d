"""All samples of a file, of every frame and at full depth."""
