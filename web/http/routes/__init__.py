"""One blueprint a noun."""
