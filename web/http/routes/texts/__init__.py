"""What is written about images, and in them."""
