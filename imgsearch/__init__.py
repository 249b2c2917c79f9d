"""Text-to-image search on BLIP-2. Importing this package loads neither torch nor Flask."""

__version__ = "0.1.0"
