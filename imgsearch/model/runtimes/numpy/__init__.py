"""BLIP-2 on NumPy, for searches on a CPU without torch."""
