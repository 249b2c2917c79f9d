"""ViT features of candidates, and what the matching head computes from them."""
