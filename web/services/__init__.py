"""What the routes ask: searches, runs, the review of duplicates. Nothing of HTTP here but its errors."""
