"""`imgsearch album`, `favourite`, `hide` and `unhide`."""
