"""The page of a server without a library, and what it asks for."""
