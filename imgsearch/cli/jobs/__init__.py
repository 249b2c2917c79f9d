"""`imgsearch job`: offline jobs."""
