"""imgsearch tune."""
