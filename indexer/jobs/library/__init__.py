"""From shards to a library: publishing, and merging libraries."""
