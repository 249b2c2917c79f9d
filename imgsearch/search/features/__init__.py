"""ViT features of candidates, and what the matching head makes of them."""
