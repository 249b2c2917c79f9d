"""What a file says about itself: when and where it was taken, what people wrote about it, and the source of each
fact."""
