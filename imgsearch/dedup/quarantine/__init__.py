"""Files are moved, journaled, brought back, or deleted for good."""
