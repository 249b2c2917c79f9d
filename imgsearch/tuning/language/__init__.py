"""Tuning a generator: captions by LoRA on its language model, its Q-Former, or both. Importing this loads no torch."""
