"""What a file says of itself: when and where it was taken, what people wrote about it, and which part of it says so."""
