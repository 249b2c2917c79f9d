"""What the headers of each container format say: the number of images, their samples, profile, metadata and video."""
