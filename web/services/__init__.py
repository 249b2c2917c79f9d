"""The services behind the routes: searches, runs, the review of duplicates. Nothing of HTTP here but its errors."""
