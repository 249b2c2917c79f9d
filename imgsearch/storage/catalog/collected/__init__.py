"""What people keep about images beside their files: albums, favourites, and images that they do not want to see."""
