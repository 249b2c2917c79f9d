"""What the names of files say about each other: versions of one picture, copies, sidecars."""
