"""Committed shards: what a shard holds, and how it is written and read."""
