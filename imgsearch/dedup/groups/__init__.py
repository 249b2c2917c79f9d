"""From pairs to groups of files that do not chain, and which file of a group stays."""
