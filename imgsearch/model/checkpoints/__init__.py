"""From a name to a sound checkpoint on disk, and its identity."""
