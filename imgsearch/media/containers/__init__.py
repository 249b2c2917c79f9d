"""What the headers of one container format say: how many pictures, their samples, profile, metadata and film."""
