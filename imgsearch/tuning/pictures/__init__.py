"""A run's pictures: compared, split, kept at the model's size, and given out in batches."""
