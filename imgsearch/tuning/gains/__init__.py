"""What a run gained: measured before and after, and reported."""
