"""What a command shows: tables, progress, streams, the terminal."""
