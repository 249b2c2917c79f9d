"""The output of commands: tables, progress, streams, the terminal."""
