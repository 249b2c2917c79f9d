"""Two files that may be copies, looked at once more at the full size of the smaller one."""
