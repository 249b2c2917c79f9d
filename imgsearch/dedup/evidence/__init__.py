"""What is known of two pictures or files, and the records that the whole room shares."""
