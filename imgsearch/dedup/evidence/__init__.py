"""The evidence on two images or files, and the records that the whole room shares."""
