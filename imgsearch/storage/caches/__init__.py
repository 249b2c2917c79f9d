"""Data that can be computed again, kept within a budget: thumbnails, ViT features."""
