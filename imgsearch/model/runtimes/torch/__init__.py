"""BLIP-2 on torch, with transformers' modules."""
