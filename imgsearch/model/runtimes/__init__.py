"""What computes: torch, or NumPy where torch is not needed."""
