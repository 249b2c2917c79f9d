"""The engine of Ray Data: shards run in actors, on this machine or on a cluster."""
