"""`imgsearch dedup` and its verbs."""
