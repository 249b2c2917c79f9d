"""Tools for data sets: leaks between test and training, and pruning."""
